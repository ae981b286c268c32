"""update: limits of a container that runs, as the kernel has them afterwards."""

from __future__ import annotations

import json
import os
import uuid

import pytest

from pyoci.cgroup.hierarchies import read_hierarchies

HOST = read_hierarchies()
UNIFIED = HOST.layout == "unified"
MIB = 1 << 20

pytestmark = pytest.mark.skipif(HOST.layout == "none", reason="no cgroup hierarchy is mounted")


class Box:
    """A container with a cgroup of its own, whose files are read by v1's and v2's names."""

    def __init__(self, pyoci, bundle):
        self.pyoci = pyoci
        self.bundle = bundle
        self.place = f"/box{uuid.uuid4().hex[:10]}"
        self.name = ""

    def start(self, resources, script="sleep 1000"):
        self.bundle.linux["cgroupsPath"] = self.place
        self.bundle.linux["resources"].update(resources)
        self.name = self.pyoci.start(self.bundle.script(script))

    def path(self, controller, legacy, unified):
        if UNIFIED:
            return f"{HOST.unified.mountpoint}{self.place}/{unified}"
        hierarchy = next((h for h in HOST.legacy if controller in h.controllers), None)
        if hierarchy is None:
            pytest.skip(f"the host has no {controller} controller")
        return f"{hierarchy.mountpoint}{self.place}/{legacy}"

    def read(self, controller, legacy, unified):
        with open(self.path(controller, legacy, unified)) as file:
            return file.read().strip()

    def update(self, *flags):
        self.pyoci.ok("update", *flags, self.name)

    def update_json(self, resources):
        self.pyoci.ok("update", "--resources", "-", self.name, **given(resources))

    def refused(self, *flags, **options):
        done = self.pyoci.call("update", *flags, self.name, **options)
        assert done.returncode == 1
        return done.stderr

    def memory(self):
        return self.read("memory", "memory.limit_in_bytes", "memory.max")

    def swap(self):
        """The limit of memory and swap together on v1, of swap alone on v2."""
        return self.read("memory", "memory.memsw.limit_in_bytes", "memory.swap.max")

    def pids(self):
        return self.read("pids", "pids.max", "pids.max")

    def quota(self):
        if UNIFIED:
            quota, period = self.read("cpu", "", "cpu.max").split()
            return (-1 if quota == "max" else int(quota)), int(period)
        return (
            int(self.read("cpu", "cpu.cfs_quota_us", "")),
            int(self.read("cpu", "cpu.cfs_period_us", "")),
        )

    def has(self, *where):
        return os.path.exists(self.path(*where))


def given(resources):
    return {"input": json.dumps(resources), "stdin": None}


@pytest.fixture
def box(pyoci, bundle):
    return Box(pyoci, bundle)


def unlimited():
    return "max" if UNIFIED else "9223372036854771712"


def test_flags_set_the_limits_and_leave_the_others_alone(box):
    box.start({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}})
    box.update("--memory", "50M")
    assert (box.memory(), box.pids()) == (str(50 * MIB), "20")
    box.update("--pids-limit", "30")
    assert (box.memory(), box.pids()) == (str(50 * MIB), "30")
    box.update("--pids-limit", "-1", "--memory", "-1")
    assert (box.memory(), box.pids()) == (unlimited(), "max")


def test_memory_reservation_is_changed(box):
    box.start({})
    box.update("--memory-reservation", "32m")
    where = ("memory", "memory.soft_limit_in_bytes", "memory.low")
    assert box.read(*where) == str(32 * MIB)


def test_memory_and_swap_grow_and_shrink_together(box):
    box.start({"memory": {"limit": 30 * MIB, "swap": 50 * MIB}})
    if not box.has("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"):
        pytest.skip("the kernel has no swap accounting")
    for limit, swap in ((60, 80), (200, 210), (20, 30)):
        box.update("--memory", f"{limit}M", "--memory-swap", f"{swap}M")
        assert box.memory() == str(limit * MIB)
        assert box.swap() == str((swap - limit if UNIFIED else swap) * MIB)
    # One alone means the other as it was.
    box.update("--memory", "25M")
    assert (box.memory(), box.swap()) == (str(25 * MIB), str((5 if UNIFIED else 30) * MIB))
    box.update("--memory-swap", "40M")
    assert (box.memory(), box.swap()) == (str(25 * MIB), str((15 if UNIFIED else 40) * MIB))
    box.update("--memory-swap", "-1")
    assert (box.memory(), box.swap()) == (str(25 * MIB), unlimited())


