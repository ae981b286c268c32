"""`json_text`: the standard library's parser, without what it lets pass."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoci.errors import SpecError
from pyoci.spec.json_text import decode, encode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(derandomize=True, deadline=None)
@given(VALUES, st.sampled_from([None, 0, 2, 4]))
def test_what_is_encoded_decodes_to_the_same_value_here_and_elsewhere(value, indent):
    text = encode(value, indent)
    assert decode(text.encode("utf-8")) == value
    assert json.loads(text) == value


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=40) | st.text('{}[]",:0123456789.eE+-truefalsn\\u \n').map(str.encode))
def test_any_bytes_are_decoded_or_refused_with_a_spec_error(data):
    try:
        value = decode(data, "file")
    except SpecError as error:
        assert error.message.startswith("file is not JSON: ")
        assert "\n" not in str(error)
    else:
        assert value == json.loads(data)


def test_indented_text_looks_as_go_writes_it():
    value = {"a": [], "b": {}, "c": [1, {"d": None}], "e": "é<"}
    assert encode(value, indent=2) == (
        '{\n  "a": [],\n  "b": {},\n  "c": [\n    1,\n    {\n      "d": null\n    }\n  ],\n'
        '  "e": "é<"\n}'
    )


def test_compact_text_has_no_spaces():
    assert encode({"a": [1, True], "b": "c d"}) == '{"a":[1,true],"b":"c d"}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "line 1, column 1: a value is expected"),
        (b"  \n ", "a value is expected"),
        (b'{\n  "a": 1,\n  "b" 2\n}', "line 3, column 7: expecting ':' delimiter"),
        (b'{"a":1,}', "line 1, column 8"),
        (b'{"a":1} x', "line 1, column 9: text follows the value"),
        (b"{}\n{}", "line 2, column 1: text follows the value"),
        (b'"\x01"', "invalid control character"),
        (b'"\\x"', "escape"),
        (b'"abc', "unterminated string"),
        (b"[1,2", "line 1, column 5"),
        (b"tru", "a value is expected"),
        (b"[NaN]", "NaN is not a JSON value"),
        (b"[-Infinity]", "-Infinity is not a JSON value"),
        (b'{"a":{"b":1,"b":2}}', 'the member "b" occurs twice in one object'),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "too many digits"),
        (b'{"a":\n"\xff"}', "line 2: byte 0xff is not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'{"\\uD800x":1}', "half of a surrogate pair"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text, words):
    with pytest.raises(SpecError) as caught:
        decode(text, "/b/config.json")
    assert caught.value.message.startswith("/b/config.json is not JSON: ")
    assert words in caught.value.message


def test_a_file_name_that_is_not_utf_8_survives():
    name = b"/tmp/\xff\xe9".decode("utf-8", "surrogateescape")
    text = encode({"bundle": name, "other": "é"})
    assert text.isascii()
    assert decode(text.encode("utf-8")) == {"bundle": name, "other": "é"}
    assert decode(encode({"bundle": name}, indent=2).encode()) == {"bundle": name}


def test_surrogate_pairs_are_characters():
    assert decode(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_what_has_no_form_in_json_is_a_type_error():
    with pytest.raises(TypeError):
        encode({"a": object()})
    with pytest.raises(TypeError):
        encode([b"bytes"], indent=2)


def test_errors_are_the_same_in_an_interpreter_that_has_not_imported_json():
    program = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "from pyoci.spec.json_text import decode\n"
        "assert 'json' not in sys.modules\n"
        "try: decode(b'{\\n\"a\" 1}', 'f')\n"
        "except Exception as error: print(error)\n"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, root], capture_output=True, text=True
    )
    assert done.stdout == "f is not JSON: line 2, column 5: expecting ':' delimiter\n"
