"""The words and numbers: complete by the specification, and the same as libseccomp's."""

from __future__ import annotations

import libseccomp_oracle
import pytest

from pyoci.seccomp.multiplexed import MULTIPLEXED
from pyoci.seccomp.resolve import syscall_numbers
from pyoci.seccomp.tables import (
    ACTIONS,
    ARCHITECTURES,
    OPERATORS,
    SEVERITY,
    action_name,
    native_architecture,
)

# config-linux.md, Seccomp.
SPECIFIED_ACTIONS = "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY"
SPECIFIED_OPERATORS = "NE LT LE EQ GE GT MASKED_EQ"
SPECIFIED_ARCHITECTURES = """
    X86 X86_64 X32 ARM AARCH64 LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32
    PARISC PARISC64 PPC PPC64 PPC64LE RISCV64 S390 S390X SH SHEB
"""

needs_libseccomp = pytest.mark.skipif(
    not libseccomp_oracle.available(), reason="libseccomp is missing: apt-get install libseccomp2"
)


def test_all_words_of_the_specification_are_known() -> None:
    assert set(ACTIONS) == {f"SCMP_ACT_{name}" for name in SPECIFIED_ACTIONS.split()}
    assert set(OPERATORS) == {f"SCMP_CMP_{name}" for name in SPECIFIED_OPERATORS.split()}
    assert set(ARCHITECTURES) == {f"SCMP_ARCH_{name}" for name in SPECIFIED_ARCHITECTURES.split()}


def test_actions_are_libseccomps_numbers_and_all_have_a_severity() -> None:
    assert ACTIONS == libseccomp_oracle.ACTIONS
    assert set(SEVERITY) == set(ACTIONS.values())


@needs_libseccomp
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_system_calls_have_libseccomps_numbers(architecture: str) -> None:
    if not libseccomp_oracle.knows(architecture):
        pytest.skip("this libseccomp does not know the architecture")
    compared = 0
    for name, number in syscall_numbers(ARCHITECTURES[architecture]).items():
        theirs = libseccomp_oracle.number(architecture, name)
        # Negative: newer than the library, or multiplexed in its view.
        assert theirs < 0 or theirs == number, name
        compared += theirs >= 0
    assert compared > 280


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_tables_agree_on_which_architectures_multiplex(architecture: str) -> None:
    table = ARCHITECTURES[architecture]
    numbers = syscall_numbers(table)
    assert ("socketcall" in numbers and "ipc" in numbers) is table.multiplexed
    assert {multiplexer for multiplexer, _, _ in MULTIPLEXED.values()} == {"socketcall", "ipc"}


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_numbers_are_inside_the_architectures_own_range(architecture: str) -> None:
    table = ARCHITECTURES[architecture]
    numbers = syscall_numbers(table)
    assert len(numbers) > 300
    assert len(set(numbers.values())) >= len(numbers) - 1  # an alias on ARM
    assert all(table.first <= number <= table.last for number in numbers.values())


@pytest.mark.parametrize(
    ("machine", "little", "name"),
    [
        ("x86_64", True, "X86_64"),
        ("i686", True, "X86"),
        ("aarch64", True, "AARCH64"),
        ("armv7l", True, "ARM"),
        ("armv6l", True, "ARM"),
        ("riscv64", True, "RISCV64"),
        ("loongarch64", True, "LOONGARCH64"),
        ("ppc64le", True, "PPC64LE"),
        ("ppc64", False, "PPC64"),
        ("s390x", False, "S390X"),
        ("mips", False, "MIPS"),
        ("mips", True, "MIPSEL"),
        ("mips64", False, "MIPS64"),
        ("mips64", True, "MIPSEL64"),
        ("sh4a", True, "SH"),
        ("sh4", False, "SHEB"),
        ("parisc64", False, "PARISC64"),
        ("m68k", False, "M68K"),
    ],
)
def test_a_machine_is_found_by_its_uname(machine: str, little: bool, name: str) -> None:
    found = native_architecture(machine, little_endian=little)
    assert found is ARCHITECTURES[f"SCMP_ARCH_{name}"]
    assert found.little_endian is little


@pytest.mark.parametrize(
    ("machine", "wide", "name"),
    [
        ("i686", True, "X86_64"),
        ("i686", False, "X86"),
        ("x86_64", False, "X86"),
        ("armv8l", True, "AARCH64"),
        ("aarch64", False, "ARM"),
        ("riscv64", True, "RISCV64"),
        ("sh4", False, "SH"),
    ],
)
def test_a_process_of_the_other_width_than_uname_says_is_of_its_own_architecture(
    machine: str, wide: bool, name: str
) -> None:
    assert native_architecture(machine, wide=wide) is ARCHITECTURES[f"SCMP_ARCH_{name}"]


@pytest.mark.parametrize("machine", ["vax", "", "armv7b", "x86"])
def test_an_unsupported_machine_is_not_found(machine: str) -> None:
    assert native_architecture(machine) is None


def test_an_action_is_shown_in_the_profiles_words() -> None:
    assert action_name(0x50026) == "SCMP_ACT_ERRNO(38)"
    assert action_name(0) == "SCMP_ACT_KILL_THREAD"
    assert action_name(0x80000000) == "SCMP_ACT_KILL_PROCESS"
    assert action_name(0x7FFF0000) == "SCMP_ACT_ALLOW"
