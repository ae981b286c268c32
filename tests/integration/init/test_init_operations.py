"""Single operations, in plans made by hand: what no configuration reaches on every host."""

from __future__ import annotations

import array
import errno
import os
import platform
import socket
import struct

import pytest

from pyoci.plan.operations import CODES, NO_SLOT, OPERATIONS, Operation
from pyoci.plan.stage import Failure, Stage

NEW_CALLS = {"clone3": 435, "faccessat2": 439}
ALLOW, ERRNO, NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
UNAME = {"x86_64": 63, "aarch64": 160}[platform.machine()]


def op(name: str, *values: object) -> Operation:
    assert len(values) == len(OPERATIONS[CODES[name] - 1][1].split()), name
    return Operation(name, "", values)  # type: ignore[arg-type]


def clone(types: int = 0, cgroup: int = NO_SLOT) -> Operation:
    return op("clone", types, cgroup, NO_SLOT, "")


def execute(*args: str) -> list[Operation]:
    return [op("program", list(args), ["PATH=/bin:/usr/bin"]), op("find_program"), op("exec")]


def filter_for(number: int, action: int) -> bytes:
    """A filter (classic BPF) with one exception."""
    return struct.pack(
        "<HBBIHBBIHBBIHBBI",
        *(0x20, 0, 0, 0),  # the system call's number
        *(0x15, 0, 1, number),
        *(0x06, 0, 0, action),
        *(0x06, 0, 0, ALLOW),
    )


@pytest.fixture
def run(tmp_path):
    """Runs a plan; gives the exit status of its program and what it wrote."""
    stages = []

    def call(
        *operations: Operation, inherited: tuple[int, ...] = (), on_sync=None
    ) -> tuple[int, str]:
        with open(tmp_path / "output", "w+b") as output:
            null = os.open("/dev/null", os.O_RDONLY)
            stage = Stage(
                list(operations),
                inherited=inherited,
                stdio=(null, output.fileno(), output.fileno()),
            )
            os.close(null)
            stages.append(stage)
            stage.run(on_sync or (lambda name: None))
            _, status = os.waitpid(stage.pid, 0)
            stage.pid = 0
            output.seek(0)
            return os.waitstatus_to_exitcode(status), output.read().decode()

    yield call
    for stage in stages:
        stage.abandon()


def failure(run, *operations: Operation, **options: object) -> Failure:
    with pytest.raises(Failure) as caught:
        run(*operations, **options)
    return caught.value


def test_a_plan_without_namespaces_is_a_program(run):
    assert run(clone(), *execute("echo", "here")) == (0, "here\n")


def test_a_failure_names_its_operation_in_the_stage(run):
    failed = failure(run, op("open_file", 0, "/no/such/file", 0), clone(), *execute("true"))
    assert (failed.operation.name, failed.errno) == ("open_file", errno.ENOENT)


def test_a_failure_names_its_operation_in_the_container(run):
    failed = failure(run, clone(), op("domainname", "x" * 100), *execute("true"))
    assert (failed.operation.name, failed.errno) == ("domainname", errno.EINVAL)


def test_a_plan_that_does_not_end_in_a_program_is_refused(run):
    assert failure(run, clone(), op("new_session")).detail == "the plan ends without exec"


@pytest.mark.parametrize(("uid", "gid"), [((1 << 32) - 1, 0), (0, (1 << 32) - 1), (-1, -1)])
def test_an_id_that_means_as_it_is_is_refused(run, uid, gid):
    """setresuid(2) takes it for "no change": the program would stay root."""
    failed = failure(run, clone(), op("set_user", uid, gid, b"", 0), *execute("id"))
    assert (failed.operation.name, failed.errno) == ("set_user", errno.EINVAL)


def test_an_empty_slot_is_no_descriptor(run):
    failed = failure(run, clone(), op("use_console", 3), *execute("true"))
    assert (failed.operation.name, failed.errno) == ("use_console", errno.EBADF)


