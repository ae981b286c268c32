"""Our programs and libseccomp's judge alike: engines' profiles, random ones, all architectures.

Where they do not, the case is written out with the reason in `DIFFERENCES`.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable
from typing import Any

import engine_templates
import libseccomp_oracle
import pytest
import random_profiles
from bpf_interpreter import Filter

from pyoci.seccomp.compile import compile_profile
from pyoci.seccomp.resolve import syscall_numbers
from pyoci.seccomp.tables import ACTION_MASK, ARCHITECTURES, ERRNO, X32_BIT

pytestmark = pytest.mark.skipif(
    not libseccomp_oracle.available(), reason="libseccomp is missing: apt-get install libseccomp2"
)

X86_64, X86, X32 = "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"


@functools.cache
def numbers_of(architecture: str) -> dict[str, int]:
    return syscall_numbers(ARCHITECTURES[architecture])


NAMES = [
    name
    for name in sorted(numbers_of(X86_64))
    # The library is older than our tables, and then skips the rule.
    if libseccomp_oracle.available() and libseccomp_oracle.number(X86_64, name) >= 0
]
# Every kind of argument an engine's profile compares, and values around.
INTERESTING = (
    (),
    (8,),
    (0x20000,),
    (0x20008,),
    (0xFFFFFFFF,),
    (0xFFFFFFFFFFFFFFFF,),
    (0x7E020000,),
    (0x10000000, 0x10000000),
    (0x1200011, 0x1200011),
    (16, 3, 9),
    (16, 3, 0),
    (40, 1, 9),
    (2, 1, 0),
)


def native_byte_order(architecture: str) -> str:
    return "<" if ARCHITECTURES[architecture].little_endian else ">"


def is_stub(action: int, architecture: str, default: int) -> bool:
    """Say whether this is our answer to calls newer than the profile, which libseccomp lacks."""
    return action == ERRNO | ARCHITECTURES[architecture].enosys and action != default


def all_numbers(architecture: str) -> Iterable[int]:
    numbers = numbers_of(architecture).values()
    regular = [number for number in numbers if number < ARCHITECTURES[architecture].private]
    yield from range(min(regular), max(regular) + 10)
    yield from (number for number in numbers if number not in regular)
    yield from (0xFFFFFFFF, 0xFFFFFFFE, 0x3FFFFFFF, 0x40000000, 0x7FFFFFFF)


def arguments(architecture: str, number: int) -> Iterable[tuple[int, ...]]:
    """Give the arguments to try: few for calls of which no engine's profile looks at them."""
    numbers = numbers_of(architecture)
    looked_at = ("personality", "clone", "socket", "socketcall")
    if number in [numbers.get(name) for name in looked_at]:
        return INTERESTING
    return ((), (0xFFFFFFFF,))


@pytest.mark.parametrize("architecture", [X86_64, X86, X32])
def test_podmans_real_profile_judges_every_call_as_libseccomp_does(
    podman_profile: dict[str, Any], architecture: str
) -> None:
    ours = Filter(compile_profile(podman_profile, "x86_64", little_endian=True).code)
    theirs = Filter(libseccomp_oracle.compile_profile(podman_profile))
    audit = ARCHITECTURES[architecture].audit
    for number in all_numbers(architecture):
        for args in arguments(architecture, number):
            assert ours.judge(number, audit, args) == theirs.judge(number, audit, args), (
                number,
                args,
            )


