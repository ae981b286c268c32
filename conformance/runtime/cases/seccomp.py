"""config-linux.md "Seccomp": what a filter does to a program."""

# ruff: noqa: D103  (the name of a case is what it claims)

from __future__ import annotations

from typing import Any

from conformance.judge import Judge
from conformance.runtime.driver import Trial
from conformance.runtime.suite import CASES

_EPERM, _ENOTTY = 1, 25


def _config(trial: Trial, seccomp: dict[str, Any]) -> dict[str, Any]:
    config = trial.config()
    config["process"]["noNewPrivileges"] = True
    config["linux"]["seccomp"] = seccomp
    return config


@CASES.about("seccomp-actions", "seccomp-errno", "seccomp-default-action")
def a_rule_gives_its_errno(judge: Judge, trial: Trial) -> None:
    for errno, text in ((None, "Operation not permitted"), (_ENOTTY, "Inappropriate ioctl")):
        rule: dict[str, Any] = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
        if errno is not None:
            rule["errnoRet"] = errno
        config = _config(trial, {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
        (line, *rest) = trial.lines("mkdir /tmp/d 2>&1; echo alive", config) or [""]
        judge.check("seccomp-errno", text in line, f"errnoRet {errno}: mkdir said {line!r}")
        judge.check("seccomp-actions", text in line, f"ERRNO: mkdir said {line!r}")
        judge.equal("seccomp-default-action", rest, ["alive"], "what other calls came to")


@CASES.about("seccomp-actions", "no-new-privileges")
def a_killed_call_ends_the_program(judge: Judge, trial: Trial) -> None:
    for action in ("SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS"):
        rule = {"names": ["mkdir", "mkdirat"], "action": action}
        config = _config(trial, {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
        lines = trial.lines("mkdir /tmp/d; echo status $?", config)
        judge.equal("seccomp-actions", lines, ["status 159"], f"after {action}")


@CASES.about("seccomp-args", "seccomp-operators")
def a_rule_with_arguments_matches_only_those(judge: Judge, trial: Trial) -> None:
    # kill(2) with signal 0 asks whether a process is there; its second argument is the signal.
    for operator, value, refused in (
        ("SCMP_CMP_EQ", 0, True),
        ("SCMP_CMP_EQ", 1, False),
        ("SCMP_CMP_NE", 0, False),
        ("SCMP_CMP_LT", 1, True),
        ("SCMP_CMP_LE", 0, True),
        ("SCMP_CMP_GE", 1, False),
        ("SCMP_CMP_GT", 0, False),
    ):
        rule = {
            "names": ["kill"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 1, "value": value, "op": operator}],
        }
        config = _config(trial, {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
        lines = trial.lines("kill -0 $$ 2> /dev/null && echo done || echo refused", config)
        wanted = ["refused" if refused else "done"]
        judge.equal("seccomp-operators", lines, wanted, f"kill with signal {operator} {value}")
        judge.equal("seccomp-args", lines, wanted, f"kill with signal {operator} {value}")


@CASES.about("seccomp-default-errno", "seccomp-rule-names")
def filters_that_make_no_sense_are_refused(judge: Judge, trial: Trial) -> None:
    config = _config(trial, {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5})
    judge.check("seccomp-default-errno", trial.refusal(config), "an errno for ALLOW was taken")
    rule = {"names": [], "action": "SCMP_ACT_ERRNO"}
    config = _config(trial, {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
    judge.check("seccomp-rule-names", trial.refusal(config), "a rule without names was taken")