def test_unlimited_memory_takes_the_limit_of_swap_along(box):
    box.start({"memory": {"limit": 30 * MIB, "swap": 50 * MIB}})
    box.update("--memory", "-1")
    assert box.memory() == unlimited()
    if box.has("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"):
        assert box.swap() == unlimited()
    # Nothing of the old limit comes back with a new one.
    box.update("--memory", "80M")
    assert box.memory() == str(80 * MIB)


def test_swap_below_memory_is_refused_and_nothing_changes(box):
    box.start({"memory": {"limit": 30 * MIB, "swap": 50 * MIB}})
    assert "/linux/resources/memory/swap" in box.refused("--memory-swap", "10M")
    assert "/linux/resources/memory" in box.refused("--memory", "90M")
    assert box.memory() == str(30 * MIB)


def test_quota_and_period_are_changed_one_by_one(box):
    box.start({"cpu": {"quota": 500000, "period": 1000000, "shares": 100}})
    assert box.quota() == (500000, 1000000)
    box.update("--cpu-period", "900000")
    assert box.quota() == (500000, 900000)
    box.update("--cpu-quota", "600000")
    assert box.quota() == (600000, 900000)
    box.update("--cpu-quota", "-1")
    assert box.quota() == (-1, 900000)
    box.update("--cpu-quota", "3000", "--cpu-period", "10000")
    assert box.quota() == (3000, 10000)


def test_period_alone_needs_no_quota(box):
    box.start({})
    box.update("--cpu-period", "50000")
    assert box.quota() == (-1, 50000)


def test_shares_are_changed(box):
    box.start({"cpu": {"shares": 100}})
    box.update("--cpu-share", "2048")
    assert box.read("cpu", "cpu.shares", "cpu.weight") == ("174" if UNIFIED else "2048")


def test_burst_is_changed_with_the_quota_and_kept_by_other_updates(box):
    box.start({"cpu": {"quota": 500000, "period": 1000000}})
    where = ("cpu", "cpu.cfs_burst_us", "cpu.max.burst")
    box.update("--cpu-period", "900000", "--cpu-burst", "400000")
    assert box.read(*where) == "400000"
    box.update("--memory", "100M")
    assert box.read(*where) == "400000"
    box.update("--cpu-burst", "0")
    assert box.read(*where) == "0"


def test_idle_comes_and_goes_with_the_weight_restored(box):
    box.start({"cpu": {"shares": 2048}})
    where = ("cpu", "cpu.idle", "cpu.idle")
    if not box.has(*where):
        pytest.skip("the kernel has no idle cgroups")
    weight = box.read("cpu", "cpu.shares", "cpu.weight")
    box.update("--cpu-idle", "1")
    assert box.read(*where) == "1"
    box.update("--pids-limit", "100")
    assert box.read(*where) == "1"
    assert "/cpu/idle" in box.refused("--cpu-idle", "2")
    box.update("--cpu-idle", "0")
    assert box.read(*where) == "0"
    assert box.read("cpu", "cpu.shares", "cpu.weight") == weight


def test_processors_are_changed_for_processes_that_run(box):
    everything = sorted(os.sched_getaffinity(0))
    if len(everything) < 2:
        pytest.skip("one processor only")
    box.start({"cpu": {"cpus": str(everything[0])}})
    pid = box.pyoci.state(box.name)["pid"]
    assert os.sched_getaffinity(pid) == {everything[0]}
    box.update("--cpuset-cpus", str(everything[1]))
    assert box.read("cpuset", "cpuset.cpus", "cpuset.cpus") == str(everything[1])
    assert os.sched_getaffinity(pid) == {everything[1]}


def test_resources_come_as_json_from_a_file_or_standard_input(box, tmp_path):
    box.start({})
    resources = {"memory": {"limit": 40 * MIB}, "cpu": {"quota": 20000, "period": 100000}}
    box.update_json({**resources, "pids": {"limit": 7}})
    assert (box.memory(), box.pids(), box.quota()) == (str(40 * MIB), "7", (20000, 100000))
    resources["memory"]["limit"] = 44 * MIB
    file = tmp_path / "resources.json"
    file.write_text(json.dumps(resources))
    # The other flags are ignored then.
    box.update(f"--resources={file}", "--pids-limit", "99")
    assert (box.memory(), box.pids()) == (str(44 * MIB), "7")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "standard input is not JSON"),
        ("{", "standard input is not JSON"),
        ("[]", "standard input holds no object"),
        ('{"memory": {"limit": "1G"}}', "/memory/limit"),
        ('{"cpu": {"idle": 7}}', "/cpu/idle"),
    ],
)
def test_bad_json_is_refused_with_its_place(box, text, told):
    box.start({"memory": {"limit": 40 * MIB}})
    assert told in box.refused("-r", "-", input=text, stdin=None)
    assert box.memory() == str(40 * MIB)