@pytest.mark.parametrize(
    "capabilities",
    [
        engine_templates.DEFAULT_CAPABILITIES,
        frozenset(),
        frozenset({"CAP_SYS_ADMIN", "CAP_AUDIT_WRITE", "CAP_SYS_PTRACE"}),
    ],
    ids=["default", "none", "admin"],
)
@pytest.mark.parametrize("machine", sorted(engine_templates.NATIVE))
def test_engines_profiles_judge_every_call_as_libseccomp_does(
    engine_template: dict[str, Any], machine: str, capabilities: frozenset[str]
) -> None:
    profile = engine_templates.resolve(engine_template, machine, capabilities)
    architectures = profile["architectures"]
    program = compile_profile(
        profile, machine, little_endian=ARCHITECTURES[architectures[0]].little_endian
    )
    order = native_byte_order(architectures[0])
    ours = Filter(program.code, order)
    theirs = Filter(libseccomp_oracle.compile_profile(profile, only=architectures), order)
    default = theirs.judge(
        0xFFFFFFFF, ARCHITECTURES[architectures[0]].audit, big_endian=order == ">"
    )
    stubs = 0
    for architecture in architectures:
        audit = ARCHITECTURES[architecture].audit
        for number in all_numbers(architecture):
            for args in arguments(architecture, number):
                mine = ours.judge(number, audit, args, big_endian=order == ">")
                other = theirs.judge(number, audit, args, big_endian=order == ">")
                if mine != other and is_stub(mine, architecture, default):
                    assert other == default
                    stubs += 1
                    continue
                assert mine == other or difference(architecture, number, args), (
                    architecture,
                    number,
                    [hex(each) for each in args],
                    hex(mine),
                    hex(other),
                )
    if default & ACTION_MASK == ERRNO and default & 0xFFFF == 1:
        assert stubs, "no call was newer than the profile"


def difference(architecture: str, number: int, args: tuple[int, ...]) -> str | None:
    """Give the reason why libseccomp is not to be followed in a case, if it is one."""
    table = ARCHITECTURES[architecture]
    numbers = numbers_of(architecture)
    if table.multiplexed and number in (numbers["socketcall"], numbers["ipc"]) and args:
        return "libseccomp compares arguments of socket(2) with those of socketcall(2)"
    for name, known in numbers.items():
        if known == number and libseccomp_oracle.number(architecture, name) < 0:
            return "the library is older than our tables"
    return None


