"""Results by requirement, and their three forms."""

from __future__ import annotations

import json

import pytest

import specs
from conformance.judge import CannotTellError, Cases, FaultError, Judge
from conformance.report import FAILED, PASSED, SKIPPED, Finding, Report


def report(*findings: Finding) -> Report:
    return Report("runc", "runtime-spec", list(findings))


def test_requirement_fails_when_one_of_its_cases_does() -> None:
    found = report(
        Finding("hostname", PASSED, "a"),
        Finding("hostname", FAILED, "b", "why"),
        Finding("hostname", SKIPPED, "c", "cannot"),
    )
    (result,) = found.results
    assert (result.status, result.detail) == (FAILED, "why")
    assert found.failed


def test_requirement_is_skipped_only_when_nothing_could_be_tried() -> None:
    assert report(Finding("hostname", SKIPPED, "a", "no")).results[0].status == SKIPPED
    both = report(Finding("hostname", SKIPPED, "a", "no"), Finding("hostname", PASSED, "b"))
    assert both.results[0].status == PASSED


def test_failed_recommendation_does_not_fail_the_run() -> None:
    assert not report(Finding("root-path-name", FAILED, "a", "why")).failed


def test_results_are_in_the_order_of_the_specification() -> None:
    found = report(Finding("hostname", PASSED, "a"), Finding("state-id", PASSED, "b"))
    assert [result.requirement.id for result in found.results] == ["state-id", "hostname"]


def test_unknown_requirement_is_an_error_of_the_suite() -> None:
    with pytest.raises(KeyError):
        report(Finding("nobody-demands-this", PASSED, "a"))


def test_text_has_one_line_for_each_requirement() -> None:
    found = report(Finding("hostname", FAILED, "a", "why"), Finding("root", PASSED, "a"))
    lines = found.text("text").splitlines()
    assert lines[0] == "Configuration"
    assert lines[1].split() == ["ok", "MUST", "root"]
    assert lines[2] == "  FAIL MUST   hostname: why"
    assert lines[-1].startswith("runc: 1 passed, 1 failed, 0 skipped, ")


def test_tap_marks_recommendations_and_skips() -> None:
    found = report(
        Finding("hostname", FAILED, "a", "is # wrong"),
        Finding("root-path-name", FAILED, "a", "why"),
        Finding("root", SKIPPED, "a", "cannot"),
    )
    lines = found.text("tap").splitlines()
    assert lines[:2] == ["TAP version 14", "1..3"]
    assert "ok 1 - root # SKIP cannot" in lines
    assert "not ok 2 - root-path-name # TODO recommended only" in lines
    assert "not ok 3 - hostname" in lines
    assert "  # is \\# wrong" in lines


def test_json_names_the_cases() -> None:
    found = report(Finding("hostname", PASSED, "b"), Finding("hostname", PASSED, "a"))
    document = json.loads(found.text("json"))
    assert document["summary"] == {"passed": 1, "failed": 0, "skipped": 0}
    assert document["results"][0]["cases"] == ["a", "b"]


def run(function, *requirements: str) -> dict[str, tuple[str, str]]:
    cases: Cases[None] = Cases()
    cases.about(*requirements)(function)
    return {f.requirement: (f.status, f.detail) for f in cases.all[0].judge(None)}


def test_case_that_cannot_tell_skips_what_is_left() -> None:
    def case(judge: Judge, subject: None) -> None:
        judge.check("one", True, "")
        raise CannotTellError("no network")

    assert run(case, "one", "two") == {"one": (PASSED, ""), "two": (SKIPPED, "no network")}


def test_case_that_breaks_down_fails_what_is_left() -> None:
    def case(judge: Judge, subject: None) -> None:
        judge.check("one", True, "")
        raise FaultError("create failed:\n no")

    assert run(case, "one", "two")["two"] == (FAILED, "create failed: no")


def test_requirement_that_a_case_forgets_is_not_passed() -> None:
    assert run(lambda judge, subject: None, "one")["one"][0] == SKIPPED


def test_requirement_that_a_case_did_not_declare_is_an_error_of_the_suite() -> None:
    with pytest.raises(KeyError, match="not declared"):
        run(lambda judge, subject: judge.check("two", True, ""), "one")


def test_every_requirement_that_cases_name_is_one_of_the_specification() -> None:
    from conformance.runtime.suite import load_cases

    known = {r.id for r in specs.requirements() if r.specification == "runtime-spec"}
    named = {requirement for case in load_cases() for requirement in case.requirements}
    assert named <= known
    assert len(named) > 150


def test_cases_are_chosen_by_name_and_by_requirement() -> None:
    from conformance.runtime.suite import load_cases

    assert [case.name for case in load_cases("sysctl")] == ["kernel.kernel_settings_hold_inside"]
    assert all(case.name.startswith("hooks.") for case in load_cases("hooks.*"))
    assert load_cases("nothing-is-called-this") == []