def test_a_descriptor_is_closed_after_its_last_operation(run, tmp_path):
    opened = [op("open_file", slot, str(tmp_path), os.O_RDONLY) for slot in range(20)]
    exit_status, output = run(*opened, clone(), *execute("sh", "-c", "ls /proc/$$/fd | wc -l"))
    assert exit_status == 0
    assert int(output) <= 4


def test_sync_holds_the_container_until_it_may_go_on(run, tmp_path):
    marker = tmp_path / "marker"
    seen = []

    def on_sync(name: str) -> None:
        seen.append((name, marker.exists()))
        marker.write_text("made while it waited")

    syncs = [op("sync", "first"), op("sync", "second")]
    assert (
        run(clone(), *syncs, *execute("cat", str(marker)), on_sync=on_sync)[1]
        == "made while it waited"
    )
    assert seen == [("first", False), ("second", True)]


def test_a_callback_that_raises_leaves_nothing(run):
    class ToldError(Exception):
        pass

    def on_sync(name: str) -> None:
        raise ToldError

    with pytest.raises(ToldError):
        run(clone(), op("sync", "s"), *execute("sleep", "1000"), on_sync=on_sync)


@pytest.mark.parametrize("name", ["clone3", "faccessat2"])
def test_system_calls_that_an_outer_filter_hides_are_done_without(run, name):
    hidden = filter_for(NEW_CALLS[name], ERRNO | errno.ENOSYS)
    outer = op("seccomp", hidden, 0, NO_SLOT)
    assert run(outer, clone(), *execute("echo", "here")) == (0, "here\n")


def test_an_outer_filter_that_hides_clone3_cannot_be_done_without_for_a_cgroup(run, unified):
    outer = op("seccomp", filter_for(NEW_CALLS["clone3"], ERRNO | errno.ENOSYS), 0, NO_SLOT)
    opened = op("open_file", 0, unified, 0o10200000)
    assert failure(run, opened, outer, clone(cgroup=0), *execute("true")).errno == errno.ENOSYS


@pytest.fixture
def unified():
    """A v2 cgroup, made for the test."""
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{top}/cgroup.subtree_control"):
            path = f"{top}/pyoci-test-{os.getpid()}"
            os.mkdir(path)
            yield path
            os.rmdir(path)
            return
    pytest.skip("no cgroup v2 hierarchy")


def test_the_container_is_cloned_into_its_cgroup(run, unified):
    opened = op("open_file", 0, unified, 0o10200000)
    _, output = run(opened, clone(cgroup=0), *execute("cat", "/proc/self/cgroup"))
    assert f"0::/{os.path.basename(unified)}" in output.splitlines()


def test_the_device_program_holds_in_the_cgroup(run, unified):
    # r0 = (major << 8 | type…): deny what has minor 5, /dev/zero; struct bpf_cgroup_dev_ctx.
    program = b"".join(
        (
            struct.pack("<BBhi", 0x61, 0x12, 8, 0),  # r2 = minor
            struct.pack("<BBhi", 0xB7, 0, 0, 1),  # r0 = 1
            struct.pack("<BBhi", 0x55, 2, 1, 5),  # if r2 != 5 skip
            struct.pack("<BBhi", 0xB7, 0, 0, 0),  # r0 = 0
            struct.pack("<BBhi", 0x95, 0, 0, 0),
        )
    )
    operations = [
        op("open_file", 0, unified, 0o10200000),
        op("load_device_program", 0, program),
        clone(cgroup=0),
    ]
    script = "head -c 1 /dev/urandom | wc -c; head -c 1 /dev/zero"
    status, output = run(*operations, *execute("sh", "-c", script))
    assert status == 1
    assert output.splitlines()[0] == "1"
    assert "Operation not permitted" in output


def test_a_device_program_that_is_none_is_refused(run, unified):
    operations = [op("open_file", 0, unified, 0o10200000), op("load_device_program", 0, b"\0" * 8)]
    assert failure(run, *operations, clone(), *execute("true")).errno == errno.EINVAL


