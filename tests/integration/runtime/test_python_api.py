"""``pyoci.Runtime``: containers of a Python program, in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pyoci import Runtime
from pyoci.errors import (
    CommandError,
    ContainerExistsError,
    ContainerNotFoundError,
    ContainerStateError,
    HookError,
    InitError,
    PyociError,
    SpecError,
    UsageError,
)


@pytest.fixture(autouse=True)
def needs_pyoci(is_pyoci):
    if not is_pyoci:
        pytest.skip("the library is pyoci's")


@pytest.fixture
def runtime_(pyoci):
    """A `Runtime` on the state root that is looked through at the end."""
    before = descriptors(), children()
    yield Runtime(root=pyoci.root)
    assert descriptors() == before[0], "descriptors are left open"
    assert children() == before[1], "children are left, dead or alive"


@pytest.fixture
def new_id(pyoci):
    return pyoci.new_id


def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    # The one that listed them.
    return {number for number, target in found.items() if target != f"/proc/{os.getpid()}/fd"}


def children():
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
        return file.read().split()


def read_all(descriptor):
    data = b""
    while part := os.read(descriptor, 65536):
        data += part
    os.close(descriptor)
    return data.decode()


def null():
    return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


@pytest.fixture
def quiet():
    """Streams for containers that write nothing of interest."""
    descriptor = null()
    yield {"stdin": descriptor, "stdout": descriptor, "stderr": descriptor}
    os.close(descriptor)


# The fixture of the descriptors has to be set up before that of the runtime looks.
@pytest.fixture
def api(quiet, runtime_):
    return runtime_


def test_a_program_runs_and_gives_its_exit_status(api, bundle, new_id, quiet):
    with api.create(bundle.script("exit 42").write(), new_id(), **quiet) as container:
        assert container.status == "created"
        container.start()
        assert container.wait() == 42
        assert container.wait() == 42, "it can be asked for again"
        assert container.status == "stopped"
        assert container.pid == 0


def test_what_is_left_out_is_told(api, bundle, new_id, quiet):
    bundle.process["capabilities"]["ambient"] = ["CAP_NET_ADMIN"]
    bundle.process["args"] = ["sleep", "1000"]
    bundle.config["hooks"] = {"poststop": [{"path": "/bin/false"}]}
    bundle.write()
    with api.create(bundle.path, new_id(), **quiet) as container:
        (warning,) = container.warnings
        assert "CAP_NET_ADMIN is not made ambient" in warning
        container.start()
        process = container.exec(["true"], **quiet)
        assert any("CAP_NET_ADMIN" in warning for warning in process.warnings)
        process.wait()
    assert "poststop" in container.warnings[-1]


PRESERVING = """
import os, sys
from pyoci import Runtime
for number, content in (3, b"three\\n"), (4, b"four\\n"):
    assert os.open(sys.argv[2], os.O_TMPFILE | os.O_RDWR) == number
    os.pwrite(number, content, 0)
with Runtime(sys.argv[1]).create(sys.argv[2], sys.argv[3], preserve_fds=2) as container:
    container.start()
    status = container.wait()
