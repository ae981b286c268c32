"""canonical_json: what Go writes, and nothing that two readers could read differently."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.canonical_json import DEEPEST, decode, encode
from builder.errors import ImageFormatError

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_members_keep_their_order_and_there_are_no_blanks() -> None:
    assert encode({"b": 1, "a": [1, 2, {"x": None}]}) == b'{"b":1,"a":[1,2,{"x":null}]}'


def test_characters_that_go_escapes_are_escaped_as_go_does() -> None:
    assert encode("<a&b>\u2028é\n") == b'"\\u003ca\\u0026b\\u003e\\u2028\xc3\xa9\\n"'


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert encode("a\udcff") == '"a\ufffd"'.encode()


def test_not_a_number_is_not_written() -> None:
    with pytest.raises(ValueError):
        encode(float("nan"))


@given(DOCUMENTS)
def test_what_is_written_is_what_is_read(document: object) -> None:
    data = encode(document)
    assert decode(data, "it") == document == json.loads(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":2}', "member 'a' appears twice"),
        (b'{"x":{"a":1,"b":0,"a":2}}', "member 'a' appears twice"),
        (b"NaN", "NaN is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"1e999", "too large"),
        (b"\xff", "not UTF-8 (byte 0)"),
        (b"", "not valid JSON"),
        (b"{} {}", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"[" * 100_000, "nested"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nested"),
        (b"9" * 5000, "not valid JSON"),
        (b'{"a":\x00}', "not valid JSON"),
    ],
)
def test_bad_json_is_refused_in_one_line_that_names_it(data: bytes, why: str) -> None:
    with pytest.raises(ImageFormatError) as caught:
        decode(data, "manifest x")
    assert why in str(caught.value)
    assert "manifest x" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_deepest_document_that_is_taken() -> None:
    assert decode(b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1), "it")