def test_a_listener_is_sent_to_the_runtime(run):
    ours, theirs = socket.socketpair()
    received = []

    def on_sync(name: str) -> None:
        _, control, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
        received.extend(array.array("i", control[0][2]))

    with ours, theirs:
        plan = [
            op("inherit_file", 0, theirs.fileno()),
            clone(),
            # TSYNC, which the kernel does not take together with a listener.
            op("seccomp", filter_for(UNAME, NOTIFY), 1, 0),
            op("sync", "ready"),
            *execute("echo", "no uname in here"),
        ]
        assert run(*plan, inherited=(theirs.fileno(),), on_sync=on_sync)[0] == 0
        assert os.readlink(f"/proc/self/fd/{received[0]}") == "anon_inode:seccomp notify"
        os.close(received[0])


@pytest.mark.parametrize(
    "program", [b"\0" * 7, b"\0" * 8 * 4097, b"", b"\xff" * 8], ids=["odd", "long", "empty", "none"]
)
def test_a_filter_that_is_none_is_refused(run, program):
    failed = failure(run, clone(), op("seccomp", program, 0, NO_SLOT), *execute("true"))
    assert failed.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("path", "value", "number"),
    [
        ("sys/kernel/../../../etc/passwd", "x", errno.EXDEV),
        ("self/cwd/file", "x", errno.ELOOP),
        ("self/fd/1", "x", errno.ELOOP),
        ("mounts", "x", errno.ELOOP),
        ("/sys/kernel/hostname", "x", errno.EXDEV),
        ("sys/no/such", "x", errno.ENOENT),
    ],
)
def test_writes_to_procfs_do_not_leave_it(run, path, value, number):
    plan = [clone(), op("open_proc", 0), op("write_proc", 0, path, value), *execute("true")]
    failed = failure(run, *plan)
    assert (failed.operation.name, failed.errno) == ("write_proc", number)


def test_writes_go_to_a_procfs_only(run, tmp_path):
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys/setting").write_text("as before")
    opened = op("open_file", 0, str(tmp_path), 0o10200000)
    failed = failure(
        run, opened, clone(), op("write_proc", 0, "sys/setting", "x"), *execute("true")
    )
    assert failed.detail == "not a procfs"
    assert (tmp_path / "sys/setting").read_text() == "as before"


def test_a_write_to_procfs_passes_by_what_is_mounted_over_it(run, tmp_path):
    """CVE-2025-52881, CVE-2019-16884: in a mount namespace where /proc/sys is something else."""
    fake = tmp_path / "fake"
    fake.write_text("fake\n")
    new_mounts_and_names = 0x20000 | 0x4000000
    plan = [
        clone(new_mounts_and_names),
        op("propagation", "/", 1 << 18, 1),
        op("open_tree", 1, str(fake), 0, 0),
        op("use_root", "/"),
        op("attach_mount", 1, "/proc/sys/kernel/hostname", 1, 2),
        op("open_proc", 0),
        op("write_proc", 0, "sys/kernel/hostname", "written-to-the-kernel"),
        *execute("sh", "-c", "uname -n; cat /proc/sys/kernel/hostname"),
    ]
    assert run(*plan)[1].splitlines() == ["written-to-the-kernel", "fake"]
    assert fake.read_text() == "fake\n"


def test_what_the_stage_cannot_connect_to_is_told(run, tmp_path):
    failed = failure(run, op("connect_unix", 0, str(tmp_path / "s")), clone(), *execute("true"))
    assert (failed.operation.name, failed.errno) == ("connect_unix", errno.ENOENT)


def test_the_caller_is_ignorant_of_a_dead_init(run):
    """It dies of a signal in the middle of its plan: the status pipe just ends."""
    killing = filter_for(UNAME, 0x80000000)
    plan = [clone(), op("seccomp", killing, 0, NO_SLOT), *execute("uname")]
    assert run(*plan)[0] == -31
