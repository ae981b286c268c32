"""Variables in words: the shell-like language of `$x`, `${x:-y}`, quotes and escapes."""

from __future__ import annotations

import pytest

from builder.dockerfile import DockerfileError, Mode, process_word, process_words

ENV = {"A": "value", "EMPTY": "", "LIST": "one two  three", "PATHS": "/usr/local/lib", "Q": "a'b"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", "plain"),
        ("$A", "value"),
        ("${A}", "value"),
        ("$Ab", ""),
        ("${A}b", "valueb"),
        ("$A$A", "valuevalue"),
        ("$MISSING", ""),
        ("\\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A"', "value"),
        ('"\\$A"', "$A"),
        ("'it'\\''s'", "it's"),
        ('"a\\"b"', 'a"b'),
        ('"a\\nb"', "a\\nb"),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("$$", ""),
        ("a$", "a$"),
        ("$1", ""),
        ("$@$*$#$?$-$!", ""),
        ("${MISSING:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${MISSING-default}", "default"),
        ("${A:-default}", "value"),
        ("${A:+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${EMPTY+alt}", "alt"),
        ("${MISSING+alt}", ""),
        ("${MISSING:-${A}}", "value"),
        ("${MISSING:-${OTHER:-deep}}", "deep"),
        ("${MISSING:-'quoted'}", "quoted"),
        ("${A:?must}", "value"),
        ("${PATHS#/usr}", "/local/lib"),
        ("${PATHS#*/}", "usr/local/lib"),
        ("${PATHS##*/}", "lib"),
        ("${PATHS%/*}", "/usr/local"),
        ("${PATHS%%/l*}", "/usr"),
        ("${PATHS/l/L}", "/usr/Local/lib"),
        ("${PATHS//l/L}", "/usr/LocaL/Lib"),
        ("${PATHS//\\//:}", ":usr:local:lib"),
        ("${A/?a/X}", "Xlue"),
        ("${MISSING#x}", ""),
        ("한국어$A", "한국어value"),
    ],
)
def test_words(word, expected):
    assert process_word(word, ENV).text == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${", "syntax error"),
        ("${A", "syntax error"),
        ("${}", "bad substitution"),
        ("${:x}", "bad substitution"),
        ("${A:f}", "unsupported modifier (:f) in substitution"),
        ("'open", "unexpected end of statement while looking for matching single-quote"),
        ('"open', "unexpected end of statement while looking for matching double-quote"),
        ("${MISSING:?needed}", "MISSING: needed"),
        ("${EMPTY:?needed}", "EMPTY: needed"),
    ],
)
def test_errors(word, message):
    with pytest.raises(DockerfileError) as caught:
        process_word(word, ENV)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$LIST", ("one", "two", "three")),
        ('"$LIST"', ("one two  three",)),
        ("a$LIST", ("aone", "two", "three")),
        ("$EMPTY", ()),
        ('""', ()),  # the reference drops words that are empty
        ("'a b' c", ("a b", "c")),
        ("a\\ b c", ("a b", "c")),
        ("", ()),
    ],
)
def test_unquoted_values_are_split(word, expected):
    assert process_words(word, ENV) == expected


@pytest.mark.parametrize(
    ("mode", "word", "expected"),
    [
        (Mode(keep_quotes=True), "'$A' \"$A\"", "'$A' \"value\""),
        (Mode(keep_undefined=True), "$A $B ${C}", "value $B ${C}"),
        (Mode(quotes_are_text=True), "'$A' \"$A\"", "'value' \"value\""),
        (Mode(escape="`"), "`$A \\$A", "$A \\value"),
    ],
)
def test_modes(mode, word, expected):
    assert process_word(word, ENV, mode).text == expected


def test_used_and_undefined_variables_are_told():
    expansion = process_word("$A ${B:-x} $C", ENV)
    assert "C" in expansion.undefined
    assert {"A"} <= expansion.used


def test_deep_nesting_is_no_crash():
    word = "${A:+" * 5000 + "x" + "}" * 5000
    try:
        process_word(word, ENV)
    except DockerfileError:
        pass


def test_patterns_take_no_exponential_time():
    value = {"A": "a" * 5000}
    assert process_word("${A##" + "*a" * 20 + "*b}", value).text == "a" * 5000
