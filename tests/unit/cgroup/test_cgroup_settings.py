"""linux.resources as cgroup files: v1 and v2, as tables."""

from __future__ import annotations

import pytest

from pyoci.cgroup.files import Setting, write_settings
from pyoci.cgroup.legacy_settings import legacy_settings
from pyoci.cgroup.limits import wanted_limits
from pyoci.cgroup.unified_settings import unified_settings, weight_of_shares
from pyoci.errors import CgroupError


def legacy(resources, files=None):
    settings = legacy_settings(resources, lambda controller, file: (files or {}).get(file))
    return [(setting.file, setting.value) for setting in settings]


def unified(resources, files=None):
    settings = unified_settings(resources, (files or {}).get)
    return [(setting.file, setting.value) for setting in settings]


DISK = {"major": 8, "minor": 0}


@pytest.mark.parametrize(
    ("resources", "v1", "v2"),
    [
        ({}, [], []),
        ({"memory": {"limit": 0, "swap": 0}}, [], []),
        (
            {"memory": {"limit": 100}},
            [("memory.limit_in_bytes", "100")],
            [("memory.max", "100")],
        ),
        (
            {"memory": {"limit": 100, "swap": 150}},
            [("memory.limit_in_bytes", "100"), ("memory.memsw.limit_in_bytes", "150")],
            [("memory.swap.max", "50"), ("memory.max", "100")],
        ),
        (
            {"memory": {"limit": -1}},
            [("memory.limit_in_bytes", "-1"), ("memory.memsw.limit_in_bytes", "-1")],
            [("memory.swap.max", "max"), ("memory.max", "max")],
        ),
        (
            {"memory": {"reservation": 7}},
            [("memory.soft_limit_in_bytes", "7")],
            [("memory.low", "7")],
        ),
        ({"pids": {"limit": 5}}, [("pids.max", "5")], [("pids.max", "5")]),
        ({"pids": {"limit": 0}}, [("pids.max", "0")], [("pids.max", "0")]),
        ({"pids": {"limit": -1}}, [("pids.max", "max")], [("pids.max", "max")]),
        ({"cpu": {"shares": 1024}}, [("cpu.shares", "1024")], [("cpu.weight", "100")]),
        (
            {"cpu": {"quota": 500, "period": 1000}},
            [("cpu.cfs_period_us", "1000"), ("cpu.cfs_quota_us", "500")],
            [("cpu.max", "500 1000")],
        ),
        ({"cpu": {"quota": -1}}, [("cpu.cfs_quota_us", "-1")], [("cpu.max", "max 100000")]),
        ({"cpu": {"period": 2000}}, [("cpu.cfs_period_us", "2000")], [("cpu.max", "max 2000")]),
        (
            {"cpu": {"cpus": "0-1", "mems": "0"}},
            [("cpuset.cpus", "0-1"), ("cpuset.mems", "0")],
            [("cpuset.cpus", "0-1"), ("cpuset.mems", "0")],
        ),
        ({"cpu": {"idle": 1}}, [("cpu.idle", "1")], [("cpu.idle", "1")]),
        (
            {"cpu": {"burst": 9, "quota": 10}},
            [("cpu.cfs_burst_us", "9"), ("cpu.cfs_quota_us", "10")],
            [("cpu.max.burst", "9"), ("cpu.max", "10 100000")],
        ),
        ({"blockIO": {"weight": 10}}, [("blkio.weight", "10")], [("io.weight", "1")]),
        ({"blockIO": {"weight": 1000}}, [("blkio.weight", "1000")], [("io.weight", "10000")]),
        (
            {"blockIO": {"throttleReadBpsDevice": [{**DISK, "rate": 3}]}},
            [("blkio.throttle.read_bps_device", "8:0 3")],
            [("io.max", "8:0 rbps=3")],
        ),
        (
            {"blockIO": {"throttleWriteIOPSDevice": [{**DISK, "rate": 3}]}},
            [("blkio.throttle.write_iops_device", "8:0 3")],
            [("io.max", "8:0 wiops=3")],
        ),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 9}]},
            [("hugetlb.2MB.limit_in_bytes", "9"), ("hugetlb.2MB.rsvd.limit_in_bytes", "9")],
            [("hugetlb.2MB.max", "9"), ("hugetlb.2MB.rsvd.max", "9")],
        ),
        (
            {"rdma": {"mlx": {"hcaHandles": 1, "hcaObjects": 2}}},
            [("rdma.max", "mlx hca_handle=1 hca_object=2")],
            [("rdma.max", "mlx hca_handle=1 hca_object=2")],
        ),
    ],
)
def test_conversion(resources, v1, v2):
    assert legacy(resources) == v1
    assert unified(resources) == v2


