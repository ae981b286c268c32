"""What is wrong with a profile is named by its JSON pointer, with a hint."""

from __future__ import annotations

from typing import Any

import pytest

from pyoci.errors import SeccompError
from pyoci.seccomp import load_filter
from pyoci.seccomp.flags import FLAGS
from pyoci.seccomp.parse import parse_profile


def profile(**members: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", **members}


def with_rule(**members: Any) -> dict[str, Any]:
    return profile(syscalls=[{"names": ["read"], "action": "SCMP_ACT_ALLOW", **members}])


def with_arg(**members: Any) -> dict[str, Any]:
    argument = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ", **members}
    return with_rule(args=[{"index": 1, "value": 2, "op": "SCMP_CMP_NE"}, argument])


WRONG = [
    ({}, "/defaultAction", "action is missing"),
    ({"defaultAction": "ALLOW"}, "/defaultAction", "'ALLOW' is unknown"),
    ({"defaultAction": ["SCMP_ACT_ALLOW"]}, "/defaultAction", "is unknown"),
    ({"defaultAction": "SCMP_ACT_NOTIFY"}, "/defaultAction", "cannot be the default"),
    (
        {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1},
        "/defaultErrnoRet",
        "no meaning for SCMP_ACT_ALLOW",
    ),
    (profile(defaultErrnoRet=4096), "/defaultErrnoRet", "4096"),
    (profile(defaultErrnoRet=True), "/defaultErrnoRet", "True"),
    (profile(architectures="SCMP_ARCH_X86"), "/architectures", "no list"),
    (profile(architectures=["SCMP_ARCH_X86", "x86"]), "/architectures/1", "'x86' is unknown"),
    (profile(architectures=[["SCMP_ARCH_X86"]]), "/architectures/0", "is unknown"),
    (profile(syscalls={}), "/syscalls", "no list"),
    (profile(syscalls=["read"]), "/syscalls/0", "no object"),
    (with_rule(names=[]), "/syscalls/0/names", "names no system call"),
    (with_rule(names=None), "/syscalls/0/names", "names no system call"),
    (with_rule(names="read"), "/syscalls/0/names", "names no system call"),
    (with_rule(names=["read", ""]), "/syscalls/0/names/1", "no name"),
    (with_rule(names=["read", 3]), "/syscalls/0/names/1", "no name"),
    (with_rule(action=None), "/syscalls/0/action", "is missing"),
    (with_rule(action="SCMP_ACT_DENY"), "/syscalls/0/action", "'SCMP_ACT_DENY' is unknown"),
    (with_rule(errnoRet=1), "/syscalls/0/errnoRet", "no meaning for SCMP_ACT_ALLOW"),
    (with_rule(action="SCMP_ACT_ERRNO", errnoRet=-1), "/syscalls/0/errnoRet", "-1"),
    (with_rule(action="SCMP_ACT_ERRNO", errnoRet=4096), "/syscalls/0/errnoRet", "4096"),
    (with_rule(action="SCMP_ACT_TRACE", errnoRet=65536), "/syscalls/0/errnoRet", "65536"),
    (with_rule(action="SCMP_ACT_NOTIFY"), "/listenerPath", "no listenerPath"),
    (with_rule(args={}), "/syscalls/0/args", "no list"),
    (with_rule(args=[7]), "/syscalls/0/args/0", "no object"),
    (with_arg(op="SCMP_CMP_LIKE"), "/syscalls/0/args/1/op", "'SCMP_CMP_LIKE' is unknown"),
    (with_arg(op=None), "/syscalls/0/args/1/op", "is missing"),
    (with_arg(op=["SCMP_CMP_EQ"]), "/syscalls/0/args/1/op", "is unknown"),
    (with_arg(index=6), "/syscalls/0/args/1/index", "6"),
    (with_arg(index=-1), "/syscalls/0/args/1/index", "-1"),
    (with_arg(index=None), "/syscalls/0/args/1/index", "is missing"),
    (with_arg(value=1 << 64), "/syscalls/0/args/1/value", "18446744073709551616"),
    (with_arg(value=-1), "/syscalls/0/args/1/value", "-1"),
    (with_arg(value=1.0), "/syscalls/0/args/1/value", "1.0"),
    (with_arg(value="1"), "/syscalls/0/args/1/value", "'1'"),
    (with_arg(valueTwo=-1), "/syscalls/0/args/1/valueTwo", "-1"),
]


@pytest.mark.parametrize(("wrong", "pointer", "message"), WRONG)
def test_an_error_points_at_what_is_wrong(
    wrong: dict[str, Any], pointer: str, message: str
) -> None:
    with pytest.raises(SeccompError) as caught:
        parse_profile(wrong)
    assert caught.value.subject == f"/linux/seccomp{pointer}"
    assert caught.value.message.startswith(f"/linux/seccomp{pointer}: ")
    assert message in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_the_second_rule_is_the_one_that_is_named() -> None:
    found = with_rule()
    found["syscalls"].append({"names": ["write"], "action": "no"})
    with pytest.raises(SeccompError) as caught:
        parse_profile(found)
    assert caught.value.subject == "/linux/seccomp/syscalls/1/action"


@pytest.mark.parametrize("name", ["write", "sendmsg", "close", "capset", "prctl"])
def test_calls_the_runtime_makes_before_the_agent_listens_cannot_notify(name: str) -> None:
    found = with_rule(names=["mkdir", name], action="SCMP_ACT_NOTIFY")
    with pytest.raises(SeccompError, match=f"cannot be used for {name}") as caught:
        parse_profile({**found, "listenerPath": "/run/agent"})
    assert caught.value.subject == "/linux/seccomp/syscalls/0/names/1"


def test_null_is_as_good_as_absent() -> None:
    found = with_rule(args=None, errnoRet=None)
    found.update(defaultErrnoRet=None, architectures=None, flags=None, listenerPath=None)
    parsed = parse_profile(found)
    assert parsed.default == 0x50001
    assert [rule.names for rule in parsed.rules] == [["read"]]
    assert parse_profile(profile(syscalls=None)).rules == []


def test_members_that_the_specification_does_not_define_are_ignored() -> None:
    assert parse_profile(with_rule(comment="why", includes={})).rules


def test_a_rule_that_says_what_the_default_says_is_dropped_but_its_names_are_known() -> None:
    parsed = parse_profile(with_rule(action="SCMP_ACT_ERRNO", errnoRet=1))
    assert not parsed.rules
    assert parsed.names == {"read"}
    assert parse_profile(with_rule(action="SCMP_ACT_ERRNO", errnoRet=2)).rules


def test_an_architecture_listed_twice_is_one() -> None:
    parsed = parse_profile(profile(architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X86"]))
    assert len(parsed.architectures) == 1


def flags(found: dict[str, Any]) -> int:
    return load_filter(found, cache_dir=None, native="x86_64").flags


def test_flags_are_the_kernels_numbers() -> None:
    assert flags(profile(flags=["SECCOMP_FILTER_FLAG_TSYNC"])) == 1
    assert flags(profile(flags=["SECCOMP_FILTER_FLAG_LOG"])) == 2
    assert flags(profile(flags=["SECCOMP_FILTER_FLAG_SPEC_ALLOW"])) == 4
    assert flags(profile(flags=["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"])) == 3


def test_speculation_is_left_alone_when_no_flags_are_given_but_not_when_none_are_wanted() -> None:
    assert flags(profile()) == 4
    assert flags(profile(flags=[])) == 0


def test_wait_killable_is_set_only_where_the_kernel_takes_it_with_a_listener() -> None:
    wanted = {"flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "listenerPath": "/run/agent"}
    assert flags(profile(**wanted)) == 0
    assert flags({**with_rule(names=["mkdir"], action="SCMP_ACT_NOTIFY"), **wanted}) == 32


@pytest.mark.parametrize(
    ("wrong", "pointer"), [(["SECCOMP_FILTER_FLAG_NEW_LISTENER"], "/0"), ([3], "/0"), ("LOG", "")]
)
def test_an_unknown_flag_is_an_error_that_lists_the_known_ones(wrong: Any, pointer: str) -> None:
    with pytest.raises(SeccompError) as caught:
        flags(profile(flags=wrong))
    assert caught.value.subject == f"/linux/seccomp/flags{pointer}"
    assert caught.value.hint
    assert len(FLAGS) == 4


def test_a_profile_that_is_no_object_is_an_error() -> None:
    with pytest.raises(SeccompError, match="no object"):
        load_filter(["SCMP_ACT_ALLOW"], cache_dir=None, native="x86_64")  # type: ignore[arg-type]
