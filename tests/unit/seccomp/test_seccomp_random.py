"""Random profiles whose rules contradict each other: the program is what a plain reading says."""

from __future__ import annotations

import random

import plain_reading
import pytest
import random_profiles
from bpf_interpreter import Filter

from pyoci.seccomp.compile import compile_profile
from pyoci.seccomp.explain import judge
from pyoci.seccomp.resolve import syscall_numbers
from pyoci.seccomp.tables import ARCHITECTURES, action_name

# One of each width and byte order that has no multiplexed calls.
PLAIN = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_LOONGARCH64": "loongarch64",
    "SCMP_ARCH_RISCV64": "riscv64",
    "SCMP_ARCH_MIPS64": "mips64",
    "SCMP_ARCH_PARISC": "parisc",
    "SCMP_ARCH_PARISC64": "parisc64",
}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("architecture", sorted(PLAIN))
def test_contradicting_rules_are_decided_as_documented(architecture: str, seed: int) -> None:
    source = random.Random(f"{architecture} {seed}")
    table = ARCHITECTURES[architecture]
    numbers = syscall_numbers(table)
    profile = random_profiles.profile(
        source,
        sorted(numbers),
        [],
        actions_per_name=3,
        most_comparisons=3,
        most_alternatives=5,
    )
    # The fields of a call have the machine's byte order, and the program's instructions too.
    big = not table.little_endian
    code = compile_profile(profile, PLAIN[architecture], little_endian=table.little_endian).code
    program = Filter(code, ">" if big else "<")
    width = 64 if table.wide else 32
    last = 0x3FFFFFFF if architecture == "SCMP_ARCH_X86_64" else 0xFFFFFFFF
    for number, args in random_profiles.calls(source, profile, numbers, 200):
        if last < number < 0xFFFFFFFF:
            continue
        if width == 32:
            args = [argument & 0xFFFFFFFF for argument in args]
        expected = plain_reading.read(
            profile, numbers, number, args, width=width, enosys=table.enosys
        )
        judged = program.judge(number, table.audit, args, big_endian=big)
        assert judged == expected, (number, [hex(argument) for argument in args])


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_explanation_names_the_action_that_the_program_takes(architecture: str) -> None:
    table = ARCHITECTURES[architecture]
    numbers = syscall_numbers(table)
    for seed in range(3):
        source = random.Random(f"explain {architecture} {seed}")
        profile = random_profiles.profile(
            source, sorted(numbers), [architecture], actions_per_name=2, most_alternatives=4
        )
        program = Filter(compile_profile(profile, "x86_64", little_endian=True).code)
        for number, args in random_profiles.calls(source, profile, numbers, 40):
            at = architecture
            if table.audit == 0xC000003E and number != 0xFFFFFFFF:
                at = "SCMP_ARCH_X32" if number >= 0x40000000 else "SCMP_ARCH_X86_64"
            taken = program.judge(number, table.audit, args, big_endian=not table.little_endian)
            judgement = judge(profile, "x86_64", number, args, at)
            assert judgement.action == action_name(taken), (number, args, judgement)


def test_no_instruction_is_out_of_reach_of_every_call() -> None:
    names = sorted(syscall_numbers(ARCHITECTURES["SCMP_ARCH_X86_64"]))
    for seed in range(30):
        source = random.Random(f"reach {seed}")
        profile = random_profiles.profile(source, names, [])
        for rule in profile["syscalls"]:
            # Comparisons that always hold leave later rules without any call.
            for compared in rule["args"]:
                compared.update(op="SCMP_CMP_EQ")
        assert Filter(compile_profile(profile, "x86_64").code).unreachable() == []
