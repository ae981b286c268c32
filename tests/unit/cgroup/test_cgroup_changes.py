"""What an update comes to, and how it is taken back."""

from __future__ import annotations

import os

import pytest

from pyoci.cgroup.changes import completed, merged
from pyoci.cgroup.devices import DeviceList, transition
from pyoci.cgroup.files import Setting, write_settings
from pyoci.cgroup.undo import Undo, previous
from pyoci.errors import CgroupError


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        # What one file of v2 needs both of.
        (
            {"memory": {"limit": 100, "swap": 300}},
            {"memory": {"limit": 200}},
            {"memory": {"limit": 200, "swap": 300}},
        ),
        (
            {"memory": {"limit": 100}},
            {"memory": {"swap": 300}},
            {"memory": {"limit": 100, "swap": 300}},
        ),
        (
            {"memory": {"limit": 100, "swap": 300}},
            {"memory": {"limit": -1}},
            {"memory": {"limit": -1}},
        ),
        (
            {"cpu": {"period": 9, "quota": 5}},
            {"cpu": {"quota": 6}},
            {"cpu": {"quota": 6, "period": 9}},
        ),
        (
            {"cpu": {"period": 9, "quota": 5}},
            {"cpu": {"period": 8}},
            {"cpu": {"quota": 5, "period": 8}},
        ),
        (
            {"cpu": {"shares": 77, "idle": 1}},
            {"cpu": {"idle": 0}},
            {"cpu": {"idle": 0, "shares": 77}},
        ),
        # What has nothing to do with each other.
        (
            {"memory": {"limit": 100, "reservation": 50}, "pids": {"limit": 5}},
            {"memory": {"reservation": 60}},
            {"memory": {"reservation": 60}},
        ),
        ({"cpu": {"shares": 77, "quota": 5}}, {"cpu": {"shares": 78}}, {"cpu": {"shares": 78}}),
        ({"cpu": {"shares": 77}}, {"cpu": {"idle": 1}}, {"cpu": {"idle": 1}}),
        (
            {},
            {"memory": {"limit": 5}, "cpu": {"quota": 6}},
            {"memory": {"limit": 5}, "cpu": {"quota": 6}},
        ),
    ],
)
def test_an_update_is_completed_with_what_belongs_to_it(old, new, result):
    before = repr((old, new))
    assert completed(old, new) == result
    assert repr((old, new)) == before


def test_merging_changes_what_is_named_and_keeps_the_rest():
    old = {
        "devices": [{"allow": False}],
        "memory": {"limit": 100, "swap": 300},
        "pids": {"limit": 5},
        "unified": {"memory.high": "9", "pids.max": "3"},
    }
    new = {
        "memory": {"limit": 0, "reservation": 40, "checkBeforeUpdate": True},
        "pids": {"limit": 0},
        "unified": {"pids.max": "4"},
        "cpu": {"idle": 0, "shares": 0, "cpus": "1"},
    }
    assert merged(old, new) == {
        "devices": [{"allow": False}],
        "memory": {"limit": 100, "swap": 300, "reservation": 40},
        "pids": {"limit": 0},
        "unified": {"memory.high": "9", "pids.max": "4"},
        "cpu": {"idle": 0, "cpus": "1"},
    }


def test_unlimited_memory_leaves_no_limit_of_memory_and_swap():
    assert merged({"memory": {"limit": 5, "swap": 9}}, {"memory": {"limit": -1}}) == {
        "memory": {"limit": -1, "swap": -1}
    }


def test_lists_are_merged_by_what_their_entries_are_about():
    old = {
        "blockIO": {
            "throttleReadBpsDevice": [
                {"major": 8, "minor": 0, "rate": 1},
                {"major": 8, "minor": 16, "rate": 2},
            ],
            "weightDevice": [{"major": 8, "minor": 0, "weight": 10, "leafWeight": 20}],
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
        "network": {"classID": 7, "priorities": [{"name": "lo", "priority": 1}]},
        "rdma": {"mlx": {"hcaHandles": 1}},
    }
    new = {
        "blockIO": {
            "throttleReadBpsDevice": [
                {"major": 8, "minor": 16, "rate": 3},
                {"major": 9, "minor": 0, "rate": 4},
            ],
            "weightDevice": [{"major": 8, "minor": 0, "weight": 30}],
        },
        "hugepageLimits": [{"pageSize": "1GB", "limit": 5}, {"pageSize": "2MB", "limit": 6}],
        "network": {"priorities": [{"name": "lo", "priority": 2}]},
        "rdma": {"hfi": {"hcaObjects": 8}},
    }
    assert merged(old, new) == {
        "blockIO": {
            "throttleReadBpsDevice": [
                {"major": 8, "minor": 0, "rate": 1},
                {"major": 8, "minor": 16, "rate": 3},
                {"major": 9, "minor": 0, "rate": 4},
            ],
            "weightDevice": [{"major": 8, "minor": 0, "weight": 30, "leafWeight": 20}],
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 6}, {"pageSize": "1GB", "limit": 5}],
        "network": {"classID": 7, "priorities": [{"name": "lo", "priority": 2}]},
        "rdma": {"mlx": {"hcaHandles": 1}, "hfi": {"hcaObjects": 8}},
    }


