"""Usage figures of a v2 cgroup, as ``events --stats`` prints them (admin-guide/cgroup-v2)."""

from __future__ import annotations

from pyoci.cgroup.figures import (
    CPUSET_FLAGS,
    UNLIMITED,
    number,
    numbers_of_list,
    page_sizes,
    pressure,
    table,
    without_zeros,
)
from pyoci.cgroup.files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NANOSECONDS = 1000  # in a microsecond, the unit of cpu.stat
IO_WORDS = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "dbytes": ("ioServiceBytesRecursive", "Discard"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
    "dios": ("ioServicedRecursive", "Discard"),
}


def unified_stats(directory: str) -> dict[str, Any]:
    """Read everything; times in nanoseconds, sizes in bytes."""
    return {
        "cpu": _cpu(directory),
        "cpuset": {
            **without_zeros(
                {
                    name: numbers_of_list(read(f"{directory}/cpuset.{name}.effective") or "")
                    for name in ("cpus", "mems")
                }
            ),
            **dict.fromkeys(CPUSET_FLAGS, 0),
        },
        "memory": _memory(directory),
        "pids": _pids(directory),
        "blkio": _block_io(directory),
        "hugetlb": _hugepages(directory),
    }


def _cpu(directory: str) -> dict[str, Any]:
    figures = table(f"{directory}/cpu.stat")
    usage = without_zeros({"total": figures.get("usage_usec", 0) * NANOSECONDS})
    usage["kernel"] = figures.get("system_usec", 0) * NANOSECONDS
    usage["user"] = figures.get("user_usec", 0) * NANOSECONDS
    return {
        "usage": usage,
        "throttling": without_zeros(
            {
                "periods": figures.get("nr_periods", 0),
                "throttledPeriods": figures.get("nr_throttled", 0),
                "throttledTime": figures.get("throttled_usec", 0) * NANOSECONDS,
            }
        ),
        **_psi(directory, "cpu"),
    }


def _memory(directory: str) -> dict[str, Any]:
    raw = table(f"{directory}/memory.stat")
    if not raw:
        return {}
    usage, limit = number(f"{directory}/memory.current"), number(f"{directory}/memory.max")
    memory = without_zeros({"cache": raw.get("file", 0)})
    memory["usage"] = {
        "limit": limit,
        **without_zeros({"usage": usage, "max": number(f"{directory}/memory.peak")}),
        "failcnt": table(f"{directory}/memory.events").get("max", 0),
    }
    if read(f"{directory}/memory.swap.max") is not None:
        # As on v1 the figures of swap are those of memory and swap together.
        swap_limit = number(f"{directory}/memory.swap.max")
        memory["swap"] = {
            "limit": min(UNLIMITED, swap_limit + limit),
            **without_zeros({"usage": usage + number(f"{directory}/memory.swap.current")}),
            "failcnt": table(f"{directory}/memory.swap.events").get("fail", 0),
        }
    memory["raw"] = raw
    return {**memory, **_psi(directory, "memory")}


def _pids(directory: str) -> dict[str, int]:
    limit = number(f"{directory}/pids.max")
    return without_zeros(
        {
            "current": number(f"{directory}/pids.current"),
            "limit": 0 if limit == UNLIMITED else limit,
        }
    )


def _block_io(directory: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for line in (read(f"{directory}/io.stat") or "").splitlines():
        device, *words = line.split()
        major, colon, minor = device.partition(":")
        if not colon:
            continue
        for word in words:
            name, _, value = word.partition("=")
            if name not in IO_WORDS or not value.isdigit():
                continue
            key, operation = IO_WORDS[name]
            entry = {"major": int(major), "minor": int(minor), "op": operation}
            figures.setdefault(key, []).append(without_zeros({**entry, "value": int(value)}))
    return {**figures, **_psi(directory, "io")}


def _hugepages(directory: str) -> dict[str, Any]:
    return {
        size: {
            **without_zeros({"usage": number(f"{directory}/hugetlb.{size}.current")}),
            "failcnt": table(f"{directory}/hugetlb.{size}.events").get("max", 0),
        }
        for size in page_sizes(directory, "current")
    }


def _psi(directory: str, what: str) -> dict[str, Any]:
    figures = pressure(f"{directory}/{what}.pressure")
    return {"psi": figures} if figures else {}
