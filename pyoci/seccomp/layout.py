"""The shape of a filter: architecture, then a binary search for the call, then its arguments.

    load arch
    is it x86_64? ── yes ─▶ load nr ─▶ nr >= 174? ─┬─▶ nr >= 317? ─┬─▶ … ─▶ ALLOW
    is it i386?   ── yes ─▶ load nr ─▶ …           │               └─▶ … ─▶ look at the arguments
    KILL_THREAD                                    └─▶ nr >= 41?  …

The numbers from 0 to 2³²-1 are cut into ranges that are decided alike, and the search is among the
ranges' beginnings: a profile with 400 names has some 60 of them. Calls the profile's author could
not know, x32 calls on x86_64 and the tracer's -1 are ranges like any other.
"""

from __future__ import annotations

from pyoci.seccomp.assemble import JEQ, JGE, Assembler
from pyoci.seccomp.comparisons import compare
from pyoci.seccomp.tables import (
    ACTION_MASK,
    ALLOW,
    ERRNO,
    KILL_THREAD,
    LOG,
    TRACE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.seccomp.assemble import Target
    from pyoci.seccomp.resolve import Alternative, Calls
    from pyoci.seccomp.tables import Architecture

    Verdict = int | list[Alternative]  # an action, or what to look at in which order

_NUMBER = (0, 0xFFFFFFFF)  # offset in struct seccomp_data, mask
_ARCH = (4, 0xFFFFFFFF)
_SKIPPED = 0xFFFFFFFF  # -1: what a tracer sets to skip a call
# What a call gets whose architecture is not listed: as libseccomp, and with it runc and crun.
FOREIGN = KILL_THREAD


class Range:
    """Numbers from ``first`` to the next range's, all decided alike."""

    __slots__ = ("architecture", "first", "verdict")

    def __init__(self, first: int, verdict: Verdict, architecture: Architecture) -> None:
        self.first = first
        self.verdict = verdict
        self.architecture = architecture

    def key(self) -> object:
        """Give what makes two ranges the same to a program."""
        if isinstance(self.verdict, int):
            return self.verdict
        return (
            self.architecture.wide,
            self.architecture.little_endian,
            tuple(alternative.key() for alternative in self.verdict),
        )


def lay_out(default: int, calls: list[Calls]) -> Assembler:
    """Give the program for all architectures; those listed first are looked at first."""
    groups: dict[int, list[Calls]] = {}
    for each in calls:
        groups.setdefault(each.architecture.audit, []).append(each)
    program = Assembler()
    layout = _Layout(program, default)
    label: Target = FOREIGN
    for audit, group in reversed(groups.items()):
        search = layout.search(ranges(default, group))
        label = program.test(_ARCH, JEQ, audit, search, label)
    program.start(label)
    return program


def too_new(default: int, calls: Calls) -> int:
    """Give the action for calls above the newest that the profile names.

    ENOSYS, where the default is to refuse: a C library that tries a newer call falls back to an
    older one on ENOSYS only (as in runc; glibc's clone3 is the well-known case).
    """
    if default & ACTION_MASK in (ALLOW, LOG, TRACE) or calls.newest < 0:
        return default
    return ERRNO | calls.architecture.enosys


def ranges(default: int, group: list[Calls]) -> list[Range]:
    """Cut all numbers of one audit architecture into ranges.

    x86_64 and x32 share an audit architecture; either may be there without the other.
    """
    found: list[Range] = []

    def add(first: int, verdict: Verdict, architecture: Architecture) -> None:
        new = Range(first, verdict, architecture)
        if found and found[-1].first == first:
            found.pop()
        if not found or found[-1].key() != new.key():
            found.append(new)

    background = _background(default, group)
    for index, (first, action, calls) in enumerate(background):
        end = background[index + 1][0] if index + 1 < len(background) else 1 << 32
        add(first, action, calls.architecture)
        for number in sorted(calls.decisions):
            if first <= number < end:
                alternatives = calls.decisions[number]
                alone = alternatives[0].action if not alternatives[0].comparisons else None
                add(number, alternatives if alone is None else alone, calls.architecture)
                if number + 1 < end:
                    add(number + 1, action, calls.architecture)
    return found


def _background(default: int, group: list[Calls]) -> list[tuple[int, int, Calls]]:
    """Give what holds for numbers that no rule names: (first number, action, whose they are)."""
    cuts: list[tuple[int, int, Calls]] = []
    end = 0
    for calls in sorted(group, key=lambda calls: calls.architecture.first):
        architecture = calls.architecture
        if architecture.first > end:
            cuts.append((end, FOREIGN, calls))
        cuts.append((architecture.first, default, calls))
        if calls.newest >= 0:
            cuts.append((calls.newest + 1, too_new(default, calls), calls))
            if architecture.private <= architecture.last:
                cuts.append((architecture.private, default, calls))
        end = architecture.last + 1
    if end < _SKIPPED:
        cuts.append((end, FOREIGN, calls))
    cuts.append((_SKIPPED, default, calls))
    return cuts


class _Layout:
    """The layout of one program, with what its architectures share."""

    __slots__ = ("_blocks", "_default", "_program")

    def __init__(self, program: Assembler, default: int) -> None:
        self._program = program
        self._default = default
        self._blocks: dict[object, Target] = {}

    def search(self, found: list[Range]) -> Target:
        """Add the binary search among ranges."""
        if len(found) == 1:
            return self._verdict(found[0])
        if len(found) == 3 and found[0].key() == found[2].key():
            middle = found[1]
            if found[2].first - middle.first == 1:
                # One number that is unlike its neighbours: one comparison instead of two.
                yes, no = self._verdict(middle), self._verdict(found[0])
                return self._program.test(_NUMBER, JEQ, middle.first, yes, no)
        half = len(found) // 2
        below = self.search(found[:half])
        above = self.search(found[half:])
        return self._program.test(_NUMBER, JGE, found[half].first, above, below)

    def _verdict(self, found: Range) -> Target:
        if isinstance(found.verdict, int):
            return found.verdict
        key = found.key()
        label = self._blocks.get(key)
        if label is None:
            label = self._default
            for alternative in reversed(found.verdict):
                label = self._alternative(alternative, found.architecture, label)
            self._blocks[key] = label
        return label

    def _alternative(
        self, alternative: Alternative, architecture: Architecture, otherwise: Target
    ) -> Target:
        label: Target = alternative.action
        for comparison in reversed(alternative.comparisons):
            label = compare(self._program, comparison, architecture, label, otherwise)
        return label
