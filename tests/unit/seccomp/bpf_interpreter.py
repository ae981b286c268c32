"""A classic BPF machine as the kernel's seccomp has it, with the kernel's checks of a program.

Written from Documentation/networking/filter.rst and seccomp_check_filter() in kernel/seccomp.c,
independently of the compiler: it shares no table with it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

LD_W_ABS = 0x20
AND_K = 0x54
JA, JEQ, JGT, JGE, JSET = 0x05, 0x15, 0x25, 0x35, 0x45
RET_K = 0x06
JUMPS = (JEQ, JGT, JGE, JSET)


class InvalidProgramError(Exception):
    """The kernel would refuse the program with EINVAL."""


class Filter:
    """A program, checked, that judges calls."""

    def __init__(self, program: bytes, byteorder: str = "<") -> None:
        if len(program) % 8 or not program:
            raise InvalidProgramError(f"length {len(program)}")
        self.instructions = [
            struct.unpack_from(byteorder + "HBBI", program, offset)
            for offset in range(0, len(program), 8)
        ]
        self.steps = 0
        self._check()

    def __len__(self) -> int:
        return len(self.instructions)

    def _check(self) -> None:
        size = len(self.instructions)
        if size > 4096:
            raise InvalidProgramError(f"{size} instructions")
        for place, (code, yes, no, constant) in enumerate(self.instructions):
            if code == LD_W_ABS:
                if constant % 4 or constant >= 64:
                    raise InvalidProgramError(f"{place}: load of {constant}")
            elif code == JA:
                if place + 1 + constant >= size:
                    raise InvalidProgramError(f"{place}: jump out of the program")
            elif code in JUMPS:
                if place + 1 + max(yes, no) >= size:
                    raise InvalidProgramError(f"{place}: jump out of the program")
            elif code not in (AND_K, RET_K):
                raise InvalidProgramError(f"{place}: code {code:#x}")
        if self.instructions[-1][0] != RET_K:
            raise InvalidProgramError("does not end with a return")

    def unreachable(self) -> list[int]:
        """Give the places no call can come to."""
        seen = set()
        todo = [0]
        while todo:
            place = todo.pop()
            if place in seen:
                continue
            seen.add(place)
            code, yes, no, constant = self.instructions[place]
            if code == RET_K:
                continue
            if code == JA:
                todo.append(place + 1 + constant)
            elif code in JUMPS:
                todo += (place + 1 + yes, place + 1 + no)
            else:
                todo.append(place + 1)
        return sorted(set(range(len(self.instructions))) - seen)

    def judge(
        self, number: int, audit: int, args: Sequence[int] = (), *, big_endian: bool = False
    ) -> int:
        """Give the SECCOMP_RET_ value for a call; counts the instructions in ``steps``."""
        order = ">" if big_endian else "<"
        six = (*args, 0, 0, 0, 0, 0, 0)[:6]
        data = struct.pack(order + "IIQ6Q", number, audit, 0x7F0012345678, *six)
        accumulator = 0
        place = 0
        while True:
            code, yes, no, constant = self.instructions[place]
            self.steps += 1
            place += 1
            if code == LD_W_ABS:
                accumulator = struct.unpack_from(order + "I", data, constant)[0]
            elif code == AND_K:
                accumulator &= constant
            elif code == RET_K:
                return constant
            elif code == JA:
                place += constant
            else:
                holds = {
                    JEQ: accumulator == constant,
                    JGT: accumulator > constant,
                    JGE: accumulator >= constant,
                    JSET: bool(accumulator & constant),
                }[code]
                place += yes if holds else no
