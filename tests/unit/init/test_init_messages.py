"""What comes over the status pipe is from inside the container: it is read with suspicion."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoci.errors import PyociError
from pyoci.plan.stage import FAILED, PID, Stage, parse_messages


def message(kind: int, index: int, errno: int, text: bytes) -> bytes:
    return struct.pack("<IIiI", kind, index, errno, len(text)) + text


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99), st.text(max_size=40)), max_size=9))
def test_messages_are_read_however_the_pipe_cuts_them(wanted):
    data = b"".join(message(kind, index, -1, text.encode()) for kind, index, text in wanted)
    whole, rest = parse_messages(data)
    assert rest == b""
    found, held = [], b""
    for byte in data:
        messages, held = parse_messages(held + bytes([byte]))
        found += messages
    assert held == b""
    assert [(m.kind, m.index, m.detail) for m in found] == [
        (m.kind, m.index, m.detail) for m in whole
    ]
    assert [(m.kind, m.index) for m in whole] == [(kind, index) for kind, index, _ in wanted]


def test_a_text_cannot_break_the_line_or_drive_the_terminal():
    ((found,), _) = parse_messages(message(FAILED, 0, 2, b"a\n\x1b[31mb\x00c\xff\n"))
    assert found.detail.isprintable()
    assert found.errno == 2


def test_a_length_without_end_is_refused():
    with pytest.raises(PyociError):
        parse_messages(struct.pack("<IIiI", FAILED, 0, 0, 1 << 31))


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_are_refused(data):
    try:
        messages, rest = parse_messages(data)
    except PyociError:
        return
    assert sum(16 for _ in messages) + len(rest) <= len(data)
    assert data.endswith(rest)


def test_a_second_pid_from_inside_the_container_is_ignored():
    read, write = os.pipe()
    os.write(write, message(PID, 1000, 0, b"") + message(PID, 1, 0, b""))
    os.close(write)
    stage = Stage([])
    os.dup2(read, stage._status)
    os.close(read)
    try:
        stage.run(lambda name: None)
        assert stage.pid == 1000
    finally:
        stage.close()
