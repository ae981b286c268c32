"""The wire format: against examples of its documentation, and both ways against each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoci.criu.messages import NOTIFY, RESTORE, Response, answer, request
from pyoci.criu.wire import decode, encode, signed
from pyoci.errors import PyociError

NUMBERS = st.integers(1, 2**29 - 1)
VALUES = st.integers(0, 2**64 - 1) | st.binary(max_size=300)


def test_the_examples_of_the_formats_documentation():
    assert encode([(1, 150)]) == bytes.fromhex("089601")
    assert encode([(2, b"testing")]) == bytes.fromhex("120774657374696e67")
    assert encode([(1, -1)]) == bytes.fromhex("08ffffffffffffffffff01")


@given(st.lists(st.tuples(NUMBERS, VALUES)))
def test_what_is_encoded_is_decoded(fields):
    assert decode(encode(fields)) == fields


@given(st.binary(max_size=100))
def test_no_bytes_do_anything_but_decode_or_be_refused(data):
    try:
        decode(data)
        Response(data)
    except PyociError:
        pass


def test_fields_of_fixed_size_are_passed_over():
    assert decode(bytes.fromhex("0d01020304") + encode([(2, 7)])) == [(2, 7)]


@pytest.mark.parametrize("data", ["0a05ab", "08", "0b", "08ffffffffffffffffffff01"])
def test_a_cut_or_malformed_message_is_refused(data):
    with pytest.raises(PyociError, match="cannot be read"):
        decode(bytes.fromhex(data))


def test_negative_numbers_come_back():
    ((_, value),) = decode(encode([(7, -52)]))
    assert signed(value) == -52


def test_a_request_says_type_and_options():
    ((_, kind), (_, options)) = decode(request(RESTORE, [("root", "/r"), ("ext_mnt", ("k", "v"))]))
    assert kind == RESTORE
    assert decode(options) == [(13, b"/r"), (23, encode([(1, b"k"), (2, b"v")]))]


def test_a_notification_names_its_stage_and_process():
    data = encode([(1, NOTIFY), (2, 1), (5, encode([(1, b"setup-namespaces"), (2, 42)]))])
    response = Response(data)
    assert (response.kind, response.script, response.pid) == (NOTIFY, "setup-namespaces", 42)
    assert decode(answer()) == [(1, NOTIFY), (3, 1)]


def test_a_failure_has_errno_and_message():
    response = Response(encode([(1, RESTORE), (2, 0), (7, 22), (9, b"no")]))
    assert (response.success, response.errno, response.message) == (False, 22, "no")
