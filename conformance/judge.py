"""Cases: functions that try something and record what they find of the requirements they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from conformance.report import FAILED, PASSED, SKIPPED, Finding

Subject = TypeVar("Subject")


class CannotTellError(Exception):
    """This host or subject does not allow the case to be tried; the message says why."""


class FaultError(Exception):
    """Something that the rest of the case builds on went wrong; the message says what."""


class Judge:
    """What one case records."""

    def __init__(self, case: str, requirements: tuple[str, ...]) -> None:
        """Record for a case and the requirements it is about."""
        self._case = case
        self._requirements = requirements
        self.findings: list[Finding] = []

    def check(self, requirement: str, holds: object, detail: str) -> None:
        """Record whether a requirement holds; `detail` says what is wrong if it does not."""
        if requirement not in self._requirements:
            raise KeyError(f"case {self._case} is not declared to judge {requirement}")
        status = PASSED if holds else FAILED
        self._record(requirement, status, "" if holds else detail)

    def equal(self, requirement: str, found: object, wanted: object, what: str) -> None:
        """Record whether two values are equal."""
        self.check(requirement, found == wanted, f"{what} is {found!r} instead of {wanted!r}")

    def rest(self, status: str, detail: str) -> None:
        """Record the same of all requirements that nothing was recorded of."""
        seen = {finding.requirement for finding in self.findings}
        for requirement in self._requirements:
            if requirement not in seen:
                self._record(requirement, status, detail)

    def _record(self, requirement: str, status: str, detail: str) -> None:
        self.findings.append(Finding(requirement, status, self._case, " ".join(detail.split())))


class Case(NamedTuple, Generic[Subject]):
    """A case: its name, what it is about, and the function that tries it."""

    name: str
    requirements: tuple[str, ...]
    function: Callable[[Judge, Subject], None]

    def judge(self, subject: Subject) -> list[Finding]:
        """Try it; gives a finding for each of its requirements."""
        judge = Judge(self.name, self.requirements)
        try:
            self.function(judge, subject)
        except CannotTellError as error:
            judge.rest(SKIPPED, str(error))
        except FaultError as error:
            judge.rest(FAILED, str(error))
        judge.rest(SKIPPED, "the case did not come to it")
        return judge.findings


class Cases(Generic[Subject]):
    """The cases about one kind of subject, gathered by the decorator `about`."""

    def __init__(self) -> None:
        self.all: list[Case[Subject]] = []

    def about(
        self, *requirements: str
    ) -> Callable[[Callable[[Judge, Subject], None]], Callable[[Judge, Subject], None]]:
        """Declare a function a case about these requirements."""

        def declare(function: Callable[[Judge, Subject], None]) -> Callable[[Judge, Subject], None]:
            chapter = function.__module__.rpartition(".")[2]
            self.all.append(Case(f"{chapter}.{function.__name__}", requirements, function))
            return function

        return declare
