"""``/linux/memoryPolicy`` (config-linux.md, Memory policy; set_mempolicy(2))."""

from __future__ import annotations

from pyoci.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
FLAGS = {
    "MPOL_F_NUMA_BALANCING": 1 << 13,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_STATIC_NODES": 1 << 15,
}
LARGEST_NUMBER = 1 << 14


def parse_list(text: str, pointer: str) -> list[int]:
    """Give the numbers of a list such as ``0-3,7`` (cpuset(7), List format).

    Raises SpecError for anything else; only ASCII digits count.
    """
    numbers: list[int] = []
    for part in filter(None, text.replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        bounds = (first, last if dash else first)
        if not all(bound.isascii() and bound.isdigit() and len(bound) < 6 for bound in bounds):
            raise SpecError(
                f"{pointer}: {text!r} is not a list of numbers",
                subject=pointer,
                hint="write it as 0-3,7",
            )
        low, high = int(bounds[0]), int(bounds[1])
        if low > high or high >= LARGEST_NUMBER:
            raise SpecError(
                f"{pointer}: {part!r} is not a range", subject=pointer, hint="write it as 0-3"
            )
        numbers += range(low, high + 1)
    return numbers


def bit_mask(numbers: list[int]) -> bytes:
    """Give numbers as the kernel's bit mask of native words (little-endian)."""
    mask = 0
    for number in numbers:
        mask |= 1 << number
    size = (mask.bit_length() + 63) // 64 * 8
    return mask.to_bytes(size, "little")


def memory_policy(policy: dict[str, Any]) -> tuple[int, bytes]:
    """Give ``linux.memoryPolicy`` as (mode with flags, node mask).

    Raises SpecError for an unknown mode or flag, or nodes that the mode does not take.
    """
    pointer = "/linux/memoryPolicy"
    if policy["mode"] not in MODES:
        raise SpecError(
            f"{pointer}/mode: unknown mode {policy['mode']!r}",
            subject=f"{pointer}/mode",
            hint=f"one of {', '.join(MODES)}",
        )
    mode = MODES[policy["mode"]]
    for index, flag in enumerate(policy.get("flags") or ()):
        if flag not in FLAGS:
            raise SpecError(
                f"{pointer}/flags/{index}: unknown flag {flag!r}",
                subject=f"{pointer}/flags/{index}",
                hint=f"one of {', '.join(FLAGS)}",
            )
        mode |= FLAGS[flag]
    nodes = parse_list(policy.get("nodes") or "", f"{pointer}/nodes")
    if nodes and policy["mode"] in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        raise SpecError(
            f"{pointer}/nodes: {policy['mode']} takes no nodes",
            subject=f"{pointer}/nodes",
            hint="leave nodes out",
        )
    if not nodes and policy["mode"] not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED"):
        raise SpecError(
            f"{pointer}/nodes: {policy['mode']} needs at least one node",
            subject=f"{pointer}/nodes",
            hint="name nodes as 0-3,7",
        )
    return mode, bit_mask(nodes)
