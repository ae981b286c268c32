"""events: figures, their shape, and notices of out-of-memory kills."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from pyoci.cgroup.hierarchies import read_hierarchies

HOST = read_hierarchies()
UNIFIED = HOST.layout == "unified"
MIB = 1 << 20

pytestmark = pytest.mark.skipif(HOST.layout == "none", reason="no cgroup hierarchy is mounted")

# dd fills a buffer of that size: more than the limit.
HUNGRY = "dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null"


@pytest.fixture
def follow(pyoci, kill_later):
    """Starts ``events`` on a container; gives the process, whose output is its events."""

    def start(name, *flags):
        process = subprocess.Popen(
            pyoci.command("events", *flags, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        kill_later(process)
        return process

    return start


def test_stats_have_runcs_shape(pyoci, bundle):
    bundle.linux["resources"].update({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}})
    name = pyoci.start(bundle.script("sleep 1000"))
    event = json.loads(pyoci.ok("events", "--stats", name))
    assert list(event) == ["type", "id", "data"]
    assert (event["type"], event["id"]) == ("stats", name)
    data = event["data"]
    assert list(data) == [
        *("cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"),
        *("intel_rdt", "network_interfaces"),
    ]
    assert data["pids"] == {"current": 1, "limit": 20}
    assert data["memory"]["usage"]["limit"] == 64 * MIB
    assert data["memory"]["usage"]["usage"] > 0
    assert data["memory"]["usage"]["failcnt"] == 0
    assert data["memory"]["raw"]["pgfault"] > 0
    assert data["cpu"]["usage"]["total"] > 0
    assert {"kernel", "user"} <= data["cpu"]["usage"].keys()
    assert data["cpu"]["throttling"] == {}
    assert data["network_interfaces"] is None


def test_used_processor_time_is_counted(pyoci, own_bundle):
    own_bundle.script("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo >/done; sleep 1000")
    name = pyoci.start(own_bundle)
    while pyoci.call("exec", name, "test", "-e", "/done").returncode != 0:
        assert pyoci.status(name) == "running"
    data = json.loads(pyoci.ok("events", "--stats", name))["data"]
    # 10 ms is far below what a hundred thousand rounds of a shell take.
    assert data["cpu"]["usage"]["total"] > 10_000_000


def test_events_come_every_interval_and_end_with_the_container(pyoci, bundle, follow, is_pyoci):
    name = pyoci.start(bundle.script("sleep 1000"))
    process = follow(name, "--interval", "20ms")
    for _ in range(3):
        event = json.loads(process.stdout.readline())
        assert (event["type"], event["id"]) == ("stats", name)
        assert event["data"]["pids"]["current"] == 1
    pyoci.ok("kill", name, "KILL")
    if not is_pyoci:
        # runc goes on until the cgroup is gone.
        pyoci.await_status(name, "stopped")
        pyoci.ok("delete", name)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_kill_for_want_of_memory_is_an_event(pyoci, bundle, follow):
    bundle.linux["resources"]["memory"] = {"limit": 32 * MIB, "swap": 32 * MIB}
    name = pyoci.create(bundle.script(f"{HUNGRY}; {HUNGRY}; exec sleep 1000"))
    process = follow(name, "--interval", "20ms")
    # From the first event on the watch is there.
    process.stdout.readline()
    pyoci.ok("start", name)
    kills = 0
    while kills < 2:
        event = json.loads(process.stdout.readline())
        if event["type"] == "oom":
            assert event == {"type": "oom", "id": name}
            kills += 1
    assert pyoci.status(name) == "running"


def test_container_that_ends_by_such_a_kill_has_the_event_before_the_end(
    pyoci, bundle, follow, is_pyoci
):
    bundle.linux["resources"]["memory"] = {"limit": 32 * MIB, "swap": 32 * MIB}
    name = pyoci.create(bundle.script(f"exec {HUNGRY}"))
    process = follow(name, "--interval", "20ms")
    process.stdout.readline()
    pyoci.ok("start", name)
    if not is_pyoci:
        pyoci.await_status(name, "stopped")
        pyoci.ok("delete", name)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    events = [json.loads(line) for line in output.splitlines()]
    assert {"type": "oom", "id": name} in events


def test_stopped_container_has_no_events(pyoci, bundle):
    name = pyoci.start(bundle.script("true"))
    pyoci.await_status(name, "stopped")
    for flags in ((), ("--stats",)):
        done = pyoci.call("events", *flags, name)
        assert done.returncode == 1
        assert f"container with id {name} is not running" in done.stderr


def test_unknown_container_is_told_from_others(pyoci):
    done = pyoci.call("events", "--stats", "nobody")
    assert (done.returncode, "container does not exist" in done.stderr) == (1, True)


@pytest.mark.parametrize("interval", ["0", "-1s"])
def test_interval_is_longer_than_nothing(pyoci, bundle, interval):
    name = pyoci.start(bundle.script("sleep 1000"))
    done = pyoci.call("events", f"--interval={interval}", name)
    assert done.returncode == 1
    assert "duration interval must be greater than 0" in done.stderr


def test_reader_that_goes_away_ends_the_stream(pyoci, bundle, follow):
    name = pyoci.start(bundle.script("sleep 1000"))
    process = follow(name, "--interval", "10ms")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) in (1, 128 + signal.SIGPIPE, -signal.SIGPIPE)
