"""``/hooks``: all six kinds, where and when they run, what they are given, and what failing does.

The rules are those of runtime.md, Lifecycle, and config.md, POSIX-platform Hooks.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest

KINDS = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
)
BEFORE_CREATED = ("prestart", "createRuntime", "createContainer")
IN_THE_RUNTIMES_NAMESPACES = ("prestart", "createRuntime", "poststart", "poststop")


@pytest.fixture
def current(is_pyoci):
    """Skips runtimes that know the life cycle as it was before runtime-spec 1.3."""
    if not is_pyoci:
        pytest.skip("runc 1.1 runs poststart hooks at create, and stops at a failed poststop one")


@pytest.fixture
def record(own_bundle, tmp_path):
    """Makes hooks that append a line each to one file; gives what is in it.

    The file is a mount of the container too, so that startContainer hooks can write to it.
    """
    directory = tmp_path / "record"
    directory.mkdir()
    log = directory / "log"
    log.touch()
    # The same path inside and outside: the hook need not know where it runs.
    own_bundle.mount(str(directory), type="bind", source=str(directory), options=["bind"])

    class Record:
        path = str(log)

        def hook(self, script, **members):
            return {"path": "/bin/sh", "args": ["sh", "-c", script], **members}

        def saying(self, word, **members):
            return self.hook(f"echo {word} >>{log}", **members)

        def lines(self):
            return log.read_text().splitlines()

    return Record()


def run_through(pyoci, bundle):
    """Create, start, wait for the end, delete."""
    name = pyoci.create(bundle)
    pyoci.ok("start", name)
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", name)
    return name


def one_line(text):
    assert len(text.splitlines()) == 1, text
    return text


def test_all_kinds_run_once_in_the_order_of_the_life(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {kind: [record.saying(kind)] for kind in KINDS}
    own_bundle.script(f"echo program >>{record.path}")
    run_through(pyoci, own_bundle)
    lines = record.lines()
    # poststart and the program are not ordered between themselves.
    assert [line for line in lines if line != "program"] == list(KINDS)
    assert lines.index("program") > lines.index("startContainer")
    assert lines.index("program") < lines.index("poststop")


def test_run_runs_them_too(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {kind: [record.saying(kind)] for kind in KINDS}
    pyoci.output(own_bundle.script("sleep 0.3"))
    assert record.lines() == list(KINDS)


def test_hooks_of_a_kind_run_in_their_order(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {
        kind: [record.saying(f"{kind}{number}") for number in range(3)] for kind in KINDS
    }
    run_through(pyoci, own_bundle.script("sleep 0.3"))
    assert record.lines() == [f"{kind}{number}" for kind in KINDS for number in range(3)]


def test_when_each_kind_runs(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {kind: [record.saying(kind)] for kind in KINDS}
    name = pyoci.create(own_bundle.script("sleep 1000"))
    assert record.lines() == list(BEFORE_CREATED)
    pyoci.ok("start", name)
    assert record.lines() == [*BEFORE_CREATED, "startContainer", "poststart"]
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    assert "poststop" not in record.lines()
    pyoci.ok("delete", name)
    assert record.lines()[-1] == "poststop"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("prestart", "creating"),
        ("createRuntime", "creating"),
        ("createContainer", "creating"),
        ("startContainer", "created"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ],
)
def test_the_state_is_on_standard_input(pyoci, own_bundle, record, is_pyoci, kind, status):
    own_bundle.config["annotations"] = {"org.example": 'a "b" é'}
    own_bundle.config["hooks"] = {kind: [record.hook(f"cat >>{record.path}")]}
    name = run_through(pyoci, own_bundle.script("sleep 0.3"))
    state = json.loads("\n".join(record.lines()))
    assert state["id"] == name
    assert state["bundle"] == own_bundle.path
    assert state["ociVersion"].startswith("1.")
    assert state["annotations"] == {"org.example": 'a "b" é'}
    if is_pyoci:
        # runc says "created" to startContainer hooks only since 1.2.
        assert state["status"] == status
    if kind == "poststop":
        assert not state.get("pid")
    else:
        # In the container's PID namespace its own is 1 (runc and crun give it so).
        assert state["pid"] >= 1


@pytest.mark.parametrize("kind", IN_THE_RUNTIMES_NAMESPACES[:3])
def test_the_pid_in_the_state_is_the_containers(pyoci, own_bundle, record, kind):
    script = f"read state; echo $state >>{record.path}; readlink /proc/self/ns/pid >>{record.path}"
    own_bundle.config["hooks"] = {kind: [record.hook(script)]}
    name = pyoci.start(own_bundle.script("sleep 1000"))
    state, namespace = record.lines()
    assert json.loads(state)["pid"] == pyoci.state(name)["pid"]
    assert namespace == os.readlink("/proc/self/ns/pid")


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_is_exactly_the_given_one(pyoci, own_bundle, record, kind):
    environment = ["PATH=/bin:/usr/bin", "A=b c", "EMPTY="]
    own_bundle.config["hooks"] = {kind: [record.hook(f"exec env >>{record.path}", env=environment)]}
    run_through(pyoci, own_bundle.script("sleep 0.3"))
    # The shell has variables of its own.
    found = {
        line for line in record.lines() if not line.startswith(("PWD=", "_=", "SHLVL=", "OLD"))
    }
    assert found == {"PATH=/bin:/usr/bin", "A=b c", "EMPTY="}


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_are_passed_as_they_are(pyoci, own_bundle, record, kind):
    arguments = ["sh", "-c", f'printf "%s\\n" "$0" "$@" >>{record.path}', "zero", "a  b", "", "*"]
    own_bundle.config["hooks"] = {kind: [{"path": "/bin/sh", "args": arguments}]}
    run_through(pyoci, own_bundle.script("sleep 0.3"))
    assert record.lines() == ["zero", "a  b", "", "*"]


@pytest.mark.parametrize("kind", IN_THE_RUNTIMES_NAMESPACES)
def test_a_hook_of_the_runtime_runs_in_its_namespaces(pyoci, own_bundle, record, kind):
    names = ("mnt", "net", "uts", "ipc", "pid")
    script = f"for n in {' '.join(names)}; do readlink /proc/self/ns/$n; done >>{record.path}"
    own_bundle.config["hooks"] = {kind: [record.hook(script)]}
    run_through(pyoci, own_bundle.script("sleep 0.3"))
    assert record.lines() == [os.readlink(f"/proc/self/ns/{name}") for name in names]


def test_a_create_runtime_hook_can_set_up_the_containers_network(pyoci, own_bundle, record):
    script = (
        "pid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); "
        f"ls -l /proc/$pid/ns/net >>{record.path} && nsenter -t $pid -n "
        "sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'"
    )
    own_bundle.config["hooks"] = {"createRuntime": [record.hook(script)]}
    own_bundle.process["args"] = ["cat", "/proc/sys/net/ipv4/ip_forward"]
    assert pyoci.output(own_bundle) == "1\n"


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BEFORE_CREATED)
@pytest.mark.parametrize("command", ["create", "run"])
def test_a_hook_that_fails_before_the_container_is_created_leaves_nothing(
    pyoci, own_bundle, record, is_pyoci, kind, command
):
    own_bundle.config["hooks"] = {
        kind: [record.hook("echo the reason >&2; exit 3"), record.saying("second")],
        "poststop": [record.saying("poststop")],
    }
    own_bundle.script(f"echo program >>{record.path}").write()
    name = pyoci.new_id()
    done = pyoci.call(command, "--bundle", own_bundle.path, name)
    assert done.returncode == 1
    assert "hook" in done.stderr and "exit status 3" in done.stderr
    assert "the reason" in done.stderr
    assert not {"program", "second"} & set(record.lines())
    assert not os.path.exists(f"{pyoci.root}/{name}")
    if is_pyoci:
        assert f"{kind} hook #0" in one_line(done.stderr)


def test_a_start_container_hook_that_fails_fails_the_start(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {"startContainer": [record.hook("exit 5")]}
    name = pyoci.create(own_bundle.script(f"echo program >>{record.path}"))
    done = pyoci.call("start", name)
    assert done.returncode == 1
    pyoci.await_status(name, "stopped")
    assert record.lines() == []
    pyoci.ok("delete", name)


def test_a_start_container_hook_that_fails_in_run_leaves_nothing(pyoci, own_bundle, record):
    own_bundle.config["hooks"] = {"startContainer": [record.hook("exit 5")]}
    done = pyoci.run(own_bundle.script(f"echo program >>{record.path}"))
    assert done.returncode == 1
    assert "exit status 5" in done.stderr
    assert record.lines() == []
    assert not os.path.exists(f"{pyoci.root}/{pyoci.ids[-1]}")


def test_a_poststart_hook_that_fails_stops_the_container(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {
        "poststart": [record.hook("echo no >&2; exit 4"), record.saying("second")]
    }
    name = pyoci.create(own_bundle.script("sleep 1000"))
    done = pyoci.call("start", name)
    assert done.returncode == 1
    assert "exit status 4" in done.stderr
    pyoci.await_status(name, "stopped")
    assert record.lines() == []
    one_line(done.stderr)


@pytest.mark.parametrize("flags", [(), ("--detach",)])
def test_a_poststart_hook_that_fails_in_run_leaves_nothing(pyoci, own_bundle, record, flags):
    own_bundle.config["hooks"] = {
        "poststart": [record.hook("exit 4")],
        "poststop": [record.saying("poststop")],
    }
    own_bundle.script("sleep 1000").write()
    name = pyoci.new_id()
    with open(f"{own_bundle.path}/error", "w") as stderr:
        done = subprocess.run(
            pyoci.command("run", "--bundle", own_bundle.path, *flags, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            timeout=60,
        )
    assert done.returncode == 1
    with open(f"{own_bundle.path}/error") as file:
        assert "exit status 4" in file.read()
    assert not os.path.exists(f"{pyoci.root}/{name}")
    assert record.lines() == ["poststop"]


def test_every_poststop_hook_runs_and_none_fails_the_delete(pyoci, own_bundle, record, current):
    own_bundle.config["hooks"] = {
        "poststop": [
            record.saying("first"),
            record.hook("echo bad >&2; exit 6"),
            record.saying("third"),
        ]
    }
    name = pyoci.start(own_bundle.script("true"))
    pyoci.await_status(name, "stopped")
    done = pyoci.call("delete", name)
    assert done.returncode == 0
    assert record.lines() == ["first", "third"]
    assert not os.path.exists(f"{pyoci.root}/{name}")
    assert "exit status 6" in one_line(done.stderr)


def test_poststop_hooks_run_at_delete_force_too(pyoci, own_bundle, record):
    own_bundle.config["hooks"] = {"poststop": [record.saying("poststop")]}
    name = pyoci.start(own_bundle.script("sleep 1000"))
    pyoci.ok("delete", "--force", name)
    assert record.lines() == ["poststop"]


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_does_not_exist_is_named(pyoci, own_bundle, is_pyoci, kind):
    own_bundle.config["hooks"] = {kind: [{"path": "/no/such/hook"}]}
    done = pyoci.run(own_bundle.script("sleep 1"))
    assert done.returncode == 1
    assert "/no/such/hook" in done.stderr
    if is_pyoci:
        one_line(done.stderr)


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_is_killed_at_its_timeout(pyoci, own_bundle, record, is_pyoci, kind):
    # exec: that the shell's child does not hold the pipes of runtimes that wait for their end.
    own_bundle.config["hooks"] = {kind: [record.hook("exec sleep 1000", timeout=1)]}
    done = pyoci.run(own_bundle.script("sleep 1000"))
    assert done.returncode == 1
    if is_pyoci:
        assert "timeout of 1 s" in one_line(done.stderr)


def test_a_poststop_hook_is_killed_at_its_timeout_and_the_delete_goes_on(
    pyoci, own_bundle, record, current
):
    own_bundle.config["hooks"] = {
        "poststop": [record.hook("exec sleep 1000", timeout=1), record.saying("next")]
    }
    run_through(pyoci, own_bundle.script("true"))
    assert record.lines() == ["next"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_that_ends_in_time_is_no_failure(pyoci, own_bundle, record, kind):
    own_bundle.config["hooks"] = {kind: [record.saying("done", timeout=60)]}
    run_through(pyoci, own_bundle.script("sleep 0.3"))
    assert record.lines() == ["done"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_hook_writes_is_not_the_containers_output(pyoci, own_bundle, record, kind):
    own_bundle.config["hooks"] = {kind: [record.hook("echo out; echo err >&2")]}
    done = pyoci.run(own_bundle.script("echo program; sleep 0.3"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "program\n", "")


@pytest.mark.parametrize("kind", IN_THE_RUNTIMES_NAMESPACES)
def test_a_daemon_that_a_hook_leaves_holds_nothing_up(pyoci, own_bundle, record, kind, is_pyoci):
    if not is_pyoci:
        pytest.skip("runc waits for the end of what a hook writes")
    script = f"sleep 1000 & echo $! >>{record.path}"
    own_bundle.config["hooks"] = {kind: [record.hook(script)]}
    try:
        run_through(pyoci, own_bundle.script("sleep 0.3"))
    finally:
        for line in record.lines():
            os.kill(int(line), 9)


@pytest.mark.parametrize("kind", IN_THE_RUNTIMES_NAMESPACES)
def test_no_descriptor_of_the_runtime_is_open_in_a_hook(pyoci, own_bundle, record, kind):
    own_bundle.config["hooks"] = {kind: [record.hook(f"exec ls /proc/self/fd >>{record.path}")]}
    run_through(pyoci, own_bundle.script("sleep 0.3"))
    assert set(record.lines()) <= {"0", "1", "2", "3"}  # 3: the directory that ls reads


@pytest.mark.parametrize(
    "hook",
    [
        {},
        {"path": "relative"},
        {"path": 5},
        {"path": "/bin/true", "args": "x"},
        {"path": "/bin/true", "env": [1]},
        {"path": "/bin/true", "timeout": 0},
        {"path": "/bin/true", "timeout": "1"},
        {"path": "/bin/true", "timeout": -1},
    ],
)
def test_a_wrong_hook_is_named_by_its_place(pyoci, own_bundle, record, is_pyoci, hook):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    own_bundle.config["hooks"] = {"poststop": [record.saying("x"), hook]}
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert "/hooks/poststop/1" in one_line(done.stderr)
    assert record.lines() == []
