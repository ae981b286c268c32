"""Fifty containers, ten at a time: all do what they should, and nothing of them is left."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

COUNT, AT_ONCE = 50, 10


def still_running(pids):
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] not in "ZX":
                    found.append(pid)
        except OSError:
            continue
    return found


def live(pyoci, bundle, number):
    """Take one container through its life; gives the PID it had."""
    name = pyoci.ids[number]
    with open("/dev/null", "r+b") as null:
        create = subprocess.run(
            pyoci.command("create", "--bundle", bundle.path, name),
            stdin=null,
            stdout=null,
            stderr=null,
            timeout=120,
        )
    assert create.returncode == 0
    assert pyoci.status(name) == "created"
    pyoci.ok("start", name)
    state = pyoci.state(name)
    assert state["status"] == "running"
    output = pyoci.ok("exec", "--env", f"N={number}", name, "sh", "-c", "echo $N $(hostname)")
    assert output == f"{number} box\n"
    assert pyoci.call("exec", name, "sh", "-c", f"exit {number}").returncode == number
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", name)
    assert "does not exist" in pyoci.call("state", name).stderr
    return state["pid"]


def test_fifty_containers_come_and_go(pyoci, bundle):
    bundle.process["args"] = ["sleep", "1000"]
    bundle.config["hooks"] = {
        kind: [{"path": "/bin/true"}]
        for kind in ("createRuntime", "createContainer", "poststart", "poststop")
    }
    bundle.linux["resources"]["pids"] = {"limit": 20}
    bundle.linux["resources"]["memory"] = {"limit": 64 << 20}
    bundle.write()
    for _ in range(COUNT):
        pyoci.new_id()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pids = list(pool.map(lambda number: live(pyoci, bundle, number), range(COUNT)))
    assert len(set(pids)) == COUNT
    assert still_running(pids) == []
    # The fixture looks for state, cgroups, mounts and inits.
    assert [name for name in os.listdir(pyoci.root) if not name.startswith((".", "@"))] == []


def test_one_container_is_pulled_at_from_ten_sides(pyoci, bundle):
    bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.create(bundle)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        starts = list(pool.map(lambda _: pyoci.call("start", name).returncode, range(AT_ONCE)))
    assert sorted(starts) == [0] + [1] * (AT_ONCE - 1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        commands = [("exec", name, "true"), ("state", name), ("list",), ("kill", name, "0")] * 5
        done = list(pool.map(lambda command: pyoci.call(*command).returncode, commands))
    assert set(done) == {0}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        deletes = list(
            pool.map(lambda _: pyoci.call("delete", "--force", name).returncode, range(AT_ONCE))
        )
    assert set(deletes) == {0}
    assert not os.path.exists(f"{pyoci.root}/{name}")
