"""Usage figures of a v1 cgroup, as ``events --stats`` prints them (admin-guide/cgroup-v1)."""

from __future__ import annotations

import os

from pyoci.cgroup.figures import (
    CPUSET_FLAGS,
    number,
    numbers_of_list,
    page_sizes,
    table,
    without_zeros,
)
from pyoci.cgroup.files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEMORY_PARTS = (
    ("usage", "memory"),
    ("swap", "memory.memsw"),
    ("kernel", "memory.kmem"),
    ("kernelTCP", "memory.kmem.tcp"),
)
# property of the output -> file of BFQ, and of throttling, which every kernel has.
BLOCK_IO = (
    ("ioServiceBytesRecursive", "io_service_bytes_recursive"),
    ("ioServicedRecursive", "io_serviced_recursive"),
    ("ioQueueRecursive", "io_queued_recursive"),
    ("ioServiceTimeRecursive", "io_service_time_recursive"),
    ("ioWaitTimeRecursive", "io_wait_time_recursive"),
    ("ioMergedRecursive", "io_merged_recursive"),
    ("ioTimeRecursive", "time_recursive"),
    ("sectorsRecursive", "sectors_recursive"),
)


def legacy_stats(directories: dict[str, str]) -> dict[str, Any]:
    """Read everything; times in nanoseconds, sizes in bytes."""
    stats: dict[str, Any] = {"cpu": _cpu(directories), "cpuset": {}, "memory": {}, "pids": {}}
    if "cpuset" in directories:
        stats["cpuset"] = _cpuset(directories["cpuset"])
    if "memory" in directories:
        stats["memory"] = _memory(directories["memory"])
    if "pids" in directories:
        limit = read(f"{directories['pids']}/pids.max")
        stats["pids"] = without_zeros(
            {
                "current": number(f"{directories['pids']}/pids.current"),
                "limit": 0 if limit == "max" else int(limit or 0),
            }
        )
    stats["blkio"] = _block_io(directories["blkio"]) if "blkio" in directories else {}
    stats["hugetlb"] = _hugepages(directories["hugetlb"]) if "hugetlb" in directories else {}
    return stats


def _cpu(directories: dict[str, str]) -> dict[str, Any]:
    usage: dict[str, Any] = {}
    account = directories.get("cpuacct")
    if account is not None:
        tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        ticks = table(f"{account}/cpuacct.stat")
        each = [line.split() for line in (read(f"{account}/cpuacct.usage_all") or "").splitlines()]
        columns = [[int(row[column]) for row in each[1:]] for column in (1, 2)]
        usage = without_zeros(
            {
                "total": number(f"{account}/cpuacct.usage"),
                "percpu": [
                    int(word) for word in (read(f"{account}/cpuacct.usage_percpu") or "").split()
                ],
                "percpu_kernel": columns[1],
                "percpu_user": columns[0],
            }
        )
        usage["kernel"] = ticks.get("system", 0) * tick
        usage["user"] = ticks.get("user", 0) * tick
    throttling = {}
    if "cpu" in directories:
        figures = table(f"{directories['cpu']}/cpu.stat")
        throttling = without_zeros(
            {
                "periods": figures.get("nr_periods", 0),
                "throttledPeriods": figures.get("nr_throttled", 0),
                "throttledTime": figures.get("throttled_time", 0),
            }
        )
    return {"usage": usage, "throttling": throttling}


def _cpuset(directory: str) -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: numbers_of_list(read(f"{directory}/cpuset.{name}") or "") for name in ("cpus", "mems")
    }
    for name in CPUSET_FLAGS:
        figures[name] = number(f"{directory}/cpuset.{name}")
    return figures


def _memory(directory: str) -> dict[str, Any]:
    raw = table(f"{directory}/memory.stat")
    memory: dict[str, Any] = without_zeros({"cache": raw.get("cache", 0)})
    for name, start in MEMORY_PARTS:
        if read(f"{directory}/{start}.limit_in_bytes") is None:
            continue
        memory[name] = {
            "limit": number(f"{directory}/{start}.limit_in_bytes"),
            **without_zeros(
                {
                    "usage": number(f"{directory}/{start}.usage_in_bytes"),
                    "max": number(f"{directory}/{start}.max_usage_in_bytes"),
                }
            ),
            "failcnt": number(f"{directory}/{start}.failcnt"),
        }
    memory["raw"] = raw
    return memory


def _block_io(directory: str) -> dict[str, Any]:
    figures = {}
    for name, file in BLOCK_IO:
        entries = _devices(f"{directory}/blkio.bfq.{file}")
        figures[name] = entries or _devices(f"{directory}/blkio.throttle.{file}")
    return without_zeros(figures)


def _devices(path: str) -> list[dict[str, Any]]:
    """Take lines such as ``8:0 Read 4096`` or ``8:0 12`` apart; the ``Total`` line is left out."""
    entries = []
    for line in (read(path) or "").splitlines():
        device, *words = line.split()
        major, colon, minor = device.partition(":")
        if not colon or not words or not words[-1].isdigit():
            continue
        entry = {"major": int(major), "minor": int(minor), "value": int(words[-1])}
        operation = {"op": words[0]} if len(words) == 2 else {}
        entries.append(without_zeros({**entry, **operation}))
    return entries


def _hugepages(directory: str) -> dict[str, Any]:
    return {
        size: {
            **without_zeros(
                {
                    "usage": number(f"{directory}/hugetlb.{size}.usage_in_bytes"),
                    "max": number(f"{directory}/hugetlb.{size}.max_usage_in_bytes"),
                }
            ),
            "failcnt": number(f"{directory}/hugetlb.{size}.failcnt"),
        }
        for size in page_sizes(directory, "usage_in_bytes")
    }
