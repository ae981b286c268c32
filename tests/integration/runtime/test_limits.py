"""``/linux/cgroupsPath`` and ``/linux/resources``: where the container is, and what holds there."""

from __future__ import annotations

import os
import subprocess
import uuid

import pytest

MIB = 1 << 20


def cgroup_of(pid, controller):
    """Give the directory of a process's cgroup, for a v1 controller or on v2."""
    unified = None
    with open(f"/proc/{pid}/cgroup") as file:
        for line in file:
            _, controllers, path = line.strip().split(":", 2)
            if controller in controllers.split(","):
                return f"{_mount_of(controller)}{path}"
            if not controllers:
                unified = path
    return f"{_mount_of('')}{unified}"


def _mount_of(controller):
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            kind, _, options = after.strip().split(" ", 2)
            point = before.split()[4]
            if controller and kind == "cgroup" and controller in options.split(","):
                return point
            if not controller and kind == "cgroup2":
                return point
    pytest.skip(f"no hierarchy has the controller {controller or 'v2'}")


def setting(pid, controller, legacy, unified):
    """Read a setting by the name that it has in the hierarchy at hand."""
    directory = cgroup_of(pid, controller)
    for name in (legacy, unified):
        if os.path.exists(f"{directory}/{name}"):
            with open(f"{directory}/{name}") as file:
                return name, file.read().strip()
    raise AssertionError(f"neither {legacy} nor {unified} is in {directory}")


@pytest.fixture
def sleeper(bundle):
    bundle.process["args"] = ["sleep", "1000"]
    return bundle


def limited(bundle, **resources):
    bundle.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}], **resources}
    return bundle


# -- where -----------------------------------------------------------------------------------------


def test_the_container_is_at_its_path_in_every_hierarchy(pyoci, sleeper):
    name = f"test-path-{uuid.uuid4().hex[:8]}"
    sleeper.linux["cgroupsPath"] = f"/{name}/inner"
    box = pyoci.start(sleeper)
    pid = pyoci.state(box)["pid"]
    for controller in ("memory", "cpu", "pids", "devices", "freezer"):
        assert cgroup_of(pid, controller).endswith(f"/{name}/inner"), controller
    pyoci.ok("delete", "--force", box)
    try:
        if os.path.basename(pyoci.binary) == "pyoci":
            assert not cgroups_named(name), "the cgroup above, made for this container, is left"
    finally:
        _remove_everywhere(name)


def test_without_a_path_the_cgroup_has_the_containers_name(pyoci, sleeper):
    name = pyoci.start(sleeper)
    assert name in cgroup_of(pyoci.state(name)["pid"], "pids")


def test_the_cgroup_is_gone_after_the_delete(pyoci, sleeper):
    name = pyoci.start(sleeper)
    directories = {
        cgroup_of(pyoci.state(name)["pid"], controller)
        for controller in ("memory", "cpu", "pids", "devices")
    }
    assert all(os.path.isdir(directory) for directory in directories)
    pyoci.ok("delete", "--force", name)
    assert not [directory for directory in directories if os.path.exists(directory)]


def test_a_cgroup_that_the_engine_has_made_stays(pyoci, sleeper):
    name = f"engine-{uuid.uuid4().hex[:8]}"
    parent = f"{cgroup_of('self', 'pids')}/{name}"
    os.makedirs(parent)
    try:
        relative = parent.removeprefix(_mount_of("pids"))
        sleeper.linux["cgroupsPath"] = f"{relative}/box"
        box = pyoci.start(sleeper)
        assert os.path.isdir(f"{parent}/box")
        pyoci.ok("delete", "--force", box)
        assert not os.path.exists(f"{parent}/box")
        assert os.path.isdir(parent)
    finally:
        _remove_everywhere(name)


def cgroups_named(name):
    return [
        f"{top}/{name}" for top, directories, _ in os.walk("/sys/fs/cgroup") if name in directories
    ]


def _remove_everywhere(name):
    for directory in cgroups_named(name):
        os.rmdir(directory)


@pytest.mark.parametrize("above", ["/../..", "..", "/a/../.."])
def test_a_path_with_dots_stays_inside_the_hierarchy_or_is_refused(pyoci, bundle, above):
    name = f"dots-{uuid.uuid4().hex[:8]}"
    bundle.linux["cgroupsPath"] = f"{above}/{name}"
    bundle.process["args"] = ["sleep", "1000"]
    box = pyoci.new_id()
    with open(f"{os.path.dirname(bundle.write())}/output", "w+") as output:
        command = pyoci.command("run", "--detach", "--bundle", bundle.path, box)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60
        )
        output.seek(0)
        text = output.read()
    assert not os.path.exists(f"/sys/fs/{name}") and not os.path.exists(f"/sys/fs/cgroup/{name}")
    if done.returncode == 0:
        inside = os.path.realpath(cgroup_of(pyoci.state(box)["pid"], "pids"))
        assert inside.startswith(f"{_mount_of('pids')}/")
        pyoci.ok("delete", "--force", box)
    else:
        assert len(text.splitlines()) == 1
    _remove_everywhere(name)


