"""All cases about runtimes, and running them."""

from __future__ import annotations

import fnmatch
import importlib
from collections.abc import Callable

from conformance.judge import Case, Cases, FaultError
from conformance.report import Finding, Report
from conformance.runtime.driver import Trial

CASES: Cases[Trial] = Cases()
"""Filled by the modules of `conformance.runtime.cases` when they are loaded."""

_CHAPTERS = (
    *("lifecycle", "configuration", "mounts", "process", "hooks", "namespaces", "devices"),
    *("kernel", "seccomp", "features"),
)


def load_cases(pattern: str = "*") -> list[Case[Trial]]:
    """The cases whose name, or one of whose requirements, the pattern matches."""
    for chapter in _CHAPTERS:
        importlib.import_module(f"conformance.runtime.cases.{chapter}")
    return [
        case
        for case in CASES.all
        if any(fnmatch.fnmatch(name, pattern) for name in (case.name, *case.requirements))
    ]


def judge_runtime(
    binary: str,
    arguments: tuple[str, ...] = (),
    pattern: str = "*",
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Try all cases with a runtime.

    Args:
        binary: the runtime's command.
        arguments: what stands before each command.
        pattern: which cases, by name or requirement.
        progress: told of each case before it is tried.

    Raises FaultError when the runtime runs no container at all: whatever it refuses then says
    nothing about what it would refuse for the right reason. CannotTellError when this host lacks
    something.
    """
    with Trial(binary, arguments) as trial:
        text = trial.run(trial.config("echo hello"))
        if text != "hello\n":
            raise FaultError(f"a container that says hello said {text[:80]!r}")
    findings: list[Finding] = []
    for case in load_cases(pattern):
        if progress is not None:
            progress(case.name)
        with Trial(binary, arguments) as trial:
            findings += case.judge(trial)
    return Report(binary, "runtime-spec", findings)
