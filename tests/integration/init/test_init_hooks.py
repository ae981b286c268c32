"""createContainer and startContainer hooks: where they run, what they get, how they fail."""

from __future__ import annotations

import json
import os

import pytest


@pytest.fixture
def hook(tmp_path):
    """A hook of the host that appends what it finds to a file."""
    path, log = tmp_path / "hook", tmp_path / "log"
    path.write_text(
        f'#!/bin/sh\nexec >>{log}\necho arguments "$@"; cat; echo; env | sort;'
        "readlink /proc/self/ns/mnt;"
        "ls /proc/self/fd | wc -l; umask; echo end\n"
    )
    path.chmod(0o755)
    return path, log


def test_a_create_container_hook_runs_in_the_containers_namespaces_from_the_hosts_files(
    pyoci, bundle, hook
):
    path, log = hook
    bundle.config["hooks"] = {
        "createContainer": [{"path": str(path), "args": ["name", "x y"], "env": ["A=b c"]}]
    }
    name = pyoci.create(bundle.script("sleep 1000"))
    arguments, state, *rest = log.read_text().splitlines()
    assert arguments == "arguments x y"
    state = json.loads(state)
    assert (state["id"], state["status"], state["pid"]) == (name, "creating", 1)
    assert state["bundle"] == bundle.path
    variables = {line for line in rest if "=" in line} - {f"PWD={os.getcwd()}"}
    assert {v for v in variables if not v.startswith(("PWD=", "_=", "SHLVL=", "OLDPWD="))} == {
        "A=b c"
    }
    pid = pyoci.state(name)["pid"]
    assert os.readlink(f"/proc/{pid}/ns/mnt") in rest
    assert "4" in rest, "a descriptor of the runtime's is open in the hook"


def test_a_create_container_hook_sees_the_containers_mounts_below_the_rootfs(
    pyoci, own_bundle, tmp_path
):
    log = tmp_path / "seen"
    own_bundle.mount("/extra", type="tmpfs", source="tmpfs")
    extra = f"{own_bundle.rootfs}/extra"
    script = f"grep -c {extra} /proc/self/mountinfo >{log}; touch {extra}/by-hook"
    own_bundle.config["hooks"] = {
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]
    }
    assert pyoci.output(own_bundle.script("ls /extra")) == "by-hook\n"
    assert log.read_text() == "1\n"


def test_a_start_container_hook_runs_inside_before_the_program(pyoci, own_bundle):
    script = "cat > /state; readlink /proc/self/ns/mnt > /ns; id -u >> /ns"
    own_bundle.config["hooks"] = {
        "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]
    }
    name = pyoci.create(own_bundle.script("cat /state > /seen; sleep 1000"))
    assert not os.path.exists(own_bundle.rootfs + "/state")
    pyoci.ok("start", name)
    with open(own_bundle.rootfs + "/state") as file:
        state = json.load(file)
    assert (state["id"], state["status"], state["pid"]) == (name, "created", 1)
    with open(own_bundle.rootfs + "/ns") as file:
        namespace, uid = file.read().split()
    assert namespace == os.readlink(f"/proc/{pyoci.state(name)['pid']}/ns/mnt")
    assert uid == "0"


def test_hooks_run_in_order_and_the_first_failure_stops(pyoci, bundle, tmp_path):
    log = tmp_path / "log"
    bundle.config["hooks"] = {
        "createContainer": [
            {"path": "/bin/sh", "args": ["sh", "-c", f"echo {n} >> {log}; exit {int(n == 2)}"]}
            for n in (1, 2, 3)
        ]
    }
    done = pyoci.run(bundle.script("true"))
    assert done.returncode == 1
    assert "createContainer hook #1" in done.stderr
    assert log.read_text().split() == ["1", "2"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "signal 9"),
        (
            "echo noise; echo first >&2; echo the last line >&2; exit 1",
            "exit status 1, stderr: the last line",
        ),
        ("yes x | head -c 300000 >&2; echo >&2; echo after much >&2; exit 1", "stderr: after much"),
        ("yes x | head -c 300000; exit 4", "exit status 4"),
    ],
)
@pytest.mark.parametrize("kind", ["createContainer", "startContainer"])
def test_how_a_hook_failed_is_told(pyoci, bundle, kind, script, reason):
    bundle.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    done = pyoci.run(bundle.script("echo never"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"error running {kind} hook" in done.stderr
    assert reason in done.stderr


def test_a_start_container_hook_that_fails_fails_start_and_stops_the_container(pyoci, bundle):
    script = "echo not today >&2; exit 9"
    bundle.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    name = pyoci.create(bundle.script("true"))
    done = pyoci.call("start", name)
    assert done.returncode == 1
    assert "startContainer hook /bin/sh: exit status 9, stderr: not today" in done.stderr
    assert pyoci.status(name) == "stopped"


def test_a_hook_that_does_not_exist_is_named(pyoci, bundle):
    bundle.config["hooks"] = {"createContainer": [{"path": "/no/such/hook"}]}
    done = pyoci.run(bundle.script("true"))
    assert "/no/such/hook: no such file or directory" in done.stderr


def test_a_hook_is_killed_at_its_timeout(pyoci, bundle):
    bundle.config["hooks"] = {
        "createContainer": [{"path": "/bin/sleep", "args": ["sleep", "3000"], "timeout": 1}]
    }
    done = pyoci.run(bundle.script("true"))
    assert done.returncode == 1
    assert "timeout of 1 s" in done.stderr


def test_a_hook_may_leave_a_daemon_behind(pyoci, bundle, tmp_path):
    """It holds the hook's output open for ever; only the hook itself is waited for."""
    script = f"sleep 3000 & echo $! > {tmp_path}/pid"
    bundle.config["hooks"] = {
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]
    }
    assert pyoci.output(bundle.script("echo ran")) == "ran\n"


def test_a_hook_need_not_read_its_state(pyoci, bundle):
    bundle.config["annotations"] = {f"key-{n}": "x" * 1000 for n in range(200)}
    bundle.config["hooks"] = {"createContainer": [{"path": "/bin/true"}]}
    assert pyoci.run(bundle.script("true")).returncode == 0
