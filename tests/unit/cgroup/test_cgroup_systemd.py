"""The systemd backend: properties as tables, and its calls on a manager that only listens."""

from __future__ import annotations

import os

import pytest

from pyoci.cgroup import dbus_connection, default_device_rules, device_attach, from_record, resolve
from pyoci.cgroup.dbus_connection import RefusedError
from pyoci.cgroup.hierarchies import Hierarchies, Hierarchy
from pyoci.cgroup.systemd import NO_SUCH_UNIT, UNIT_EXISTS
from pyoci.cgroup.systemd_properties import (
    INFINITY,
    device_properties,
    legacy_properties,
    mask,
    unified_properties,
)
from pyoci.errors import CgroupError

DEVICES = """Character devices:
  1 mem
  4 tty
  5 /dev/tty
136 pts
 10 misc

Block devices:
  8 sd
 65 sd
252 virtblk
"""


def values(properties):
    return {name: value for name, _, value in properties}


@pytest.mark.parametrize(
    ("resources", "v2", "v1"),
    [
        ({}, {}, {}),
        ({"memory": {"limit": 9}}, {"MemoryMax": 9}, {"MemoryLimit": 9}),
        (
            {"memory": {"limit": -1}},
            {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY},
            {"MemoryLimit": INFINITY},
        ),
        (
            {"memory": {"limit": 10, "swap": 14, "reservation": 3}},
            {"MemoryMax": 10, "MemorySwapMax": 4, "MemoryLow": 3},
            {"MemoryLimit": 10},
        ),
        ({"cpu": {"shares": 1024}}, {"CPUWeight": 100}, {"CPUShares": 1024}),
        (
            {"cpu": {"quota": 50000}},
            {"CPUQuotaPerSecUSec": 500000},
            {"CPUQuotaPerSecUSec": 500000},
        ),
        (
            # A third of a processor: systemd knows whole percents, so it is rounded up.
            {"cpu": {"quota": 1000, "period": 3000}},
            {"CPUQuotaPeriodUSec": 3000, "CPUQuotaPerSecUSec": 340000},
            {"CPUQuotaPeriodUSec": 3000, "CPUQuotaPerSecUSec": 340000},
        ),
        (
            {"cpu": {"quota": -1}},
            {"CPUQuotaPerSecUSec": INFINITY},
            {"CPUQuotaPerSecUSec": INFINITY},
        ),
        (
            {"cpu": {"cpus": "0-1", "mems": "8"}},
            {"AllowedCPUs": [3], "AllowedMemoryNodes": [0, 1]},
            {},
        ),
        ({"pids": {"limit": 5}}, {"TasksMax": 5}, {"TasksMax": 5}),
        ({"pids": {"limit": -1}}, {"TasksMax": INFINITY}, {"TasksMax": INFINITY}),
        # systemd refuses 0: that is in the file alone.
        ({"pids": {"limit": 0}}, {"TasksMax": 1}, {"TasksMax": 1}),
        ({"blockIO": {"weight": 1000}}, {"IOWeight": 10000}, {"BlockIOWeight": 1000}),
    ],
)
def test_properties(resources, v2, v1):
    assert values(unified_properties(resources)) == v2
    assert values(legacy_properties(resources)) == v1


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("memory.high", "7", {"MemoryHigh": 7}),
        ("memory.max", "max", {"MemoryMax": INFINITY}),
        ("pids.max", "0", {"TasksMax": 1}),
        ("cpu.max", "max 5000", {"CPUQuotaPeriodUSec": 5000, "CPUQuotaPerSecUSec": INFINITY}),
        ("cpu.max", "2500 5000", {"CPUQuotaPeriodUSec": 5000, "CPUQuotaPerSecUSec": 500000}),
        ("cpuset.cpus", "1", {"AllowedCPUs": [2]}),
        ("memory.oom.group", "1", {}),
    ],
)
def test_properties_of_the_unified_map(file, content, expected):
    assert values(unified_properties({"unified": {file: content}})) == expected


def test_bit_mask():
    assert mask("0,2-3,9", "/x") == [0b1101, 0b10]


@pytest.mark.parametrize("text", ["x", "1-", "3-1", "-4", "99999999999", "1-99999999"])
def test_bad_list_of_processors_is_refused(text):
    with pytest.raises(CgroupError) as caught:
        mask(text, "/linux/resources/cpu/cpus")
    assert caught.value.subject == "/linux/resources/cpu/cpus"


def test_usual_device_list_is_expressed_exactly():
    properties = values(
        device_properties([{"allow": False, "access": "rwm"}, *default_device_rules()], DEVICES)
    )
    assert properties["DevicePolicy"] == "strict"
    allowed = dict(properties["DeviceAllow"])
    assert allowed["/dev/char/1:3"] == "rwm"
    assert allowed["char-pts"] == "rwm"
    assert (allowed["char-*"], allowed["block-*"]) == ("m", "m")


