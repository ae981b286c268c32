"""What a profile makes of one system call, and which of its rules says so.

The answer is worked out from the rules, not from the compiled program: the tests hold the program
to it.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from pyoci.errors import SeccompError
from pyoci.seccomp.compile import filtered_architectures
from pyoci.seccomp.layout import FOREIGN, too_new
from pyoci.seccomp.parse import POINTER, parse_profile
from pyoci.seccomp.resolve import resolve, syscall_numbers
from pyoci.seccomp.tables import ARCHITECTURES, action_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyoci.seccomp.parse import Comparison
    from pyoci.seccomp.resolve import Calls
    from pyoci.seccomp.tables import Architecture

_WORD = 0xFFFFFFFF
_U64 = (1 << 64) - 1
_SKIPPED = 0xFFFFFFFF


class Judgement(NamedTuple):
    """The fate of a call: its action in the profile's words, the JSON pointer that says so, why."""

    action: str
    pointer: str
    reason: str


def judge(
    profile: dict[str, Any],
    native: str,
    syscall: str | int,
    args: Sequence[int] = (),
    arch: str | None = None,
) -> Judgement:
    """Say what a profile makes of a system call, by its name or number, with its first arguments.

    ``native`` is the machine as uname(2) calls it; ``arch`` a SCMP_ARCH_ name, the machine's own if
    not given; arguments not given are 0. Raises SeccompError when the profile is wrong, or when
    there is no such architecture or system call.
    """
    parsed = parse_profile(profile)
    listed = filtered_architectures(parsed, native, little_endian=sys.byteorder == "little")
    architecture = _architecture(arch) if arch is not None else listed[0]
    number = _number(syscall, architecture)
    if number == _SKIPPED and any(each.audit == architecture.audit for each in listed):
        return _by_default(parsed.default, "-1 is what a tracer sets to skip a call")
    if architecture not in listed:
        return Judgement(
            action_name(FOREIGN),
            f"{POINTER}/architectures",
            f"{architecture.name} is not one of the filter's architectures",
        )
    calls = resolve(parsed, architecture)
    for alternative in calls.decisions.get(number, ()):
        if all(_holds(each, args, architecture) for each in alternative.comparisons):
            name = action_name(alternative.action)
            return Judgement(name, alternative.pointer, _why(alternative.comparisons))
    if _is_too_new(number, calls):
        action = too_new(parsed.default, calls)
        if action != parsed.default:
            return Judgement(
                action_name(action),
                f"{POINTER}/syscalls",
                f"newer than all that the profile names: number {number}, the newest named is "
                f"{calls.newest}",
            )
    if calls.decisions.get(number):
        return _by_default(parsed.default, "no rule's comparisons hold")
    return _by_default(parsed.default, "no rule names it")


def _by_default(default: int, reason: str) -> Judgement:
    return Judgement(action_name(default), f"{POINTER}/defaultAction", reason)


def _why(comparisons: tuple[Comparison, ...]) -> str:
    return "its comparisons hold" if comparisons else "it names the call"


def _architecture(name: str) -> Architecture:
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        raise SeccompError(
            f"the architecture {name!r} is unknown", hint=f"use one of {', '.join(ARCHITECTURES)}"
        )
    return architecture


def _number(syscall: str | int, architecture: Architecture) -> int:
    if isinstance(syscall, int):
        return syscall & _WORD
    number = syscall_numbers(architecture).get(syscall)
    if number is None:
        raise SeccompError(
            f"{architecture.name} has no system call {syscall!r}",
            hint="give a name as in the kernel's tables, or a number",
        )
    return number


def _is_too_new(number: int, calls: Calls) -> bool:
    return calls.newest < number < calls.architecture.private


def _holds(comparison: Comparison, args: Sequence[int], architecture: Architecture) -> bool:
    width = _U64 if architecture.wide else _WORD
    argument = args[comparison.index] & width if comparison.index < len(args) else 0
    value = comparison.value & width
    match comparison.operator:
        case "NE":
            return argument != value
        case "LT":
            return argument < value
        case "LE":
            return argument <= value
        case "GE":
            return argument >= value
        case "GT":
            return argument > value
        case _:  # EQ and MASKED_EQ
            return argument & comparison.mask & width == value