# -- what is in the files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "controller", "legacy", "unified", "values"),
    [
        (
            {"memory": {"limit": 64 * MIB}},
            "memory",
            "memory.limit_in_bytes",
            "memory.max",
            (str(64 * MIB),) * 2,
        ),
        (
            {"memory": {"limit": 64 * MIB, "reservation": 32 * MIB}},
            "memory",
            "memory.soft_limit_in_bytes",
            "memory.low",
            (str(32 * MIB),) * 2,
        ),
        (
            {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}},
            "memory",
            "memory.memsw.limit_in_bytes",
            "memory.swap.max",
            (str(96 * MIB), str(32 * MIB)),
        ),
        ({"pids": {"limit": 17}}, "pids", "pids.max", "pids.max", ("17",) * 2),
        ({"pids": {"limit": -1}}, "pids", "pids.max", "pids.max", ("max",) * 2),
        ({"cpu": {"shares": 512}}, "cpu", "cpu.shares", "cpu.weight", ("512", "20")),
        (
            {"cpu": {"quota": 20000, "period": 50000}},
            "cpu",
            "cpu.cfs_quota_us",
            "cpu.max",
            ("20000", "20000 50000"),
        ),
        (
            {"cpu": {"quota": 20000, "period": 50000}},
            "cpu",
            "cpu.cfs_period_us",
            "cpu.max",
            ("50000", "20000 50000"),
        ),
        ({"cpu": {"cpus": "0"}}, "cpuset", "cpuset.cpus", "cpuset.cpus", ("0",) * 2),
        ({"cpu": {"mems": "0"}}, "cpuset", "cpuset.mems", "cpuset.mems", ("0",) * 2),
    ],
)
def test_a_limit_is_in_its_file(pyoci, sleeper, resources, controller, legacy, unified, values):
    pid = pyoci.state(pyoci.create(limited(sleeper, **resources)))["pid"]
    name, value = setting(pid, controller, legacy, unified)
    assert value == values[0 if name == legacy else 1]


def test_the_program_sees_its_processors(pyoci, bundle):
    limited(bundle, cpu={"cpus": "0"})
    assert pyoci.output(bundle.script("nproc")) == "1\n"


@pytest.mark.parametrize(
    ("resources", "pointer"),
    [
        ({"memory": {"limit": "64m"}}, "/linux/resources/memory/limit"),
        ({"pids": {"limit": "5"}}, "/linux/resources/pids/limit"),
        ({"cpu": {"shares": -5}}, "/linux/resources/cpu/shares"),
        ({"memory": [1]}, "/linux/resources/memory"),
        ({"cpu": {"cpus": "no"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"cpus": "4000"}}, "/linux/resources/cpu/cpus"),
        ({"cpu": {"quota": 5, "period": 5}}, "/linux/resources/cpu"),
    ],
)
def test_a_limit_that_cannot_be_is_named_and_nothing_is_left(
    pyoci, bundle, is_pyoci, resources, pointer
):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    done = pyoci.run(limited(bundle, **resources).script("true"))
    assert done.returncode == 1
    assert pointer in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(pyoci.root) in ([], [".seccomp"])


# -- what holds ------------------------------------------------------------------------------------


def test_the_number_of_processes_is_limited(pyoci, bundle):
    limited(bundle, pids={"limit": 8})
    # Process after process, each of which waits: more than there may be.
    bundle.script("for n in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; echo all")
    done = pyoci.run(bundle)
    assert "all" not in done.stdout
    assert "can't fork" in done.stderr


def test_the_limit_counts_what_is_executed_later(pyoci, sleeper):
    name = pyoci.start(limited(sleeper, pids={"limit": 4}))
    done = pyoci.call("exec", name, "sh", "-c", "sleep 9 & sleep 9 & sleep 9 & echo all")
    assert "all" not in done.stdout
    assert pyoci.ok("exec", name, "echo", "again") == "again\n"


def test_too_much_memory_kills_the_program_with_status_137(pyoci, bundle):
    limited(bundle, memory={"limit": 20 * MIB, "swap": 20 * MIB})
    # dd's buffer is what is too large. Not through a shell: it would give the status itself.
    bundle.process["args"] = ["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]
    assert pyoci.run(bundle).returncode == 137


def test_too_much_memory_kills_what_is_executed_later_and_not_the_container(pyoci, sleeper):
    name = pyoci.start(limited(sleeper, memory={"limit": 20 * MIB, "swap": 20 * MIB}))
    command = ("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    assert pyoci.call("exec", name, *command).returncode == 137
    assert pyoci.status(name) == "running"


def test_a_tmpfs_counts_as_the_containers_memory(pyoci, bundle):
    limited(bundle, memory={"limit": 20 * MIB, "swap": 20 * MIB})
    bundle.process["args"] = ["dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=60"]
    assert pyoci.run(bundle).returncode == 137


def test_a_program_within_its_limit_runs(pyoci, bundle):
    limited(bundle, memory={"limit": 20 * MIB, "swap": 20 * MIB})
    bundle.process["args"] = ["dd", "if=/dev/zero", "of=/dev/null", "bs=8M", "count=2"]
    assert pyoci.run(bundle).returncode == 0


def test_a_limit_that_no_process_fits_in_is_told_as_such(pyoci, bundle, is_pyoci):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    limited(bundle, memory={"limit": 4096, "swap": 4096})
    done = pyoci.run(bundle.script("true"))
    # Killed during the set-up, by which the runtime tells the reason, or as the program.
    assert done.returncode in (1, 137)
    if done.returncode == 1:
        assert "memory" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_container_without_a_pid_namespace_is_limited_as_well(pyoci, bundle):
    bundle.without_namespace("pid")
    limited(bundle, pids={"limit": 8})
    bundle.script("for n in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; echo all")
    done = pyoci.run(bundle)
    assert "all" not in done.stdout
    assert "can't fork" in done.stderr
