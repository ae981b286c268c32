"""Results: one for each requirement that something was found out about.

A requirement has failed when anything of it was found wrong, passed when something was tried and
all was right, and is skipped when nothing could be tried.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import specs

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
FORMATS = ("text", "tap", "json")
_SHORT = {PASSED: "ok  ", FAILED: "FAIL", SKIPPED: "skip"}


class Finding(NamedTuple):
    """What one case found of one requirement.

    Attributes:
        requirement: an id of `specs.requirements`.
        status: passed, failed or skipped.
        case: the name of the case.
        detail: why, for what did not pass.
    """

    requirement: str
    status: str
    case: str
    detail: str = ""


class Result(NamedTuple):
    """What all cases together found of one requirement."""

    requirement: specs.Requirement
    status: str
    findings: tuple[Finding, ...]

    @property
    def detail(self) -> str:
        """The reasons of what did not pass, in one line."""
        reasons = dict.fromkeys(
            finding.detail for finding in self.findings if finding.status == self.status
        )
        return "; ".join(reason for reason in reasons if reason)


class Report:
    """The results about one subject, in the order of the specification."""

    def __init__(self, subject: str, specification: str, findings: list[Finding]) -> None:
        """Gather findings; `specification` is `runtime-spec` or `image-spec`.

        Raises KeyError for a finding about a requirement that is not in it.
        """
        self.subject = subject
        known = {r.id: r for r in specs.requirements() if r.specification == specification}
        self._all = len(known)
        by_id: dict[str, list[Finding]] = {}
        for finding in findings:
            by_id.setdefault(known[finding.requirement].id, []).append(finding)
        self.results = [
            Result(requirement, _status(by_id[name]), tuple(by_id[name]))
            for name, requirement in known.items()
            if name in by_id
        ]

    @property
    def failed(self) -> bool:
        """Whether a requirement that MUST hold does not."""
        return any(
            result.status == FAILED and result.requirement.level == "MUST"
            for result in self.results
        )

    def count(self, status: str) -> int:
        """How many requirements have the status."""
        return sum(result.status == status for result in self.results)

    def text(self, form: str) -> str:
        """The report as `text`, `tap` or `json`."""
        return {"text": self._text, "tap": self._tap, "json": self._json}[form]()

    def _text(self) -> str:
        lines: list[str] = []
        chapter = ""
        for result in self.results:
            if result.requirement.chapter != chapter:
                chapter = result.requirement.chapter
                lines += ["", chapter] if lines else [chapter]
            required = result.requirement
            line = f"  {_SHORT[result.status]} {required.level:<6} {required.id}"
            lines.append(f"{line}: {result.detail}" if result.detail else line)
        lines += ["", f"{self.subject}: {self._summary()}"]
        return "".join(f"{line}\n" for line in lines)

    def _tap(self) -> str:
        lines = ["TAP version 14", f"1..{len(self.results)}"]
        for number, result in enumerate(self.results, 1):
            required = result.requirement
            # In TAP a failure that is only a recommendation is one that does not fail the run.
            todo = " # TODO recommended only" if required.level != "MUST" else ""
            if result.status == SKIPPED:
                lines.append(f"ok {number} - {required.id} # SKIP {_tap_text(result.detail)}")
            elif result.status == PASSED:
                lines.append(f"ok {number} - {required.id}")
            else:
                lines.append(f"not ok {number} - {required.id}{todo}")
                lines.append(f"  # {_tap_text(result.detail)}")
        return "".join(f"{line}\n" for line in lines)

    def _json(self) -> str:
        document = {
            "subject": self.subject,
            "summary": {status: self.count(status) for status in (PASSED, FAILED, SKIPPED)},
            "results": [
                {
                    "requirement": result.requirement.id,
                    "chapter": result.requirement.chapter,
                    "level": result.requirement.level,
                    "text": result.requirement.text,
                    "status": result.status,
                    **({"detail": result.detail} if result.detail else {}),
                    "cases": sorted({finding.case for finding in result.findings}),
                }
                for result in self.results
            ],
        }
        return json.dumps(document, indent=2) + "\n"

    def _summary(self) -> str:
        counts = ", ".join(f"{self.count(s)} {s}" for s in (PASSED, FAILED, SKIPPED))
        return f"{counts}, {self._all - len(self.results)} of {self._all} requirements not judged"


def _status(findings: list[Finding]) -> str:
    statuses = {finding.status for finding in findings}
    return next(status for status in (FAILED, PASSED, SKIPPED) if status in statuses)


def _tap_text(text: str) -> str:
    return text.replace("#", "\\#").replace("\n", " ")