@pytest.mark.parametrize(
    ("resources", "files"),
    [
        ({"memory": {"swappiness": 0}}, [("memory.swappiness", "0")]),
        ({"memory": {"disableOOMKiller": True}}, [("memory.oom_control", "1")]),
        (
            {"cpu": {"realtimeRuntime": 9, "realtimePeriod": 10}},
            [("cpu.rt_period_us", "10"), ("cpu.rt_runtime_us", "9")],
        ),
        ({"network": {"classID": 7}}, [("net_cls.classid", "7")]),
        (
            {"network": {"priorities": [{"name": "lo", "priority": 3}]}},
            [("net_prio.ifpriomap", "lo 3")],
        ),
        ({"blockIO": {"leafWeight": 10}}, [("blkio.leaf_weight", "10")]),
    ],
)
def test_what_v2_has_no_equivalent_for_is_refused_there(resources, files):
    assert legacy(resources) == files
    ((name, value),) = resources.items()
    key = next(iter(value))
    with pytest.raises(CgroupError, match="cannot be converted") as caught:
        unified(resources)
    assert caught.value.subject == f"/linux/resources/{name}/{key}"
    assert caught.value.hint


def test_false_and_zero_of_v1_only_properties_ask_for_nothing():
    resources = {
        "memory": {"disableOOMKiller": False},
        "cpu": {"realtimeRuntime": 0, "realtimePeriod": 0},
        "blockIO": {"leafWeight": 0},
        "network": {},
    }
    assert unified(resources) == []


def test_bfq_takes_the_old_range():
    weights = {"blockIO": {"weight": 500, "weightDevice": [{**DISK, "weight": 20}]}}
    assert unified(weights, {"io.bfq.weight": "100"}) == [
        ("io.bfq.weight", "500"),
        ("io.bfq.weight", "8:0 20"),
    ]
    assert legacy(weights, {"blkio.bfq.weight": "1", "blkio.bfq.weight_device": "1"}) == [
        ("blkio.bfq.weight", "500"),
        ("blkio.bfq.weight_device", "8:0 20"),
    ]


def test_half_of_a_processor_limit_keeps_the_other_half():
    assert unified({"cpu": {"quota": 7}}, {"cpu.max": "max 5000"}) == [("cpu.max", "7 5000")]
    assert unified({"cpu": {"period": 9000}}, {"cpu.max": "7 5000"}) == [("cpu.max", "7 9000")]


def test_idle_cgroup_gets_no_weight():
    assert unified({"cpu": {"idle": 1, "shares": 10}}) == [("cpu.idle", "1")]


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(1, 1), (2, 1), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (300000, 10000)],
)
def test_weight_of_shares(shares, weight):
    assert weight_of_shares(shares) == weight


def test_weight_grows_with_shares():
    weights = [weight_of_shares(shares) for shares in range(2, 262145, 997)]
    assert weights == sorted(weights)


@pytest.mark.parametrize("convert", [legacy, unified])
@pytest.mark.parametrize(
    ("memory", "where"),
    [
        ({"limit": 100, "swap": 50}, "swap"),
        ({"limit": -1, "swap": 50}, "swap"),
        ({"limit": 10, "checkBeforeUpdate": True}, "limit"),
    ],
)
def test_contradicting_memory_limits_are_refused(convert, memory, where):
    used = {"memory.current": "20", "memory.usage_in_bytes": "20"}
    with pytest.raises(CgroupError) as caught:
        convert({"memory": memory}, used)
    assert caught.value.subject == f"/linux/resources/memory/{where}"


def test_swap_without_memory_cannot_be_split_on_v2():
    with pytest.raises(CgroupError, match="memory/limit is needed"):
        unified({"memory": {"swap": 50}})
    assert unified({"memory": {"swap": -1}}) == [("memory.swap.max", "max")]