def test_everything_allowed_needs_no_list():
    assert device_properties([{"allow": True}], DEVICES) == [("DevicePolicy", "s", "auto")]


@pytest.mark.parametrize(
    "rules",
    [
        # all but one
        [{"allow": True}, {"allow": False, "type": "c", "major": 1, "minor": 3}],
        # a major that this kernel does not name
        [{"allow": True, "type": "c", "major": 77}],
        # "block-sd" would allow major 65 as well
        [{"allow": True, "type": "b", "major": 8}],
        # any major
        [{"allow": True, "type": "c", "minor": 3}],
    ],
)
def test_device_list_that_systemd_cannot_express_is_told_apart(rules):
    assert device_properties(rules, DEVICES) is None


# -- calls -----------------------------------------------------------------------------------------


class Bus:
    """Takes the place of `Connection`: remembers calls, refuses what it is told to."""

    calls: list
    refusals: list

    def __init__(self, *, user):
        Bus.user = user

    def version(self):
        return Bus.systemd

    def call(self, method, signature="", *arguments):
        Bus.calls.append((method, arguments))
        if Bus.refusals and Bus.refusals[0][0] == method:
            raise RefusedError(*Bus.refusals.pop(0)[1:])
        return ["/job/1"]

    def wait_for_job(self, job):
        return Bus.result

    def close(self):
        pass


@pytest.fixture
def bus(monkeypatch):
    Bus.calls, Bus.refusals, Bus.result, Bus.systemd = [], [], "done", 255
    monkeypatch.setattr(dbus_connection, "Connection", Bus)
    return Bus


@pytest.fixture
def scope(tmp_path, bus):
    host = Hierarchies(Hierarchy((), str(tmp_path), "/"), [])

    def make(rootless=False, annotations=None):
        return resolve(
            "s.slice:p:n",
            "c1",
            systemd=True,
            rootless=rootless,
            host=host,
            uid=7,
            annotations=annotations,
        )

    return make


def started_with(bus):
    ((method, (unit, mode, properties, auxiliary)),) = [
        call for call in bus.calls if call[0] == "StartTransientUnit"
    ][-1:]
    assert (method, unit, mode, auxiliary) == ("StartTransientUnit", "p-n.scope", "fail", [])
    return {name: value for name, (_, value) in properties}


def test_nothing_is_asked_of_systemd_before_there_is_a_process(scope, bus):
    cgroup = scope()
    cgroup.record()
    cgroup.create({"pids": {"limit": 5}})
    assert cgroup.directory_for_clone() is None
    assert bus.calls == []


def test_scope_starts_around_the_first_process(scope, bus, monkeypatch):
    cgroup = scope()
    cgroup.create({})
    with pytest.raises(CgroupError):
        # There is no systemd that would make the directory.
        cgroup.attach(os.getpid())
    properties = started_with(bus)
    assert properties["PIDs"] == [os.getpid()]
    assert properties["Slice"] == "s.slice"
    assert properties["Delegate"] is True
    assert properties["DefaultDependencies"] is False
    assert properties["CollectMode"] == "inactive-or-failed"
    assert properties["DevicePolicy"] == "strict"


def started(cgroup, monkeypatch, pid=11):
    """Attach, with a directory where systemd would have made it and the process in it."""
    monkeypatch.setattr(type(cgroup._inner), "attach", lambda *arguments, **more: None)
    os.makedirs(cgroup.paths()[""], exist_ok=True)
    cgroup.attach(pid)
    return cgroup


def test_user_scope_limits_no_devices(scope, bus, monkeypatch):
    cgroup = scope(rootless=True)
    cgroup.create({"devices": [{"allow": False}]})
    started(cgroup, monkeypatch)
    assert bus.user is True
    assert "DevicePolicy" not in started_with(bus)


def test_device_list_that_systemd_cannot_express_becomes_a_program(scope, bus, monkeypatch):
    attached = []
    monkeypatch.setattr(
        device_attach, "attach_program", lambda *arguments: attached.append(arguments)
    )
    cgroup = scope()
    cgroup.create(
        {"devices": [{"allow": True}, {"allow": False, "type": "c", "major": 1, "minor": 11}]}
    )
    started(cgroup, monkeypatch)
    ((directory, program),) = attached
    assert directory == cgroup.paths()[""]
    assert program
    assert started_with(bus)["DevicePolicy"] == "auto"


IDLE = {"cpu": {"idle": 1, "shares": 2048}, "unified": {"memory.oom.group": "1"}}


@pytest.mark.parametrize(
    ("version", "weight", "policy"), [(251, 174, None), (252, 0, None), (253, 0, "kill")]
)
def test_what_only_newer_versions_know_is_told_them_alone(
    scope, bus, monkeypatch, version, weight, policy
):
    bus.systemd = version
    cgroup = scope()
    cgroup.create(IDLE)
    monkeypatch.setattr(type(cgroup._inner), "apply", lambda *arguments: None)
    started(cgroup, monkeypatch)
    properties = started_with(bus)
    assert properties.get("CPUWeight") == weight
    assert properties.get("OOMPolicy") == policy
    cgroup.apply(IDLE)
    method, (_, _, changed) = bus.calls[-1]
    assert method == "SetUnitProperties"
    assert changed == [("CPUWeight", ("t", weight))]


