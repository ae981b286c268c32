"""An assembler for classic BPF as seccomp(2) takes it, that works from the end to the beginning.

Classic BPF jumps forwards only, and a conditional jump at most 255 instructions far. Written from
the end, everything an instruction can jump to exists already, so that a jump knows its distance,
and a target that is too far gets its trampoline right there: an unconditional jump, which reaches
any distance.

A place in the program is the number of instructions from it to the end.
"""

from __future__ import annotations

from pyoci.errors import SeccompError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

# include/uapi/linux/bpf_common.h
_LD_W_ABS = 0x20
_ALU_AND_K = 0x54
_JA = 0x05
JEQ = 0x15
JGT = 0x25
JGE = 0x35
_RET_K = 0x06

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
_REACH = 255

Load = tuple[int, int]  # offset in struct seccomp_data, mask
_ALL = 0xFFFFFFFF


class Label:
    """The beginning of a piece of program that starts with a jump.

    ``load`` is what the jump looks at, ``place`` where it is; ``loading`` is the place at which the
    load before it begins, None as long as nobody needed it.
    """

    __slots__ = ("load", "loading", "place")

    def __init__(self, load: Load, place: int) -> None:
        self.load = load
        self.place = place
        self.loading: int | None = None


# Where a jump can go: a label, or an action to return.
Target = Label | int


class Assembler:
    """A program under construction, made of tests that go on to targets made before them."""

    __slots__ = ("_code", "_returns")

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        self._returns: dict[int, int] = {}  # the last place that returns an action

    def test(self, load: Load, operation: int, constant: int, yes: Target, no: Target) -> Target:
        """Compare a word of struct seccomp_data and go on at one of two targets.

        The load itself is added when somebody arrives who has not made it.
        """
        if yes is no or (isinstance(yes, int) and yes == no):
            return yes
        # First all that moves other things away, the loads; then what depends on distances.
        yes_place, no_place = self._entry(yes, load), self._entry(no, load)
        yes_place = self._within_reach(yes_place, room=1)
        no_place = self._within_reach(no_place, room=0)
        here = len(self._code)
        place = self._add(operation, constant, here - yes_place, here - no_place)
        return Label(load, place)

    def start(self, target: Target) -> None:
        """Make a target the beginning of the program."""
        place = self._entry(target, None)
        if place != len(self._code):
            self._add(_JA, len(self._code) - place)

    def encode(self, *, little_endian: bool) -> bytes:
        """Give the array of struct sock_filter.

        Raises SeccompError when it is longer than the kernel takes.
        """
        if len(self._code) > MAX_INSTRUCTIONS:
            raise SeccompError(
                f"/linux/seccomp: the filter has {len(self._code)} instructions, the kernel takes "
                f"{MAX_INSTRUCTIONS}",
                subject="/linux/seccomp",
                hint="list fewer architectures, or compare fewer arguments in syscalls",
            )
        order: Literal["little", "big"] = "little" if little_endian else "big"
        return b"".join(
            code.to_bytes(2, order) + bytes((yes, no)) + constant.to_bytes(4, order)
            for code, constant, yes, no in reversed(self._code)
        )

    def _add(self, code: int, constant: int, yes: int = 0, no: int = 0) -> int:
        self._code.append((code, constant, yes, no))
        return len(self._code)

    def _entry(self, target: Target, have: Load | None) -> int:
        """Give the place at which to enter a target with ``have`` in the accumulator."""
        if isinstance(target, int):
            return self._return(target)
        if target.load == have:
            return target.place
        if target.loading is None:
            if target.place != len(self._code):
                self._add(_JA, len(self._code) - target.place)
            offset, mask = target.load
            if mask != _ALL:
                self._add(_ALU_AND_K, mask)
            target.loading = self._add(_LD_W_ABS, offset)
        return target.loading

    def _return(self, action: int) -> int:
        """Give a place that returns an action; one instruction serves all that can reach it."""
        place = self._returns.get(action)
        # Well within reach, so that what comes next needs no trampoline.
        if place is None or len(self._code) - place > _REACH // 2:
            place = self._returns[action] = self._add(_RET_K, action)
        return place

    def _within_reach(self, place: int, *, room: int) -> int:
        """Give a place that a jump reaches even after ``room`` more instructions."""
        distance = len(self._code) - place
        return place if distance + room <= _REACH else self._add(_JA, distance)