assert not os.get_inheritable(3)
sys.exit(status)
"""


def in_a_program_of_its_own(text, *arguments):
    """Run a program that has descriptors to itself."""
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=60
    )


def test_preserved_descriptors_need_not_be_inheritable(pyoci, bundle, new_id):
    bundle.script("cat <&3; cat <&4; ls /proc/self/fd | wc -l").write()
    done = in_a_program_of_its_own(PRESERVING, pyoci.root, bundle.path, new_id())
    # The sixth is what ls reads.
    assert (done.stdout, done.returncode) == ("three\nfour\n6\n", 0), done.stderr


def test_a_descriptor_to_preserve_has_to_be_open(pyoci, bundle, new_id):
    program = PRESERVING.replace("preserve_fds=2", "preserve_fds=200")
    done = in_a_program_of_its_own(program, pyoci.root, bundle.script("true").write(), new_id())
    assert "UsageError: preserve_fds=200: file descriptor" in done.stderr
    assert os.listdir(pyoci.root) == []


def test_the_block_deletes_the_container(api, bundle, new_id, quiet, pyoci):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        pid = container.pid
    assert not os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"{pyoci.root}/{container.id}")
    with pytest.raises(ContainerNotFoundError):
        container.state()


def test_the_block_deletes_the_container_when_something_is_raised(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with (
        pytest.raises(ZeroDivisionError),
        api.create(bundle.write(), new_id(), **quiet) as container,
    ):
        container.start()
        raise ZeroDivisionError
    assert api.list() == []


def test_a_container_that_is_not_started_is_deleted_too(api, bundle, new_id, quiet):
    with api.create(bundle.script("true").write(), new_id(), **quiet) as container:
        pid = container.pid
    assert not os.path.exists(f"/proc/{pid}")


def test_output_through_a_pipe(api, bundle, new_id, quiet):
    read_end, write_end = os.pipe()
    error_read, error_write = os.pipe()
    bundle.script("echo out; echo err >&2").write()
    streams = {**quiet, "stdout": write_end, "stderr": error_write}
    with api.create(bundle.path, new_id(), **streams) as container:
        os.close(write_end)
        os.close(error_write)
        container.start()
        assert read_all(read_end) == "out\n"
        assert read_all(error_read) == "err\n"
        assert container.wait() == 0


def test_input_through_a_pipe(api, bundle, new_id, quiet):
    read_end, write_end = os.pipe()
    input_read, input_write = os.pipe()
    streams = {**quiet, "stdin": input_read, "stdout": write_end}
    with api.create(bundle.script("tr a-z A-Z").write(), new_id(), **streams) as container:
        os.close(write_end)
        os.close(input_read)
        container.start()
        os.write(input_write, b"hello\n")
        os.close(input_write)
        assert read_all(read_end) == "HELLO\n"


def test_streams_may_be_exchanged(api, bundle, new_id, quiet, capfd):
    # stdout into a pipe, and stderr to where this process's stdout goes.
    read_end, write_end = os.pipe()
    bundle.script("echo out; echo err >&2").write()
    streams = {**quiet, "stdout": write_end, "stderr": 1}
    with api.create(bundle.path, new_id(), **streams) as container:
        os.close(write_end)
        container.start()
        container.wait()
    assert read_all(read_end) == "out\n"
    assert capfd.readouterr() == ("err\n", "")


def test_no_descriptor_of_the_program_is_open_inside(api, bundle, new_id, quiet):
    read_end, write_end = os.pipe()
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    bundle.process["args"] = ["ls", "/proc/self/fd"]
    with api.create(bundle.write(), new_id(), **{**quiet, "stdout": write_end}) as container:
        os.close(write_end)
        container.start()
        assert set(read_all(read_end).split()) <= {"0", "1", "2", "3"}
    os.close(extra)


def test_the_state_is_what_the_command_line_says(api, bundle, new_id, quiet, pyoci):
    bundle.config["annotations"] = {"a": "b"}
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        state = container.state()
        told = pyoci.state(container.id)
        assert {key: told[key] for key in state} == state
        assert (state["status"], state["pid"]) == ("running", container.pid)
        json.dumps(state)


def test_kill_by_name_and_number(api, bundle, new_id, quiet):
    for number in ("SIGTERM", "TERM", 15, signal.SIGKILL):
        bundle.script("trap 'exit 3' TERM; sleep 1000 & wait").write()
        with api.create(bundle.path, new_id(), **quiet) as container:
            container.start()
            # The trap is set once the shell has got to its child.
            until(
                lambda: len(os.listdir(f"/proc/{container.pid}/task")) and has_child(container.pid)
            )
            container.kill(number)
            assert container.wait(20) == (137 if number == signal.SIGKILL else 3)


def has_child(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return bool(file.read().split())


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_unknown_signal_is_refused(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        with pytest.raises(PyociError, match="NOSUCH"):
            container.kill("NOSUCH")


def test_wait_gives_up_after_its_timeout(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        with pytest.raises(TimeoutError):
            container.wait(0.05)
        with pytest.raises(TimeoutError):
            container.wait(0)
        container.kill("KILL")
        assert container.wait(20) == 137


def test_exec_gives_output_and_exit_status(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        read_end, write_end = os.pipe()
        process = container.exec(
            ["sh", "-c", 'echo "$A $(pwd) $(id -u) $(id -g)"; exit 5'],
            env=["A=b"],
            cwd="/tmp",
            user=(1000, 10),
            **{**quiet, "stdout": write_end},
        )
        os.close(write_end)
        assert read_all(read_end) == "b /tmp 1000 10\n"
        assert process.wait() == 5
        assert process.wait() == 5
        process.kill()  # nothing happens: it has ended


def test_a_process_of_an_exec_can_be_killed(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        process = container.exec(["sleep", "1000"], **quiet)
        with pytest.raises(TimeoutError):
            process.wait(0.05)
        process.kill("SIGKILL")
        assert process.wait(20) == 137
        assert container.status == "running"


def test_several_processes_at_once(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        processes = [container.exec(["sh", "-c", f"exit {number}"], **quiet) for number in range(8)]
        assert [process.wait(20) for process in reversed(processes)] == list(reversed(range(8)))


# -- several containers, processes, threads --------------------------------------------------------


def test_containers_are_listed_and_found(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    names = [new_id(), new_id()]
    with api.create(bundle.write(), names[0], **quiet), api.create(bundle.path, names[1], **quiet):
        assert [container.id for container in api.list()] == sorted(names)
        found = api.container(names[0])
        assert found.status == "created"
        found.start()
        assert found.status == "running"
        with pytest.raises(PyociError, match="not a child"):
            found.wait()


def test_a_root_that_does_not_exist_has_no_containers(tmp_path):
    assert Runtime(root=str(tmp_path / "none")).list() == []


def test_what_the_command_line_made_can_be_used_and_deleted(api, bundle, quiet, pyoci):
    bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(bundle)
    container = api.container(name)
    assert container.exec(["true"], **quiet).wait() == 0
    container.kill("KILL")
    until(lambda: container.status == "stopped")
    container.delete()
    assert api.list() == []


def test_threads_have_containers_of_their_own(pyoci, bundle, quiet):
    before = descriptors()
    api = Runtime(root=pyoci.root)
    bundle.script("cat; exit $(cat /etc/number 2>/dev/null || echo 9)").write()
    results = {}

    def work(number):
        try:
            for turn in range(3):
                read_end, write_end = os.pipe()
                name = f"{names[number]}-{turn}"
                with api.create(bundle.path, name, **{**quiet, "stdout": write_end}) as container:
                    os.close(write_end)
                    container.start()
                    output = read_all(read_end)
                    process = container.wait(30)
                    results[number, turn] = (output, process)
        except BaseException as error:
            results[number] = error

    names = [pyoci.new_id() for _ in range(6)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert results == {(number, turn): ("", 9) for number in range(6) for turn in range(3)}
    assert api.list() == []
    assert descriptors() == before


# -- errors ----------------------------------------------------------------------------------------


def test_errors_say_what_a_program_can_act_on(api, bundle, new_id, quiet):
    bundle.mount("/x", type="bind", source="/no/such", options=["bind"])
    with pytest.raises(SpecError) as caught:
        api.create(bundle.write(), new_id(), **quiet)
    error = caught.value
    assert error.code == "invalid-config"
    assert error.subject == f"/mounts/{len(bundle.config['mounts']) - 1}/source"
    assert error.hint and error.hint in str(error)
    assert "\n" not in str(error)


def test_a_command_that_is_not_there_fails_create_with_its_errno(api, bundle, new_id, quiet):
    bundle.process["args"] = ["no-such-command"]
    with pytest.raises(CommandError, match="executable file not found") as caught:
        api.create(bundle.write(), new_id(), **quiet)
    assert caught.value.errno == 2
    assert isinstance(caught.value, InitError)
    assert api.list() == []


def test_a_command_that_cannot_be_executed_fails_start(api, own_bundle, new_id, quiet):
    path = f"{own_bundle.rootfs}/bin/script"
    with open(path, "w") as file:
        file.write("#!/no/interpreter\n")
    os.chmod(path, 0o755)
    own_bundle.process["args"] = ["/bin/script"]
    with api.create(own_bundle.write(), new_id(), **quiet) as container:
        with pytest.raises(CommandError, match="/no/interpreter"):
            container.start()
        assert container.wait(20) != 0
        assert container.status == "stopped"


def test_a_command_of_an_exec_that_is_not_there(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        with pytest.raises(CommandError, match="executable file not found"):
            container.exec(["no-such-command"], **quiet)
        assert container.status == "running"


def test_an_id_is_taken_once(api, bundle, new_id, quiet):
    name = new_id()
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), name, **quiet) as container:
        with pytest.raises(ContainerExistsError):
            api.create(bundle.path, name, **quiet)
        assert container.status == "created"


def test_states_are_respected(api, bundle, new_id, quiet):
    bundle.process["args"] = ["sleep", "1000"]
    with api.create(bundle.write(), new_id(), **quiet) as container:
        container.start()
        with pytest.raises(ContainerStateError):
            container.start()
        with pytest.raises(ContainerStateError):
            container.delete()
        container.kill("KILL")
        container.wait(20)
        with pytest.raises(ContainerStateError, match="container not running"):
            container.kill()
        with pytest.raises(ContainerStateError):
            container.exec(["true"], **quiet)
        with pytest.raises(ContainerStateError):
            container.start()
        container.delete()
        with pytest.raises(ContainerNotFoundError):
            container.delete()
        container.delete(force=True)


def test_what_does_not_exist_is_said_so(api):
    with pytest.raises(ContainerNotFoundError):
        api.container("nobody")


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0b", "-" * 2000])
def test_a_bad_id_is_refused(api, bundle, quiet, name):
    with pytest.raises(PyociError):
        api.create(bundle.write(), name, **quiet)
    assert api.list() == []


def test_a_terminal_needs_a_console_socket(api, bundle, new_id, quiet):
    bundle.process["terminal"] = True
    with pytest.raises(UsageError, match="console socket"):
        api.create(bundle.write(), new_id(), **quiet)


def test_a_hook_that_fails_is_an_error_of_its_own(api, bundle, new_id, quiet):
    for kind in ("createRuntime", "createContainer"):
        bundle.config["hooks"] = {kind: [{"path": "/bin/false"}]}
        with pytest.raises(HookError) as caught:
            api.create(bundle.write(), new_id(), **quiet)
        assert caught.value.subject == f"/hooks/{kind}/0"
    assert api.list() == []


def test_no_bundle(api, new_id, quiet, tmp_path):
    with pytest.raises(PyociError):
        api.create(str(tmp_path / "nowhere"), new_id(), **quiet)


def test_the_callers_signal_handlers_stay(api, bundle, new_id, quiet):
    before = [signal.getsignal(number) for number in signal.valid_signals()]
    with api.create(bundle.script("true").write(), new_id(), **quiet) as container:
        container.start()
        container.wait()
    assert [signal.getsignal(number) for number in signal.valid_signals()] == before