@pytest.mark.parametrize(
    ("file", "value", "content", "expected"),
    [
        ("memory.max", "5", "max", "max"),
        ("memory.limit_in_bytes", "5", "9223372036854771712", "9223372036854771712"),
        ("cpu.max", "5 100", "max 100000", "max 100000"),
        ("cpuset.cpus", "0", "", "\n"),
        ("cpuset.cpus", "0", "0-3", "0-3"),
        ("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 0", "0"),
        ("io.weight", "300", "default 100\n8:0 200", "default 100"),
        ("io.weight", "8:0 300", "default 100\n8:0 200", "8:0 200"),
        ("io.weight", "8:16 300", "default 100\n8:0 200", "8:16 default"),
        ("io.max", "8:0 rbps=5", "8:0 rbps=max wbps=7 riops=max wiops=max",
         "8:0 rbps=max wbps=7 riops=max wiops=max"),
        ("io.max", "8:1 rbps=5", "", "8:1 rbps=max wbps=max riops=max wiops=max"),
        ("blkio.throttle.read_bps_device", "8:0 5", "8:0 77\n8:1 5", "8:0 77"),
        ("blkio.throttle.read_bps_device", "8:2 5", "8:0 77\n8:1 5", "8:2 0"),
        ("rdma.max", "mlx hca_handle=2", "mlx hca_handle=max hca_object=3",
         "mlx hca_handle=max hca_object=3"),
        ("net_prio.ifpriomap", "lo 5", "lo 0\neth0 1", "lo 0"),
        ("memory.max", "5", None, None),
    ],
)  # fmt: skip
def test_what_undoes_a_setting(file, value, content, expected):
    assert previous(Setting("x", file, value, "/x"), content) == expected


def test_a_refused_setting_takes_the_others_back(tmp_path):
    directory = str(tmp_path)
    for name, content in (("one", "1"), ("two", "2")):
        (tmp_path / name).write_text(content)
    undo = Undo()
    with pytest.raises(CgroupError, match="/three"):
        write_settings(
            [
                Setting("c", "one", "10", "/one"),
                Setting("c", "two", "20", "/two"),
                Setting("c", "three", "30", "/three"),
            ],
            {"c": directory},
            undo,
        )
    assert (tmp_path / "one").read_text() == "10"
    undo.undo()
    assert (tmp_path / "one").read_text() == "1"
    assert (tmp_path / "two").read_text() == "2"
    assert sorted(os.listdir(directory)) == ["one", "two"]


ALL = {"allow": True, "access": "rwm"}
NONE = {"allow": False, "access": "rwm"}


def char(major, minor, access, allow=True):
    return {"allow": allow, "type": "c", "major": major, "minor": minor, "access": access}


@pytest.mark.parametrize(
    ("old", "new", "writes"),
    [
        ([NONE, char(1, 3, "rw")], [NONE, char(1, 3, "rw")], []),
        (
            [NONE, char(1, 3, "rw"), char(1, 5, "r")],
            [NONE, char(1, 3, "rm"), char(1, 7, "w")],
            [
                ("devices.allow", "c 1:3 m"),
                ("devices.allow", "c 1:7 w"),
                ("devices.deny", "c 1:3 w"),
                ("devices.deny", "c 1:5 r"),
            ],
        ),
        (
            [ALL, char(1, 3, "w", False)],
            [ALL, char(1, 5, "w", False)],
            [("devices.allow", "c 1:3 w"), ("devices.deny", "c 1:5 w")],
        ),
        ([NONE, char(1, 3, "r")], [ALL], [("devices.allow", "a")]),
        (
            [ALL],
            [NONE, char(1, 3, "r")],
            [("devices.deny", "a"), ("devices.allow", "c 1:3 r")],
        ),
    ],
)
def test_v1_device_lists_are_changed_with_the_fewest_writes(old, new, writes):
    assert transition(DeviceList(old), DeviceList(new)) == writes
