"""Device rules as a BPF program for cgroup v2 (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE).

The kernel runs the program on every open and mknod of a device in the cgroup, with the type, the
numbers and the accesses wanted, all of which have to be allowed. The rules are tried from the last
to the first: an allowing one takes its letters off those that are still wanted, and allows when
none is left; a denying one denies if any of its letters is still wanted. So the last rule that
matches decides, for each letter by itself, as the specification has it, and any list has a program.

Registers: r2 the type, r3 the accesses still wanted, r4 major, r5 minor, r0 the answer.
"""

from __future__ import annotations

import sys

from pyoci.cgroup.devices import ANY, rule_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# include/uapi/linux/bpf.h: struct bpf_cgroup_dev_ctx, BPF_DEVCG_*.
TYPES = {"b": 1, "c": 2}
ACCESS = {"m": 1, "r": 2, "w": 4}
EVERY_ACCESS = 7
ACCESS_TYPE, MAJOR, MINOR = 0, 4, 8

# linux/bpf_common.h and bpf.h: the few instructions that are needed, all on 32 bits.
LOAD = 0x61  # dst = *(u32 *)(src + offset)
MOVE = 0xBC  # dst = src
SET = 0xB4  # dst = immediate
AND = 0x54
SHIFT_RIGHT = 0x74
JUMP = 0x05
JUMP_UNEQUAL = 0x56  # if dst != immediate
JUMP_ANY_BIT = 0x46  # if dst & immediate
EXIT = 0x95

INSTRUCTION_SIZE = 8

if TYPE_CHECKING:
    Instruction = tuple[int, int, int, int, int]  # operation, dst, src, offset, immediate


def compile_rules(rules: list[dict[str, Any]], byteorder: str = sys.byteorder) -> bytes:
    """Compile an ordered list; empty when everything is allowed and no program is needed.

    ``byteorder`` is that of the kernel. Raises CgroupError for a rule that is not valid.
    """
    fields = [rule_fields(rule, index) for index, rule in enumerate(rules)]
    code: list[Instruction] = [
        (LOAD, 2, 1, ACCESS_TYPE, 0),
        (MOVE, 3, 2, 0, 0),
        (AND, 2, 0, 0, 0xFFFF),
        (SHIFT_RIGHT, 3, 0, 0, 16),
        (LOAD, 4, 1, MAJOR, 0),
        (LOAD, 5, 1, MINOR, 0),
    ]
    denies = False
    for allow, kinds, (_, major, minor), letters in reversed(fields):
        access = sum(ACCESS[letter] for letter in set(letters))
        if not access:
            continue
        denies = denies or not allow
        conditions: list[tuple[int, int]] = []
        if len(kinds) == 1:
            conditions.append((2, TYPES[kinds[0]]))
        if major is not ANY:
            conditions.append((4, major))
        if minor is not ANY:
            conditions.append((5, minor))
        code += _rule(conditions, _answer(allow, access))
        if not conditions and access == EVERY_ACCESS:
            # Nothing before this rule is ever reached, and the verifier refuses dead code.
            return encode(code, byteorder) if denies else b""
    return encode([*code, (SET, 0, 0, 0, 0), (EXIT, 0, 0, 0, 0)], byteorder)


def _rule(conditions: list[tuple[int, int]], answer: list[Instruction]) -> list[Instruction]:
    """Skip the answer unless all (register, value) conditions hold."""
    code: list[Instruction] = []
    for index, (register, value) in enumerate(conditions):
        offset = len(conditions) - index - 1 + len(answer)
        code.append((JUMP_UNEQUAL, register, 0, offset, value))
    return code + answer


def _answer(allow: bool, access: int) -> list[Instruction]:
    """Decide about the accesses of a rule that matches; goes on after it when it cannot yet."""
    end: list[Instruction] = [(SET, 0, 0, 0, int(allow)), (EXIT, 0, 0, 0, 0)]
    if access == EVERY_ACCESS:
        return end
    if allow:
        return [
            (AND, 3, 0, 0, EVERY_ACCESS & ~access),
            (JUMP_UNEQUAL, 3, 0, len(end), 0),
            *end,
        ]
    return [(JUMP_ANY_BIT, 3, 0, 1, access), (JUMP, 0, 0, len(end), 0), *end]


def encode(code: list[Instruction], byteorder: str) -> bytes:
    """Lay instructions out as struct bpf_insn, whose register nibbles follow the byte order."""
    order: Any = byteorder
    data = bytearray()
    for operation, destination, source, offset, immediate in code:
        registers = destination | source << 4
        if byteorder == "big":
            registers = source | destination << 4
        data += bytes((operation, registers))
        data += (offset & 0xFFFF).to_bytes(2, order)
        data += (immediate & 0xFFFFFFFF).to_bytes(4, order)
    return bytes(data)
