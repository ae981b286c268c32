"""docs/dockerfile/rules: a page for each rule, whose examples do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder.dockerfile import parse
from builder.dockerfile.lint import check
from builder.dockerfile.rules import RULES

DOCS = Path(__file__).parents[3] / "docs"
NEEDS_MORE_THAN_THE_TEXT = ("InvalidBaseImagePlatform", "CopyIgnoredFile")


def broken(text):
    result = check(parse(text.encode(), "Dockerfile"))
    return {finding.rule.name for finding in result.findings}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_has_its_page_with_true_examples(rule):
    page = (DOCS / rule.page).read_text()
    assert page.startswith(f"# {rule.name}\n\n{rule.summary}.\n")
    examples = re.findall(r"```dockerfile\n(.*?)```", page, re.DOTALL)
    if rule.name in NEEDS_MORE_THAN_THE_TEXT:
        assert not examples
        return
    bad, good = examples
    assert rule.name in broken(bad)
    assert rule.name not in broken(good)


def test_there_are_no_pages_of_rules_that_are_gone():
    pages = {rule.page.rpartition("/")[2] for rule in RULES.values()}
    assert {path.name for path in (DOCS / "dockerfile/rules").iterdir()} == pages