def test_missing_file_is_not_mistaken_for_the_users_command(box):
    box.start({})
    error = box.refused("-r", "/nonexistent/file")
    assert "/nonexistent/file" in error
    assert "no such file" not in error


def test_limit_below_usage_is_refused_where_that_is_asked_for(box):
    box.start({"memory": {"limit": 40 * MIB}})
    resources = {"memory": {"limit": 4096, "checkBeforeUpdate": True}}
    assert "are in use" in box.refused("-r", "-", **given(resources))
    assert box.memory() == str(40 * MIB)
    assert box.pyoci.status(box.name) == "running"


def test_update_that_is_refused_half_way_is_taken_back(box):
    """The limit of the processes is written after that of memory; the last one is impossible."""
    box.start({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}})
    quota = box.quota()
    resources = {
        "memory": {"limit": 32 * MIB, "reservation": 16 * MIB},
        "cpu": {"quota": 30000, "period": 100000},
        "pids": {"limit": 5},
        "hugepageLimits": [{"pageSize": "3MB", "limit": 0}],
    }
    assert "/linux/resources/hugepageLimits/0" in box.refused("-r", "-", **given(resources))
    assert (box.memory(), box.pids(), box.quota()) == (str(64 * MIB), "20", quota)
    # Nor do later updates know of it.
    box.update("--cpu-period", "50000")
    assert box.quota() == (-1, 50000)


def test_paused_container_is_updated_and_stays_paused(box):
    box.start({"pids": {"limit": 20}})
    box.pyoci.ok("pause", box.name)
    box.update("--pids-limit", "30")
    assert box.pids() == "30"
    assert box.pyoci.status(box.name) == "paused"


def test_created_container_is_updated(box):
    box.bundle.linux["cgroupsPath"] = box.place
    box.name = box.pyoci.create(box.bundle.script("sleep 1000"))
    box.update("--pids-limit", "31")
    assert box.pids() == "31"


def test_stopped_container_is_not_updated(box):
    box.start({}, "true")
    box.pyoci.await_status(box.name, "stopped")
    assert "container not running" in box.refused("--pids-limit", "31")


def test_unknown_container_is_told_from_others(pyoci):
    done = pyoci.call("update", "--pids-limit", "31", "nobody")
    assert (done.returncode, "container does not exist" in done.stderr) == (1, True)


def test_kernel_memory_is_accepted_with_a_warning(box):
    box.start({})
    done = box.pyoci.call("update", "--kernel-memory", "50M", box.name)
    assert done.returncode == 0
    assert "kernel memory" in done.stderr.lower()


@pytest.mark.parametrize("flag", ["--l3-cache-schema", "--mem-bw-schema"])
def test_schema_of_a_container_without_rdt_is_refused(box, flag):
    box.start({})
    assert "Intel RDT" in box.refused(flag, "L3:0=f")


# /dev/kmsg: no container has it by default.
KMSG = {"type": "c", "major": 1, "minor": 11}
NOTHING = {"allow": False, "access": "rwm"}


@pytest.fixture
def kmsg(box, is_pyoci):
    """A box in which /kmsg is the kernel's log; gives what opening it says."""
    if not is_pyoci:
        pytest.skip("runc's update never changes devices")
    box.bundle.capabilities("CAP_SYSLOG", "CAP_KILL")
    box.bundle.linux["devices"] = [{**KMSG, "path": "/dev/kmsg", "fileMode": 0o666}]
    box.start({"devices": [NOTHING]})

    def attempt():
        done = box.pyoci.call("exec", box.name, "dd", "if=/dev/kmsg", "bs=1", "count=0")
        return done.returncode == 0

    return attempt


def test_device_is_allowed_and_denied_to_a_container_that_runs(box, kmsg):
    assert not kmsg()
    box.update_json({"devices": [NOTHING, {**KMSG, "allow": True, "access": "r"}]})
    assert kmsg()
    # The devices that every container may use are there all the time.
    assert box.pyoci.call("exec", box.name, "sh", "-c", "echo >/dev/null").returncode == 0
    box.update_json({"devices": [NOTHING]})
    assert not kmsg()
    box.update_json({"devices": [{"allow": True, "access": "rwm"}]})
    assert kmsg()
    box.update_json({"devices": [NOTHING]})
    assert not kmsg()


def test_devices_that_somebody_else_gave_survive_an_update(box, kmsg):
    """Engines pass the list that the container has with every change of another limit."""
    if UNIFIED:
        pytest.skip("on v2 others replace the program")
    with open(box.path("devices", "devices.allow", ""), "w") as file:
        file.write("c 1:11 r")
    assert kmsg()
    box.update("--pids-limit", "100")
    box.update_json({"devices": [NOTHING], "pids": {"limit": 101}})
    assert kmsg()