def test_annotations_set_properties_of_the_scope_last(scope, bus, monkeypatch):
    annotations = {
        "org.systemd.property.CollectMode": "'inactive'",
        "org.systemd.property.TimeoutStopSec": "uint64 9",
        "other": "x",
    }
    cgroup = scope(annotations=annotations)
    cgroup.create({})
    started(cgroup, monkeypatch)
    properties = started_with(bus)
    assert properties["CollectMode"] == "inactive"
    assert properties["TimeoutStopUSec"] == 9_000_000


def test_bad_annotation_fails_before_anything_is_started(scope, bus):
    cgroup = scope(annotations={"org.systemd.property.X": "1"})
    with pytest.raises(CgroupError, match=r"org\.systemd\.property\.X"):
        cgroup.create({})
    assert bus.calls == []


ALL_BUT_ONE = [{"allow": True}, {"allow": False, "type": "c", "major": 1, "minor": 11}]


@pytest.mark.parametrize(
    ("rules", "policy", "programs"),
    [([{"allow": False}], "strict", [False]), (ALL_BUT_ONE, "auto", [True])],
)
def test_changed_devices_are_systemds_or_a_program(
    scope, bus, monkeypatch, rules, policy, programs
):
    replaced = []
    monkeypatch.setattr(
        device_attach,
        "replace_programs",
        lambda directory, program, *, others: replaced.append((bool(program), others)),
    )
    cgroup = scope()
    cgroup.create({})
    started(cgroup, monkeypatch)
    cgroup.change_devices([{"allow": False}], rules)
    method, (_, _, properties) = bus.calls[-1]
    assert method == "SetUnitProperties"
    assert properties[0] == ("DevicePolicy", ("s", policy))
    # The empty list clears what was there.
    assert properties[1] == ("DeviceAllow", ("a(ss)", []))
    # Programs of systemd's own stay.
    assert replaced == [(program, False) for program in programs]


def test_failed_unit_of_the_same_name_is_reset(scope, bus, monkeypatch):
    bus.refusals = [("StartTransientUnit", UNIT_EXISTS, "exists")]
    cgroup = scope()
    cgroup.create({})
    started(cgroup, monkeypatch)
    assert [name for name, _ in bus.calls] == [
        "StartTransientUnit",
        "ResetFailedUnit",
        "StartTransientUnit",
    ]


def test_unit_that_runs_already_is_refused(scope, bus, monkeypatch):
    bus.refusals = [("StartTransientUnit", UNIT_EXISTS, "exists")] * 2
    cgroup = scope()
    cgroup.create({})
    with pytest.raises(CgroupError, match=r"p-n.scope.*exists"):
        started(cgroup, monkeypatch)


def test_job_that_fails_is_an_error(scope, bus, monkeypatch):
    bus.result = "failed"
    cgroup = scope()
    cgroup.create({})
    with pytest.raises(CgroupError, match="failed"):
        started(cgroup, monkeypatch)


def test_update_goes_to_systemd_and_to_the_files(scope, bus, monkeypatch):
    cgroup = scope()
    cgroup.create({})
    started(cgroup, monkeypatch)
    later = from_record(cgroup.record())
    with open(f"{cgroup.paths()['']}/cgroup.controllers", "w") as file:
        file.write("pids")
    with open(f"{cgroup.paths()['']}/pids.max", "w"):
        pass
    later.apply({"pids": {"limit": 8}})
    method, (unit, runtime, properties) = bus.calls[-1]
    assert (method, unit, runtime) == ("SetUnitProperties", "p-n.scope", True)
    assert properties == [("TasksMax", ("t", 8))]
    with open(f"{cgroup.paths()['']}/pids.max") as file:
        assert file.read() == "8"


def test_remove_stops_the_unit_and_removes_the_directory(scope, bus, monkeypatch):
    cgroup = scope()
    cgroup.create({})
    started(cgroup, monkeypatch)
    from_record(cgroup.record()).remove()
    assert bus.calls[-1] == ("StopUnit", ("p-n.scope", "replace"))
    assert not os.path.exists(cgroup.paths()[""])


def test_remove_of_a_unit_that_is_gone_is_no_error(scope, bus, monkeypatch):
    cgroup = scope()
    cgroup.create({})
    started(cgroup, monkeypatch)
    bus.refusals = [("StopUnit", NO_SUCH_UNIT, "not loaded")]
    cgroup.remove()
    assert not os.path.exists(cgroup.paths()[""])


def test_remove_asks_nobody_when_the_scope_has_ended_by_itself(scope, bus):
    cgroup = scope()
    cgroup.create({})
    from_record(cgroup.record()).remove()
    assert bus.calls == []
