"""Usage figures read from copies of cgroup files, in the shape that events --stats prints."""

from __future__ import annotations

import pytest

from pyoci.cgroup.figures import CPUSET_FLAGS, numbers_of_list
from pyoci.cgroup.legacy_stats import legacy_stats
from pyoci.cgroup.oom import kill_count
from pyoci.cgroup.unified_stats import unified_stats


def directory(tmp_path, files):
    tmp_path.mkdir(exist_ok=True)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    return str(tmp_path)


def test_v2_figures(tmp_path):
    path = directory(
        tmp_path,
        {
            "cpu.stat": "usage_usec 5\nuser_usec 2\nsystem_usec 3\nnr_periods 4\nnr_throttled 1\n"
            "throttled_usec 9\n",
            "cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=77\n",
            "cpuset.cpus.effective": "0-1,3\n",
            "cpuset.mems.effective": "0\n",
            "memory.stat": "anon 10\nfile 20\n",
            "memory.current": "30\n",
            "memory.max": "100\n",
            "memory.peak": "40\n",
            "memory.events": "low 0\nmax 6\noom_kill 2\n",
            "memory.swap.max": "max\n",
            "memory.swap.current": "7\n",
            "memory.swap.events": "fail 0\n",
            "pids.current": "3\n",
            "pids.max": "max\n",
            "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=0 dbytes=0 dios=0\n",
            "hugetlb.2MB.current": "4\n",
            "hugetlb.2MB.rsvd.current": "0\n",
            "hugetlb.2MB.events": "max 5\n",
        },
    )
    assert unified_stats(path) == {
        "cpu": {
            "usage": {"total": 5000, "kernel": 3000, "user": 2000},
            "throttling": {"periods": 4, "throttledPeriods": 1, "throttledTime": 9000},
            "psi": {"some": {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 77}},
        },
        "cpuset": {"cpus": [0, 1, 3], "mems": [0], **dict.fromkeys(CPUSET_FLAGS, 0)},
        "memory": {
            "cache": 20,
            "usage": {"limit": 100, "usage": 30, "max": 40, "failcnt": 6},
            "swap": {"limit": (1 << 64) - 1, "usage": 37, "failcnt": 0},
            "raw": {"anon": 10, "file": 20},
        },
        "pids": {"current": 3},
        "blkio": {
            "ioServiceBytesRecursive": [
                {"major": 8, "op": "Read", "value": 1},
                {"major": 8, "op": "Write", "value": 2},
                {"major": 8, "op": "Discard"},
            ],
            "ioServicedRecursive": [
                {"major": 8, "op": "Read", "value": 3},
                {"major": 8, "op": "Write"},
                {"major": 8, "op": "Discard"},
            ],
        },
        "hugetlb": {"2MB": {"usage": 4, "failcnt": 5}},
    }


def test_v2_swap_is_memory_and_swap_together(tmp_path):
    path = directory(
        tmp_path,
        {
            "memory.stat": "anon 10\n",
            "memory.current": "30\n",
            "memory.max": "100\n",
            "memory.swap.max": "50\n",
            "memory.swap.current": "7\n",
        },
    )
    assert unified_stats(path)["memory"]["swap"] == {"limit": 150, "usage": 37, "failcnt": 0}


def test_v1_figures(tmp_path):
    cpu = directory(tmp_path / "cpu", {"cpu.stat": "nr_periods 4\nthrottled_time 9\n"})
    account = directory(
        tmp_path / "cpuacct",
        {
            "cpuacct.usage": "500\n",
            "cpuacct.usage_percpu": "200 300\n",
            "cpuacct.usage_all": "cpu user system\n0 1 2\n1 3 4\n",
            "cpuacct.stat": "user 2\nsystem 1\n",
        },
    )
    memory = directory(
        tmp_path / "memory",
        {
            "memory.stat": "cache 8\nrss 9\n",
            "memory.limit_in_bytes": "100\n",
            "memory.usage_in_bytes": "17\n",
            "memory.max_usage_in_bytes": "20\n",
            "memory.failcnt": "1\n",
        },
    )
    blkio = directory(
        tmp_path / "blkio",
        {
            "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 0\nTotal 4096\n",
            "blkio.bfq.io_service_bytes_recursive": "Total 0\n",
            "blkio.bfq.time_recursive": "8:0 12\n",
        },
    )
    pids = directory(tmp_path / "pids", {"pids.current": "2\n", "pids.max": "9\n"})
    stats = legacy_stats(
        {"cpu": cpu, "cpuacct": account, "memory": memory, "blkio": blkio, "pids": pids}
    )
    assert stats["cpu"] == {
        "usage": {
            "total": 500,
            "percpu": [200, 300],
            "percpu_user": [1, 3],
            "percpu_kernel": [2, 4],
            "kernel": 10_000_000,
            "user": 20_000_000,
        },
        "throttling": {"periods": 4, "throttledTime": 9},
    }
    assert stats["memory"] == {
        "cache": 8,
        "usage": {"limit": 100, "usage": 17, "max": 20, "failcnt": 1},
        "raw": {"cache": 8, "rss": 9},
    }
    assert stats["blkio"] == {
        "ioServiceBytesRecursive": [
            {"major": 8, "op": "Read", "value": 4096},
            {"major": 8, "op": "Write"},
        ],
        "ioTimeRecursive": [{"major": 8, "value": 12}],
    }
    assert stats["pids"] == {"current": 2, "limit": 9}
    assert stats["hugetlb"] == {}


def test_v1_cpuset_and_huge_pages(tmp_path):
    cpuset = directory(
        tmp_path / "cpuset",
        {
            "cpuset.cpus": "0-1\n",
            "cpuset.mems": "0\n",
            "cpuset.sched_relax_domain_level": "-1\n",
            "cpuset.sched_load_balance": "1\n",
        },
    )
    hugetlb = directory(
        tmp_path / "hugetlb",
        {
            "hugetlb.2MB.usage_in_bytes": "4\n",
            "hugetlb.2MB.max_usage_in_bytes": "6\n",
            "hugetlb.2MB.failcnt": "0\n",
            "hugetlb.2MB.rsvd.usage_in_bytes": "0\n",
        },
    )
    stats = legacy_stats({"cpuset": cpuset, "hugetlb": hugetlb})
    assert stats["cpuset"]["cpus"] == [0, 1]
    assert stats["cpuset"]["sched_relax_domain_level"] == -1
    assert stats["cpuset"]["sched_load_balance"] == 1
    assert stats["hugetlb"] == {"2MB": {"usage": 4, "max": 6, "failcnt": 0}}


def test_cgroup_without_controllers_has_no_figures(tmp_path):
    stats = unified_stats(str(tmp_path))
    assert stats["memory"] == stats["pids"] == stats["blkio"] == stats["hugetlb"] == {}
    assert legacy_stats({})["cpu"] == {"usage": {}, "throttling": {}}


@pytest.mark.parametrize(
    ("text", "numbers"), [("", []), ("3", [3]), ("0-2,7", [0, 1, 2, 7]), ("\n", [])]
)
def test_list_of_processors(text, numbers):
    assert numbers_of_list(text) == numbers


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_count_of_kills(tmp_path, name):
    (tmp_path / name).write_text("oom_kill_disable 0\noom_kill 4\noom_group_kill 1\n")
    assert kill_count(f"{tmp_path}/{name}") == 4
    assert kill_count(f"{tmp_path}/gone") == 0
