"""What a filter does to a call: one claim of the compiler each."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from bpf_interpreter import Filter

from pyoci.errors import SeccompError
from pyoci.seccomp.compile import compile_profile

X86_64, X86, ARM, AARCH64, S390X, MIPSEL64 = (
    0xC000003E,
    0x40000003,
    0x40000028,
    0xC00000B7,
    0x80000016,
    0xC0000008,
)
ALLOW, LOG, KILL_PROCESS, KILL_THREAD, TRAP = 0x7FFF0000, 0x7FFC0000, 0x80000000, 0, 0x30000
NOTIFY, TRACE, ERRNO = 0x7FC00000, 0x7FF00000, 0x50000
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
# The test's own numbers of x86_64.
READ, SOCKET, CLONE, OPENAT2, STATX = 0, 41, 56, 437, 332


def rule(*names: str, action: str = "ALLOW", **members: Any) -> dict[str, Any]:
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **members}


def arg(index: int, op: str, value: int, two: int | None = None) -> dict[str, Any]:
    found = {"index": index, "op": f"SCMP_CMP_{op}", "value": value}
    return found if two is None else {**found, "valueTwo": two}


def profile(*rules: dict[str, Any], default: str = "ERRNO", **members: Any) -> dict[str, Any]:
    return {"defaultAction": f"SCMP_ACT_{default}", "syscalls": list(rules), **members}


def compiled(found: dict[str, Any], machine: str = "x86_64", *, little: bool = True) -> Filter:
    code = compile_profile(found, machine, little_endian=little).code
    return Filter(code, "<" if little else ">")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("KILL", KILL_THREAD),
        ("KILL_THREAD", KILL_THREAD),
        ("KILL_PROCESS", KILL_PROCESS),
        ("TRAP", TRAP),
        ("ERRNO", ERRNO | errno.EPERM),
        ("TRACE", TRACE | errno.EPERM),
        ("LOG", LOG),
        ("NOTIFY", NOTIFY),
    ],
)
def test_every_action_is_the_kernels_number(action: str, expected: int) -> None:
    found = profile(rule("read", action=action), default="ALLOW", listenerPath="/run/agent")
    program = compiled(found)
    assert program.judge(READ, X86_64) == expected
    assert program.judge(SOCKET, X86_64) == ALLOW


@pytest.mark.parametrize("action", ["KILL", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "LOG"])
def test_every_action_but_notify_can_be_the_default(action: str) -> None:
    program = compiled(profile(rule("openat2"), default=action))
    assert program.judge(READ, X86_64) != ALLOW
    assert program.judge(OPENAT2, X86_64) == ALLOW


def test_errno_values_of_rules_and_of_the_default_are_returned() -> None:
    found = profile(
        rule("read", action="ERRNO", errnoRet=errno.ENOENT),
        rule("statx", action="TRACE", errnoRet=0xABCD),
        rule("openat2"),
        defaultErrnoRet=errno.EACCES,
    )
    program = compiled(found)
    assert program.judge(READ, X86_64) == ERRNO | errno.ENOENT
    assert program.judge(STATX, X86_64) == TRACE | 0xABCD
    assert program.judge(SOCKET, X86_64) == ERRNO | errno.EACCES


def test_an_errno_of_zero_is_kept() -> None:
    assert compiled(profile(rule("read", action="ERRNO", errnoRet=0))).judge(READ, X86_64) == ERRNO


BIG = 0x1_0000_0005
COMPARISONS = [
    ("NE", BIG, None, [BIG - 1, 5, 0x2_0000_0005], [BIG]),
    ("LT", BIG, None, [BIG - 1, 0, 0xFFFFFFFF], [BIG, BIG + 1, 0x2_0000_0000]),
    ("LE", BIG, None, [BIG, BIG - 1, 0xFFFFFFFF], [BIG + 1, 0x2_0000_0000]),
    ("EQ", BIG, None, [BIG], [5, BIG + (1 << 32), BIG + 1]),
    ("GE", BIG, None, [BIG, BIG + 1, 0x2_0000_0000], [BIG - 1, 0xFFFFFFFF]),
    ("GT", BIG, None, [BIG + 1, 0x2_0000_0000], [BIG, 0xFFFFFFFF, 0]),
    ("GT", (1 << 64) - 1, None, [], [0, (1 << 64) - 1]),
    ("GE", 0, None, [0, (1 << 64) - 1], []),
    ("LE", 0xFFFFFFFF, None, [0xFFFFFFFF, 0], [1 << 32]),
    ("MASKED_EQ", 0xF0000000F, BIG & 0xF0000000F, [BIG, 0xFFF10FF5], [6, 0x1_0000_0006, 5]),
    ("MASKED_EQ", 0x7E020000, 0, [0x1200011, 0], [0x10000000, 0x20000]),
    ("MASKED_EQ", 0, 0, [0, 7], []),
]


@pytest.mark.parametrize(("op", "value", "two", "holding", "failing"), COMPARISONS)
@pytest.mark.parametrize("index", range(6))
def test_comparisons_are_of_all_64_bits(
    op: str, value: int, two: int | None, holding: list[int], failing: list[int], index: int
) -> None:
    if op == "MASKED_EQ" and value == 0xF0000000F:
        holding = [BIG, 0x1_FFFF_FFF5]
    program = compiled(profile(rule("read", args=[arg(index, op, value, two)])))
    for argument, expected in [(each, ALLOW) for each in holding] + [
        (each, EPERM) for each in failing
    ]:
        args = [0x1234567812345678] * 6
        args[index] = argument
        assert program.judge(READ, X86_64, args) == expected, hex(argument)


def test_big_endian_machines_have_the_words_the_other_way_round() -> None:
    found = profile(rule("openat2", args=[arg(1, "EQ", BIG)]), rule("statx"))
    program = compiled(found, "s390x", little=False)
    assert program.judge(OPENAT2, S390X, (0, BIG), big_endian=True) == ALLOW
    assert program.judge(OPENAT2, S390X, (0, 5 << 32 | 1), big_endian=True) == EPERM


def test_32_bit_arguments_are_compared_with_the_lower_word_of_the_constant() -> None:
    found = profile(
        rule("read", args=[arg(0, "EQ", (1 << 64) - 1)]), architectures=["SCMP_ARCH_X86"]
    )
    assert compiled(found).judge(3, X86, (0xFFFFFFFF,)) == ALLOW


def test_comparisons_of_different_arguments_all_have_to_hold() -> None:
    program = compiled(profile(rule("read", args=[arg(0, "EQ", 1), arg(1, "EQ", 2)])))
    assert program.judge(READ, X86_64, (1, 2)) == ALLOW
    assert program.judge(READ, X86_64, (1, 3)) == EPERM
    assert program.judge(READ, X86_64, (0, 2)) == EPERM


def test_two_comparisons_of_one_argument_are_alternatives() -> None:
    program = compiled(
        profile(rule("read", args=[arg(0, "EQ", 1), arg(0, "EQ", 7), arg(1, "EQ", 9)]))
    )
    for args in [(1, 0), (7, 0), (0, 9)]:
        assert program.judge(READ, X86_64, args) == ALLOW
    assert program.judge(READ, X86_64, (2, 0)) == EPERM


def test_rules_for_one_call_are_alternatives() -> None:
    values = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)
    program = compiled(profile(*(rule("read", args=[arg(0, "EQ", value)]) for value in values)))
    assert [program.judge(READ, X86_64, (value,)) for value in values] == [ALLOW] * 5
    assert program.judge(READ, X86_64, (9,)) == EPERM


def test_a_rule_without_comparisons_beats_those_with() -> None:
    conditional = rule("read", action="KILL_PROCESS", args=[arg(0, "EQ", 1)])
    for rules in ([rule("read"), conditional], [conditional, rule("read")]):
        assert compiled(profile(*rules)).judge(READ, X86_64, (1,)) == ALLOW


def test_of_two_rules_without_comparisons_the_first_decides() -> None:
    trap = rule("read", action="TRAP")
    assert compiled(profile(trap, rule("read"))).judge(READ, X86_64) == TRAP
    assert compiled(profile(rule("read"), trap)).judge(READ, X86_64) == ALLOW


def test_of_rules_whose_comparisons_hold_the_most_restrictive_decides() -> None:
    order = ["KILL_PROCESS", "KILL", "TRAP", "ERRNO", "NOTIFY", "TRACE", "LOG", "ALLOW"]
    found = [
        rule("read", action=action, args=[arg(0, "GE", number)], **extra)
        for number, action in reversed(list(enumerate(order)))
        for extra in [{"errnoRet": 5} if action in ("ERRNO", "TRACE") else {}]
    ]
    # A call with argument n fits the first n + 1 of the order; the first is the strictest of all.
    program = compiled(profile(*found, listenerPath="/run/agent"))
    assert program.judge(READ, X86_64, (9,)) == KILL_PROCESS
    without_kill = [each for each in found if "KILL" not in each["action"]]
    program = compiled(profile(*without_kill, listenerPath="/run/agent"))
    assert program.judge(READ, X86_64, (9,)) == TRAP
    assert program.judge(READ, X86_64, (1,)) == EPERM


def test_a_rule_that_says_what_the_default_says_does_not_compete() -> None:
    program = compiled(
        profile(
            rule("read", args=[arg(0, "EQ", 1)]),
            rule("read", action="ERRNO", args=[arg(1, "EQ", 2)]),
        )
    )
    assert program.judge(READ, X86_64, (1, 2)) == ALLOW


def test_unknown_names_are_skipped() -> None:
    program = compiled(profile(rule("read", "no_such_call", "s390_runtime_instr")))
    assert program.judge(READ, X86_64) == ALLOW


def test_a_retired_call_can_still_be_denied() -> None:
    found = profile(rule("uselib", action="KILL_PROCESS"), default="ALLOW")
    assert compiled(found).judge(134, X86_64) == KILL_PROCESS


def test_calls_newer_than_the_profile_do_not_exist() -> None:
    program = compiled(profile(rule("read", "openat2")))
    assert program.judge(OPENAT2, X86_64) == ALLOW
    assert program.judge(OPENAT2 - 1, X86_64) == EPERM
    assert program.judge(OPENAT2 + 1, X86_64) == ENOSYS
    assert program.judge(0x3FFFFFFF, X86_64) == ENOSYS


def test_a_call_that_the_profile_denies_by_name_counts_as_known_to_it() -> None:
    program = compiled(profile(rule("read"), rule("openat2", action="ERRNO")))
    assert program.judge(OPENAT2, X86_64) == EPERM
    assert program.judge(OPENAT2 + 1, X86_64) == ENOSYS


@pytest.mark.parametrize("default", ["ALLOW", "LOG", "TRACE"])
def test_a_default_that_does_not_refuse_holds_for_newer_calls_too(default: str) -> None:
    program = compiled(profile(rule("read", action="KILL"), default=default))
    assert program.judge(500, X86_64) == program.judge(1, X86_64)


def test_enosys_is_the_architectures_own() -> None:
    found = profile(rule("openat2"))
    assert compiled(found, "mips64").judge(5000 + 470, MIPSEL64) == ERRNO | 89
    assert compiled(found, "mips64").judge(4999, MIPSEL64) == EPERM


def test_what_counts_as_newer_differs_by_architecture() -> None:
    found = profile(rule("modify_ldt"), architectures=["SCMP_ARCH_X86"])
    program = compiled(found)
    assert program.judge(155, X86_64) == ENOSYS
    assert program.judge(124, X86) == ENOSYS
    assert program.judge(122, X86) == EPERM


def test_arms_private_calls_do_not_make_all_others_known() -> None:
    found = profile(rule("read", "openat2", "set_tls", "cacheflush"))
    program = compiled(found, "armv7l")
    assert program.judge(0xF0005, ARM) == ALLOW
    assert program.judge(0xF0001, ARM) == EPERM
    assert program.judge(OPENAT2 + 1, ARM) == ENOSYS


def test_an_unlisted_architecture_is_killed() -> None:
    program = compiled(profile(rule("read"), default="ALLOW"))
    assert program.judge(3, X86) == KILL_THREAD
    assert program.judge(READ, 0) == KILL_THREAD


def test_the_machines_own_architecture_is_always_known() -> None:
    program = compiled(profile(rule("read"), architectures=["SCMP_ARCH_X86"]))
    assert program.judge(READ, X86_64) == ALLOW
    assert program.judge(3, X86) == ALLOW


X32 = 0x40000000


def test_x32_calls_are_killed_unless_x32_is_listed() -> None:
    found = profile(rule("read"), default="ALLOW")
    assert compiled(found).judge(X32 + READ, X86_64) == KILL_THREAD
    listed = compiled({**found, "architectures": ["SCMP_ARCH_X32"]})
    assert listed.judge(X32 + READ, X86_64) == ALLOW


def test_x32_has_its_own_numbers() -> None:
    found = profile(rule("rt_sigaction", "openat2"), architectures=["SCMP_ARCH_X32"])
    program = compiled(found)
    assert program.judge(X32 + 512, X86_64) == ALLOW
    assert program.judge(X32 + 13, X86_64) == EPERM
    assert program.judge(13, X86_64) == ALLOW
    assert program.judge(512, X86_64) == ENOSYS
    assert program.judge(X32 + 513, X86_64) == ENOSYS


def test_a_call_that_a_tracer_skips_is_judged_by_the_default() -> None:
    assert compiled(profile(rule("read"), default="TRAP")).judge(0xFFFFFFFF, X86_64) == TRAP


SOCKETCALL, IPC = 102, 117


def test_a_multiplexed_call_is_judged_as_the_call_it_stands_for() -> None:
    found = profile(rule("socket", "shmget"), architectures=["SCMP_ARCH_X86"])
    program = compiled(found)
    assert program.judge(SOCKETCALL, X86, (1,)) == ALLOW
    assert program.judge(SOCKETCALL, X86, (2,)) == EPERM
    assert program.judge(IPC, X86, (23,)) == ALLOW
    assert program.judge(IPC, X86, (24,)) == EPERM
    assert program.judge(359, X86) == ALLOW


def test_versions_of_ipc_calls_do_not_get_round_a_rule() -> None:
    found = profile(
        rule("shmget", action="ERRNO"), default="ALLOW", architectures=["SCMP_ARCH_X86"]
    )
    program = compiled(found)
    assert program.judge(IPC, X86, (0x10017,)) == EPERM
    assert program.judge(IPC, X86, (0x10018,)) == ALLOW


def test_upper_bits_of_a_multiplexer_do_not_get_round_a_rule() -> None:
    found = profile(rule("socket", action="ERRNO"), default="ALLOW")
    program = compiled(found, "s390x", little=False)
    assert program.judge(SOCKETCALL, S390X, (0x1_0000_0001,), big_endian=True) == EPERM


def test_conditions_on_a_multiplexed_call_count_as_met() -> None:
    allowed = profile(rule("socket", args=[arg(0, "NE", 40)]), architectures=["SCMP_ARCH_X86"])
    assert compiled(allowed).judge(SOCKETCALL, X86, (1, 40)) == ALLOW
    assert compiled(allowed).judge(359, X86, (40,)) == EPERM
    denied = profile(
        rule("socket", action="ERRNO", args=[arg(0, "EQ", 40)]),
        default="ALLOW",
        architectures=["SCMP_ARCH_X86"],
    )
    assert compiled(denied).judge(SOCKETCALL, X86, (1,)) == EPERM


def test_conditions_that_exclude_each_other_leave_a_multiplexed_call_the_mildest_action() -> None:
    found = profile(
        rule("socket", action="ERRNO", errnoRet=22, args=[arg(0, "EQ", 16), arg(2, "EQ", 9)]),
        rule("socket", args=[arg(2, "NE", 9)]),
        architectures=["SCMP_ARCH_X86"],
    )
    assert compiled(found).judge(SOCKETCALL, X86, (1,)) == ALLOW


def test_a_rule_for_the_multiplexer_itself_decides_for_all_it_stands_for() -> None:
    found = profile(
        rule("socketcall"), rule("bind", action="TRAP"), architectures=["SCMP_ARCH_X86"]
    )
    assert compiled(found).judge(SOCKETCALL, X86, (2,)) == ALLOW


@pytest.mark.parametrize("calls", [60, 300])
def test_jumps_reach_across_long_programs(calls: int) -> None:
    """Hundreds of different decisions: what lies between a jump and its target is far over 255."""
    names = sorted(_x86_64_names())[:calls]
    found = profile(
        *(
            rule(name, action="ERRNO", errnoRet=1 + place, args=[arg(place % 6, "EQ", place + BIG)])
            for place, name in enumerate(names)
        ),
        default="ALLOW",
    )
    program = compiled(found)
    assert len(program) > 255 * (1 + (calls > 100) * 3)
    for place, name in enumerate(names):
        args = [0] * 6
        args[place % 6] = place + BIG
        number = _x86_64_names()[name]
        assert program.judge(number, X86_64, args) == ERRNO | 1 + place
        assert program.judge(number, X86_64) == ALLOW


def _x86_64_names() -> dict[str, int]:
    from pyoci.seccomp.syscall_tables import load_table

    return load_table("x86_64")


def test_a_program_longer_than_the_kernel_takes_is_refused() -> None:
    found = profile(*(rule("read", args=[arg(0, "EQ", value)]) for value in range(3000)))
    with pytest.raises(SeccompError, match="the kernel takes 4096") as caught:
        compile_profile(found, "x86_64")
    assert caught.value.subject == "/linux/seccomp"
    assert caught.value.hint


def test_the_longest_program_that_the_kernel_takes_is_compiled() -> None:
    found = profile(*(rule("read", args=[arg(0, "EQ", value)]) for value in range(1000)))
    program = compiled(found)
    assert 3900 < len(program) <= 4096
    assert program.judge(READ, X86_64, (999,)) == ALLOW
    assert program.judge(READ, X86_64, (1000,)) == EPERM


def test_an_engines_profile_takes_few_instructions_and_few_steps(
    podman_profile: dict[str, Any],
) -> None:
    program = compiled(podman_profile)
    assert len(program) < 400
    for number in range(450):
        program.steps = 0
        assert program.judge(number, X86_64) is not None
        assert program.steps < 25


def test_an_unknown_machine_is_an_error() -> None:
    with pytest.raises(SeccompError, match="machine 'vax'"):
        compile_profile(profile(), "vax")


def test_a_profile_without_rules_is_its_default() -> None:
    program = compiled({"defaultAction": "SCMP_ACT_ALLOW"})
    assert program.judge(READ, X86_64) == ALLOW
    assert program.judge(70000, X86_64) == ALLOW