@pytest.mark.parametrize(
    "resources",
    [
        {"cpu": {"shares": 1}},
        {"cpu": {"shares": 262145}},
        {"memory": {"swappiness": 101}},
        {"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]},
    ],
)
def test_values_that_no_v1_kernel_takes_are_refused(resources):
    with pytest.raises(CgroupError):
        legacy(resources)


def test_unified_map_is_written_as_it_is_and_last():
    assert unified(
        {"pids": {"limit": 4}, "unified": {"pids.max": "9", "io.max": "8:0 rbps=1\n8:16 rbps=2"}}
    ) == [
        ("pids.max", "4"),
        ("pids.max", "9"),
        ("io.max", "8:0 rbps=1"),
        ("io.max", "8:16 rbps=2"),
    ]


@pytest.mark.parametrize("name", ["../x.y", "memory/max", "memory", ".max", "a\0.b", ""])
def test_unified_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(CgroupError, match="CONTROLLER"):
        unified({"unified": {name: "1"}})


# -- writing ---------------------------------------------------------------------------------------


class Kernel:
    """Stands for the memory controller: no memory limit above the one of memory and swap."""

    def __init__(self, monkeypatch, limit, both):
        self.values = {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": both}
        monkeypatch.setattr("pyoci.cgroup.files.write", self.write)

    def write(self, path, value):
        after = {**self.values, path.rpartition("/")[2]: int(value)}
        if after["memory.limit_in_bytes"] > after["memory.memsw.limit_in_bytes"]:
            raise OSError(22, "Invalid argument")
        self.values = after


@pytest.mark.parametrize(("old", "new"), [((10, 20), (100, 200)), ((100, 200), (10, 20))])
def test_memory_and_swap_grow_and_shrink_in_the_order_that_the_kernel_wants(monkeypatch, old, new):
    kernel = Kernel(monkeypatch, *old)
    settings = legacy_settings(
        {"memory": {"limit": new[0], "swap": new[1]}}, lambda controller, file: None
    )
    write_settings(settings, {"memory": "/c"})
    assert tuple(kernel.values.values()) == new


def test_missing_file_is_an_error_unless_the_value_is_the_case_anyway(tmp_path):
    optional = Setting("cpu", "cpu.idle", "0", "/linux/resources/cpu/idle", optional=True)
    write_settings([optional], {"cpu": str(tmp_path)})
    needed = Setting("cpu", "cpu.idle", "1", "/linux/resources/cpu/idle")
    with pytest.raises(CgroupError, match="cpu.idle.*ENOENT") as caught:
        write_settings([needed], {"cpu": str(tmp_path)})
    assert caught.value.subject == "/linux/resources/cpu/idle"
    assert not (tmp_path / "cpu.idle").exists()


def test_error_has_none_of_the_words_that_engines_blame_on_the_command(tmp_path):
    needed = Setting("cpu", "cpu.idle", "1", "/linux/resources/cpu/idle")
    for directory in (str(tmp_path), f"{tmp_path}/gone"):
        with pytest.raises(CgroupError) as caught:
            write_settings([needed], {"cpu": directory})
        assert "no such file" not in str(caught.value).lower()
        assert "permission denied" not in str(caught.value).lower()


def test_missing_controller_is_named():
    needed = Setting("rdma", "rdma.max", "1", "/linux/resources/rdma/x")
    with pytest.raises(CgroupError, match="rdma controller is not available"):
        write_settings([needed], {})


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, []),
        ({"devices": [{"allow": False}]}, []),
        ({"memory": {"limit": 0, "checkBeforeUpdate": True, "disableOOMKiller": False}}, []),
        ({"memory": {"limit": -1}, "cpu": {"shares": 0}, "blockIO": {"weightDevice": []}}, []),
        ({"pids": {"limit": 0}}, ["/linux/resources/pids/limit"]),
        ({"memory": {"limit": 5}}, ["/linux/resources/memory/limit"]),
        ({"memory": {"swappiness": 0}}, ["/linux/resources/memory/swappiness"]),
        ({"unified": {"a/b": "1"}}, ["/linux/resources/unified/a~1b"]),
        (
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]},
            ["/linux/resources/hugepageLimits"],
        ),
    ],
)
def test_wanted_limits(resources, wanted):
    assert wanted_limits(resources) == wanted
