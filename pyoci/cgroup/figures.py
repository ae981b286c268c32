"""Reading usage figures out of cgroup files, and the shape that ``events --stats`` gives them.

That shape is runc's: a property that is zero is left out, except where runc always writes it. A
figure that the kernel does not have, because its controller is missing, is zero.
"""

from __future__ import annotations

import os

from pyoci.cgroup.files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNLIMITED = (1 << 64) - 1

# Properties of a v1 cpuset that runc writes also where they do not exist.
CPUSET_FLAGS = (
    "cpu_exclusive",
    "mem_hardwall",
    "mem_exclusive",
    "memory_migrate",
    "memory_spread_page",
    "memory_spread_slab",
    "memory_pressure",
    "sched_load_balance",
    "sched_relax_domain_level",
)


def number(path: str) -> int:
    """Read a file with one number; ``max`` is 2**64-1."""
    text = read(path) or ""
    if text == "max":
        return UNLIMITED
    return int(text) if text.lstrip("-").isdigit() else 0


def table(path: str) -> dict[str, int]:
    """Read a file with lines of a name and a number."""
    figures: dict[str, int] = {}
    for line in (read(path) or "").splitlines():
        name, _, value = line.partition(" ")
        if value.isdigit():
            figures[name] = int(value)
    return figures


def numbers_of_list(text: str) -> list[int]:
    """Take a list of processors or memory nodes apart: ``0-2,5`` (cpuset(7), "List format")."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            numbers += range(int(first), int(last if last.isdigit() else first) + 1)
    return numbers


def pressure(path: str) -> dict[str, dict[str, float]]:
    """Read a pressure file (PSI): ``some avg10=0.00 avg60=0.00 avg300=0.00 total=0``."""
    result: dict[str, dict[str, float]] = {}
    for line in (read(path) or "").splitlines():
        kind, *words = line.split()
        figures: dict[str, float] = {}
        for word in words:
            name, _, value = word.partition("=")
            figures[name] = int(value) if name == "total" else float(value)
        result[kind] = figures
    return result


def page_sizes(directory: str, suffix: str) -> list[str]:
    """List the huge page sizes that a cgroup has files for, such as ``2MB``."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    start, end = "hugetlb.", f".{suffix}"
    sizes = [
        name[len(start) : -len(end)]
        for name in names
        if name.startswith(start) and name.endswith(end)
    ]
    return sorted(size for size in sizes if "." not in size)


def without_zeros(figures: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is zero or empty."""
    return {name: value for name, value in figures.items() if value}
