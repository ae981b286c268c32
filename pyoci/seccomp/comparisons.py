"""Comparisons of 64-bit arguments as tests of 32-bit words, all that classic BPF has.

The words' order in struct seccomp_data is the architecture's. Where arguments are 32 bits only the
lower word counts, of the argument and of the constant (as in libseccomp): -1 is written as
0xffffffffffffffff in profiles that serve both widths.
"""

from __future__ import annotations

from pyoci.seccomp.assemble import JEQ, JGE, JGT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.seccomp.assemble import Assembler, Load, Target
    from pyoci.seccomp.parse import Comparison
    from pyoci.seccomp.tables import Architecture

_WORD = 0xFFFFFFFF
_ARGUMENTS = 16  # offset of args in struct seccomp_data


def compare(
    program: Assembler, comparison: Comparison, architecture: Architecture, yes: Target, no: Target
) -> Target:
    """Add a comparison; gives where it begins."""
    offset = _ARGUMENTS + 8 * comparison.index
    low, high = (offset, offset + 4) if architecture.little_endian else (offset + 4, offset)
    if not architecture.wide:
        high = -1
    value, mask = comparison.value, comparison.mask
    match comparison.operator:
        case "EQ" | "MASKED_EQ":
            return _equal(program, low, high, value, mask, yes, no)
        case "NE":
            return _equal(program, low, high, value, mask, no, yes)
        case "GT":
            return _greater(program, JGT, low, high, value, yes, no)
        case "LE":
            return _greater(program, JGT, low, high, value, no, yes)
        case "GE":
            return _greater(program, JGE, low, high, value, yes, no)
        case _:  # LT
            return _greater(program, JGE, low, high, value, no, yes)


def _equal(
    program: Assembler, low: int, high: int, value: int, mask: int, yes: Target, no: Target
) -> Target:
    label = yes
    if mask & _WORD:
        load: Load = (low, mask & _WORD)
        label = program.test(load, JEQ, value & _WORD, yes, no)
    if high >= 0 and mask >> 32:
        label = program.test((high, mask >> 32), JEQ, value >> 32, label, no)
    return label


def _greater(
    program: Assembler,
    operation: int,
    low: int,
    high: int,
    value: int,
    yes: Target,
    no: Target,
) -> Target:
    """Add ``argument > value`` (JGT) or ``argument >= value`` (JGE)."""
    label = program.test((low, _WORD), operation, value & _WORD, yes, no)
    if high < 0:
        return label
    upper = value >> 32
    label = program.test((high, _WORD), JEQ, upper, label, no)
    return program.test((high, _WORD), JGT, upper, yes, label)