@pytest.mark.parametrize("architectures", [[], [X86], [X32], [X86_64, X86, X32]], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_random_rules_judge_random_calls_as_libseccomp_does(
    seed: int, architectures: list[str]
) -> None:
    """With one rule for a name: what libseccomp makes of several is in DIFFERENCES."""
    source = random.Random(seed)
    profile = random_profiles.profile(
        source, NAMES, architectures, most_comparisons=6, most_alternatives=1
    )
    ours = Filter(compile_profile(profile, "x86_64", little_endian=True).code)
    theirs = Filter(libseccomp_oracle.compile_profile(profile))
    default = theirs.judge(0xFFFFFFFF, ARCHITECTURES[X86_64].audit)
    judged = set()
    for architecture in (X86_64, X86, X32):
        table = ARCHITECTURES[architecture]
        numbers = numbers_of(architecture)
        for number, args in random_profiles.calls(source, profile, numbers, 150):
            if architecture == X86:
                args = [argument & 0xFFFFFFFF for argument in args]
            mine, other = (each.judge(number, table.audit, args) for each in (ours, theirs))
            at = (
                X32
                if table.audit == ARCHITECTURES[X32].audit and number >= X32_BIT
                else architecture
            )
            if mine != other and is_stub(mine, at, default) and other == default:
                continue
            if mine != other and difference(at, number, tuple(args)):
                continue
            assert mine == other, (architecture, number, [hex(each) for each in args])
            judged.add(mine)
    assert len(judged) > 2


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_random_rules_judge_alike_on_every_architecture_of_either_byte_order(
    architecture: str,
) -> None:
    table = ARCHITECTURES[architecture]
    if not libseccomp_oracle.knows(architecture):
        pytest.skip("this libseccomp does not know the architecture")
    machine = {
        "SCMP_ARCH_X86": "i686",
        "SCMP_ARCH_ARM": "armv7l",
        "SCMP_ARCH_MIPS": "mips",
        "SCMP_ARCH_MIPSEL": "mips",
        "SCMP_ARCH_MIPS64": "mips64",
        "SCMP_ARCH_MIPSEL64": "mips64",
        "SCMP_ARCH_MIPS64N32": "mips64",
        "SCMP_ARCH_MIPSEL64N32": "mips64",
        "SCMP_ARCH_X32": "x86_64",
    }.get(architecture, architecture.removeprefix("SCMP_ARCH_").lower())
    order = native_byte_order(architecture)
    numbers = numbers_of(architecture)
    names = [
        name
        for name in NAMES
        if name in numbers and libseccomp_oracle.number(architecture, name) == numbers[name]
    ]
    for seed in range(4):
        source = random.Random(f"{architecture} {seed}")
        profile = random_profiles.profile(
            source, names, [architecture], most_comparisons=4, most_alternatives=1
        )
        program = compile_profile(profile, machine, little_endian=table.little_endian)
        ours = Filter(program.code, order)
        only = [architecture] if architecture != X32 else [X86_64, X32]
        theirs = Filter(libseccomp_oracle.compile_profile(profile, only=only), order)
        default = theirs.judge(0xFFFFFFFF, table.audit, big_endian=order == ">")
        for number, args in random_profiles.calls(source, profile, numbers, 150):
            if not table.wide and architecture != X32:
                args = [argument & 0xFFFFFFFF for argument in args]
            mine = ours.judge(number, table.audit, args, big_endian=order == ">")
            other = theirs.judge(number, table.audit, args, big_endian=order == ">")
            if mine != other and is_stub(mine, architecture, default) and other == default:
                continue
            assert mine == other, (number, [hex(each) for each in args], hex(mine), hex(other))


def rule(action: str, *args: tuple[int, str, int]) -> dict[str, Any]:
    return {
        "names": ["setgroups"],
        "action": action,
        "args": [
            {"index": index, "op": f"SCMP_CMP_{operator}", "value": value}
            for index, operator, value in args
        ],
    }


# (rules for setgroups(2) in a profile that refuses by default, arguments, right action's name, why
# it is right and libseccomp 2.5.4 wrong)
DIFFERENCES = [
    (
        [
            rule("SCMP_ACT_ALLOW", (1, "LE", 0x14C1), (2, "NE", 0x80000000)),
            rule("SCMP_ACT_ALLOW", (5, "GT", 0xFFFFFFFF), (2, "LT", 0x70), (1, "LE", 0xFFFFFFFF)),
        ],
        (0, 0x14C2, 0xFFFFFFFE, 0, 0, 0xFFFFFFFFFFFFFFFF),
        False,
        "argument 1 is 0x14c2, not at most 0x14c1, and argument 2 not below 0x70",
    ),
    (
        [
            rule("SCMP_ACT_ALLOW", (4, "EQ", 0xFFFFFFFE), (1, "NE", 0xFFB9)),
            rule("SCMP_ACT_ALLOW", (1, "NE", 0)),
        ],
        (0, 0, 1, 0, 2, 0),
        False,
        "argument 4 is 2, and argument 1 is 0",
    ),
    (
        [
            rule("SCMP_ACT_ALLOW", (4, "LE", 2)),
            rule("SCMP_ACT_ALLOW", (4, "LT", 0x681523EBA114CA61)),
        ],
        (0, 0, 0, 0, 0x9F4FB75B, 0),
        True,
        "argument 4 is below the second rule's constant",
    ),
]


@pytest.mark.parametrize(("rules", "args", "allowed", "reason"), DIFFERENCES, ids=[0, 1, 2])
def test_a_case_in_which_libseccomp_errs_is_judged_by_its_rules(
    rules: list[dict[str, Any]], args: tuple[int, ...], allowed: bool, reason: str
) -> None:
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    number = numbers_of(X86_64)["setgroups"]
    audit = ARCHITECTURES[X86_64].audit
    ours = Filter(compile_profile(profile, "x86_64", little_endian=True).code)
    assert (ours.judge(number, audit, args) == 0x7FFF0000) is allowed, reason


@pytest.mark.parametrize(("rules", "args", "allowed", "reason"), DIFFERENCES, ids=[0, 1, 2])
def test_a_listed_case_is_one_in_which_libseccomp_errs(
    rules: list[dict[str, Any]], args: tuple[int, ...], allowed: bool, reason: str
) -> None:
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    theirs = Filter(libseccomp_oracle.compile_profile(profile))
    action = theirs.judge(numbers_of(X86_64)["setgroups"], ARCHITECTURES[X86_64].audit, args)
    if (action == 0x7FFF0000) is allowed:
        pytest.skip("this libseccomp has been mended")
    assert action in (0x7FFF0000, 0x00050001)
