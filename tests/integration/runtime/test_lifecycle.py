"""create, start, state, kill, delete, list: the state machine, and that nothing is left over."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest


def is_running(pid):
    """Say whether there is such a process; a zombie that nobody has reaped yet is not one."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


@pytest.fixture
def sleeper(bundle):
    bundle.process["args"] = ["sleep", "1000"]
    return bundle


def test_program_does_not_run_before_start(pyoci, own_bundle):
    own_bundle.script("touch /started; sleep 1000")
    name = pyoci.create(own_bundle)
    assert pyoci.status(name) == "created"
    assert not os.path.exists(f"{own_bundle.rootfs}/started")
    pyoci.ok("start", name)
    assert pyoci.status(name) == "running"


def test_state_says_what_engines_read(pyoci, sleeper):
    sleeper.config["annotations"] = {"org.example.key": "value"}
    name = pyoci.start(sleeper)
    state = pyoci.state(name)
    assert state["id"] == name
    assert state["bundle"] == sleeper.path
    assert state["annotations"] == {"org.example.key": "value"}
    assert state["ociVersion"].startswith("1.")
    assert state["rootfs"] == sleeper.rootfs
    with open(f"/proc/{state['pid']}/cmdline") as file:
        assert file.read().split("\0")[:2] == ["sleep", "1000"]


def test_a_container_goes_through_its_states(pyoci, sleeper):
    name = pyoci.create(sleeper)
    pyoci.ok("start", name)
    assert "cannot delete container" in pyoci.call("delete", name).stderr
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    assert pyoci.state(name).get("pid", 0) == 0
    pyoci.ok("delete", name)
    assert "does not exist" in pyoci.call("state", name).stderr


def test_a_container_starts_once(pyoci, sleeper):
    name = pyoci.start(sleeper)
    assert "cannot start an already running container" in pyoci.call("start", name).stderr
    pyoci.ok("kill", name, "9")
    pyoci.await_status(name, "stopped")
    assert "cannot start a container that has stopped" in pyoci.call("start", name).stderr


def test_killing_a_stopped_container_says_so(pyoci, bundle):
    name = pyoci.start(bundle.script("true"))
    pyoci.await_status(name, "stopped")
    assert "container not running" in pyoci.call("kill", name, "TERM").stderr


def test_default_signal_is_term(pyoci, bundle):
    name = pyoci.start(bundle.script("trap 'exit 0' TERM; while :; do sleep 0.05; done"))
    time.sleep(0.1)
    pyoci.ok("kill", name)
    pyoci.await_status(name, "stopped")


def test_unknown_signal_is_refused(pyoci, sleeper):
    name = pyoci.start(sleeper)
    done = pyoci.call("kill", name, "NOSUCH")
    assert done.returncode != 0
    assert "NOSUCH" in done.stderr


def test_kill_reaches_all_processes_where_there_is_no_pid_namespace(pyoci, bundle):
    bundle.without_namespace("pid")
    name = pyoci.start(bundle.script("sleep 1001 & sleep 1002 & wait"))
    time.sleep(0.2)
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", "--force", name)
    assert not _sleepers("1001") and not _sleepers("1002")


def _sleepers(argument):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline") as file:
                    if file.read().split("\0")[:2] == ["sleep", argument]:
                        found.append(int(entry))
            except OSError:
                continue
    return found


def test_an_id_is_taken_once(pyoci, sleeper):
    name = pyoci.create(sleeper)
    done = pyoci.call("create", "--bundle", sleeper.path, name)
    assert done.returncode != 0
    assert "container with given ID already exists" in done.stderr
    assert pyoci.status(name) == "created"


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../x", "a b", "ä", "a\nb"])
def test_bad_ids_are_refused(pyoci, sleeper, name):
    done = pyoci.call("create", "--bundle", sleeper.write(), name)
    assert done.returncode != 0
    assert "container ID" in done.stderr


def test_of_ten_concurrent_creates_one_wins(pyoci, sleeper):
    sleeper.write()
    name = pyoci.new_id()
    processes = [
        subprocess.Popen(
            pyoci.command("create", "--bundle", sleeper.path, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(10)
    ]
    statuses = [process.wait(60) for process in processes]
    assert statuses.count(0) == 1
    assert pyoci.status(name) == "created"


def test_deleting_what_is_not_there(pyoci):
    assert "does not exist" in pyoci.call("delete", "nobody").stderr
    assert pyoci.call("delete", "--force", "nobody").returncode == 0


def test_force_deletes_a_running_container(pyoci, sleeper):
    name = pyoci.start(sleeper)
    pid = pyoci.state(name)["pid"]
    pyoci.ok("delete", "--force", name)
    until(lambda: not is_running(pid), "it is dead")


def test_list_in_all_its_forms(pyoci, sleeper):
    name = pyoci.start(sleeper)
    assert pyoci.ok("list", "-q").split() == [name]
    header, row = pyoci.ok("list").splitlines()
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert row.split()[0] == name and row.split()[2] == "running"
    assert [entry["id"] for entry in json.loads(pyoci.ok("list", "-f", "json"))] == [name]


def test_list_of_nothing_is_null(pyoci):
    assert pyoci.ok("list", "--format=json").strip() == "null"


def test_a_killed_create_leaves_what_delete_force_removes(pyoci, sleeper, is_pyoci):
    if not is_pyoci:
        pytest.skip("a promise of pyoci's: other runtimes do not make it")
    sleeper.write()
    generator = random.Random(1)
    for _ in range(25):
        name = pyoci.new_id()
        process = subprocess.Popen(
            pyoci.command("create", "--bundle", sleeper.path, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(generator.uniform(0, 0.04))
        process.send_signal(signal.SIGKILL)
        process.wait()
        pyoci.ok("delete", "--force", name)
        assert not os.path.exists(f"{pyoci.root}/{name}")


def test_start_of_a_container_whose_create_was_killed_late_is_refused_or_works(pyoci, sleeper):
    # Whatever state it left, the next commands give an answer and no hang.
    name = pyoci.create(sleeper)
    os.kill(pyoci.state(name)["pid"], signal.SIGKILL)
    pyoci.await_status(name, "stopped")
    assert pyoci.call("start", name).returncode != 0
    pyoci.ok("delete", name)


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated", "missing", "wrong types"])
def test_a_damaged_state_file_gives_one_line_and_can_be_removed(pyoci, sleeper, is_pyoci, damage):
    if not is_pyoci:
        pytest.skip("the file's name and form are pyoci's own")
    name = pyoci.start(sleeper)
    pid = pyoci.state(name)["pid"]
    path = f"{pyoci.root}/{name}/state.json"
    with open(path, "rb") as file:
        data = file.read()
    if damage == "missing":
        os.unlink(path)
    else:
        text = {
            "empty": b"",
            "garbage": b"\xff\x00{{{",
            "truncated": data[: len(data) // 2],
            "wrong types": b'{"id": 5}',
        }[damage]
        with open(path, "wb") as file:
            file.write(text)
    done = pyoci.call("state", name)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "delete --force" in done.stderr
    pyoci.ok("delete", "--force", name)
    time.sleep(0.05)
    until(lambda: not is_running(pid), "it is dead")
