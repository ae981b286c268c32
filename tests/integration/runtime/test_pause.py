"""pause, resume and ps, and what the other commands do with a paused container."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from pyoci.cgroup.hierarchies import read_hierarchies
from tests.integration.conftest import until

pytestmark = pytest.mark.skipif(
    read_hierarchies().layout == "none", reason="no cgroup hierarchy is mounted"
)

COUNTING = "i=0; while true; do i=$((i+1)); echo $i >/tmp/count; done"


@pytest.fixture
def box(pyoci, bundle):
    name = pyoci.start(bundle.script("sleep 1000 & exec sleep 1000"))

    def is_ready():
        pids = json.loads(pyoci.ok("ps", "--format", "json", name))
        return [command_of(pid) for pid in pids] == ["sleep", "sleep"]

    until(is_ready, "both programs run")
    return name


def command_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def cpu_time(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_paused_process_does_not_run_until_it_is_resumed(pyoci, own_bundle):
    name = pyoci.start(own_bundle.script(COUNTING))
    pid = pyoci.state(name)["pid"]
    pyoci.ok("pause", name)
    assert pyoci.status(name) == "paused"
    before = cpu_time(pid)
    # Something else gets through an amount of work meanwhile, however long that takes.
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"], check=True)
    assert cpu_time(pid) == before
    pyoci.ok("resume", name)
    assert pyoci.status(name) == "running"
    while cpu_time(pid) == before:
        assert pyoci.status(name) == "running"


def test_created_container_can_be_paused_and_is_not_started_then(pyoci, bundle):
    name = pyoci.create(bundle.script("sleep 1000"))
    pyoci.ok("pause", name)
    assert pyoci.status(name) == "paused"
    done = pyoci.call("start", name)
    assert done.returncode != 0
    assert "paused" in done.stderr
    pyoci.ok("resume", name)
    pyoci.ok("start", name)
    assert pyoci.status(name) == "running"


def test_pausing_twice_and_resuming_twice_are_errors(pyoci, box):
    pyoci.ok("pause", box)
    done = pyoci.call("pause", box)
    assert (done.returncode, "container not running" in done.stderr) == (1, True)
    pyoci.ok("resume", box)
    done = pyoci.call("resume", box)
    assert (done.returncode, "container not paused" in done.stderr) == (1, True)


def test_stopped_container_cannot_be_paused(pyoci, bundle):
    name = pyoci.start(bundle.script("true"))
    pyoci.await_status(name, "stopped")
    done = pyoci.call("pause", name)
    assert (done.returncode, "container not running" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", ["pause", "resume", "ps"])
def test_unknown_container_is_told_from_others(pyoci, command):
    done = pyoci.call(command, "nobody")
    assert (done.returncode, "container does not exist" in done.stderr) == (1, True)


def test_list_shows_a_paused_container_as_paused(pyoci, box):
    pyoci.ok("pause", box)
    (row,) = json.loads(pyoci.ok("list", "--format", "json"))
    assert (row["id"], row["status"]) == (box, "paused")


def test_paused_container_is_deleted_only_by_force(pyoci, box):
    pyoci.ok("pause", box)
    done = pyoci.call("delete", box)
    assert done.returncode == 1
    assert f"cannot delete container {box} that is not stopped: paused" in done.stderr
    assert pyoci.status(box) == "paused"
    pyoci.ok("delete", "--force", box)
    assert box not in os.listdir(pyoci.root)


def test_killing_a_paused_container_takes_effect_at_once(pyoci, box):
    pyoci.ok("pause", box)
    pyoci.ok("kill", box, "KILL")
    pyoci.await_status(box, "stopped")
    pyoci.ok("delete", box)


def test_another_signal_waits_until_the_container_is_resumed(pyoci, bundle):
    name = pyoci.start(bundle.script("trap 'exit 7' TERM; while true; do sleep 0.01; done"))
    pyoci.ok("pause", name)
    pyoci.ok("kill", name, "TERM")
    assert pyoci.status(name) == "paused"
    pyoci.ok("resume", name)
    pyoci.await_status(name, "stopped")


def test_ps_gives_the_pids_of_all_processes(pyoci, box):
    pids = json.loads(pyoci.ok("ps", "--format", "json", box))
    assert pyoci.state(box)["pid"] in pids
    assert len(pids) == 2


def test_ps_shows_the_hosts_lines_of_these_processes_and_no_others(pyoci, box):
    pids = json.loads(pyoci.ok("ps", "-f", "json", box))
    header, *lines = pyoci.ok("ps", box).splitlines()
    column = header.split().index("PID")
    assert sorted(int(line.split()[column]) for line in lines) == pids
    assert all("sleep 1000" in line for line in lines)


def test_options_after_the_id_are_those_of_the_hosts_ps(pyoci, box):
    header, *lines = pyoci.ok("ps", box, "-e", "-o", "comm,pid").splitlines()
    assert header.split() == ["COMMAND", "PID"]
    assert [line.split()[0] for line in lines] == ["sleep", "sleep"]


def test_ps_of_a_stopped_container_is_empty(pyoci, bundle):
    name = pyoci.start(bundle.script("true"))
    pyoci.await_status(name, "stopped")
    assert pyoci.ok("ps", "--format", "json", name) == "null\n"
    assert len(pyoci.ok("ps", name).splitlines()) == 1


def test_what_ps_itself_refuses_is_passed_on(pyoci, box):
    done = pyoci.call("ps", box, "-o", "nosuchcolumn")
    assert done.returncode == 1
    assert "nosuchcolumn" in done.stderr


def test_output_of_ps_without_pids_is_refused(pyoci, box):
    done = pyoci.call("ps", box, "-e", "-o", "comm")
    assert done.returncode == 1
    assert "couldn't find PID field in ps output" in done.stderr


def test_ps_needs_no_path_in_its_environment(pyoci, box, is_pyoci):
    if not is_pyoci:
        pytest.skip("other runtimes need it")
    assert pyoci.call("ps", box, env={}).returncode == 0
