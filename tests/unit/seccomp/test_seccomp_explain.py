"""The answer to "what becomes of this call, and why" names the rule."""

from __future__ import annotations

from typing import Any

import pytest

from pyoci.errors import SeccompError
from pyoci.seccomp.explain import judge

PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "architectures": ["SCMP_ARCH_X86"],
    "syscalls": [
        {"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}],
        },
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 22,
            "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}],
        },
    ],
}


@pytest.mark.parametrize(
    ("syscall", "args", "arch", "action", "pointer"),
    [
        ("read", (), None, "SCMP_ACT_ALLOW", "/syscalls/0"),
        (0, (), None, "SCMP_ACT_ALLOW", "/syscalls/0"),
        ("personality", (8,), None, "SCMP_ACT_ALLOW", "/syscalls/1"),
        ("personality", (9,), None, "SCMP_ACT_ERRNO(1)", "/defaultAction"),
        ("socket", (16,), None, "SCMP_ACT_ERRNO(22)", "/syscalls/2"),
        ("mkdir", (), None, "SCMP_ACT_ERRNO(1)", "/defaultAction"),
        ("statmount", (), None, "SCMP_ACT_ERRNO(38)", "/syscalls"),
        (-1, (), None, "SCMP_ACT_ERRNO(1)", "/defaultAction"),
        ("socketcall", (1,), "SCMP_ARCH_X86", "SCMP_ACT_ERRNO(22)", "/syscalls/2"),
        ("read", (), "SCMP_ARCH_X32", "SCMP_ACT_KILL_THREAD", "/architectures"),
        ("read", (), "SCMP_ARCH_S390X", "SCMP_ACT_KILL_THREAD", "/architectures"),
    ],
)
def test_a_judgement_names_action_and_rule(
    syscall: str | int, args: tuple[int, ...], arch: str | None, action: str, pointer: str
) -> None:
    found = judge(PROFILE, "x86_64", syscall, args, arch)
    assert (found.action, found.pointer) == (action, f"/linux/seccomp{pointer}")
    assert found.reason


def test_reasons_tell_the_ways_to_the_default_apart() -> None:
    reasons = {
        judge(PROFILE, "x86_64", syscall, args).reason
        for syscall, args in (("personality", (9,)), ("mkdir", ()), ("statmount", ()), (-1, ()))
    }
    assert len(reasons) == 4


def test_an_unknown_call_or_architecture_is_an_error() -> None:
    with pytest.raises(SeccompError, match="no system call 'frobnicate'"):
        judge(PROFILE, "x86_64", "frobnicate")
    with pytest.raises(SeccompError, match="'SCMP_ARCH_VAX' is unknown"):
        judge(PROFILE, "x86_64", "read", arch="SCMP_ARCH_VAX")
