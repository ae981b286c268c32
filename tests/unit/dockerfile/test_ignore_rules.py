"""`.dockerignore`: which paths are left out."""

from __future__ import annotations

import pytest

from builder.dockerfile import IgnoreRules
from builder.dockerfile.ignore import read_patterns


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a/b/c", True),
        ("a", "b/a", False),  # anchored, unlike .gitignore
        ("/a", "a", True),
        ("./a", "a", True),
        ("a/", "a", True),
        ("*.o", "x.o", True),
        ("*.o", "d/x.o", False),
        ("*/*.o", "d/x.o", True),
        ("**/*.o", "x.o", True),
        ("**/*.o", "a/b/c.o", True),
        ("**", "a/b", True),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("?", "a", True),
        ("?", "ab", False),
        ("[a-c]", "b", True),
        ("[^a-c]", "b", False),
        ("[^a-c]", "d", True),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("a\n!a", "a", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "drop", True),
        ("*\n!keep\nkeep", "keep", True),
        ("dir\n!dir/keep", "dir/keep", False),
        ("dir\n!dir/keep", "dir/other", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-more.md", False),
        ("# comment\n#a", "#a", False),
        ("  a  ", "a", True),
        ("a b", "a b", True),
        ("", "a", False),
        ("\ufeffa", "a", True),
        ("a.b", "axb", False),
        ("a+b", "a+b", True),
        ("(a)", "(a)", True),
        ("a\r\nb\r\n", "b", True),
        ("한국", "한국", True),
    ],
)
def test_rules(patterns, path, ignored):
    assert IgnoreRules.parse(patterns).matches(path) is ignored


@pytest.mark.parametrize(
    ("patterns", "directory", "worth_a_look"),
    [
        ("a", "a", False),
        ("a", "b", True),
        ("a\n!a/b", "a", True),
        ("a\n!c", "a", False),
        ("*\n!a/b/c", "a/b", True),
        ("*\n!a/b/c", "x", False),
        ("*\n!**/keep", "x/y", True),
        ("*\n!*/keep", "x", True),
        ("*\n!*/keep", "x/y", False),
    ],
)
def test_directories_that_may_hold_what_is_brought_back(patterns, directory, worth_a_look):
    assert IgnoreRules.parse(patterns).may_contain_included(directory) is worth_a_look


@pytest.mark.parametrize("patterns", ["!", "[", "[]", "a\\", "[a-", "x[^]"])
def test_wrong_patterns(patterns):
    with pytest.raises(ValueError, match="pattern"):
        IgnoreRules.parse(patterns)


def test_patterns_as_they_are_read():
    text = "# comment\n\n  a/../b/ \n! c\n/d\n"
    assert read_patterns(text) == ["b", "!c", "d"]


def test_hostile_patterns_take_no_exponential_time():
    rules = IgnoreRules(["**/" * 30 + "x", "*a" * 60 + "b"])
    assert rules.matches("a/" * 200 + "y") is False
    assert rules.matches("a" * 5000) is False
