"""The D-Bus client: its bytes, and a conversation with a manager that the test plays."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoci.cgroup import dbus_connection
from pyoci.cgroup.dbus_connection import Connection, RefusedError, addresses
from pyoci.cgroup.dbus_message import (
    ERROR,
    ERROR_NAME,
    MEMBER,
    METHOD_CALL,
    METHOD_RETURN,
    PATH,
    REPLY_SERIAL,
    SIGNAL,
    SIGNATURE,
    Message,
    decode,
    message_size,
    split,
)
from pyoci.errors import CgroupError


def test_bytes_of_a_known_message():
    """As the specification lays it out: header, fields padded to 8, body."""
    message = Message(METHOD_CALL, 1, {PATH: "/a", MEMBER: "M", SIGNATURE: "su"}, ["hi", 7])
    assert message.encode() == (
        b"l\x01\x00\x01" + b"\x0c\0\0\0" + b"\x01\0\0\0"
        b"\x28\0\0\0"
        b"\x01\x01o\0\x02\0\0\0/a\0"
        + b"\0" * 5
        + b"\x03\x01s\0\x01\0\0\0M\0"
        + b"\0" * 6
        + b"\x08\x01g\0\x02su\0"
        + b"\x02\0\0\0hi\0\0\x07\0\0\0"
    )


def test_big_endian_message_is_read():
    data = (
        b"B\x02\x00\x01" + b"\0\0\0\x04" + b"\0\0\0\x09" + b"\0\0\0\x0f"
        b"\x05\x01u\0\0\0\0\x03" + b"\x08\x01g\0\x01u\0" + b"\0" + b"\0\0\0\x2a"
    )
    message = decode(data)
    assert (message.serial, message.fields[REPLY_SERIAL], message.body) == (9, 3, [42])


VALUES = {
    "y": st.integers(0, 255),
    "b": st.integers(0, 1),
    "u": st.integers(0, (1 << 32) - 1),
    "i": st.integers(-(1 << 31), (1 << 31) - 1),
    "t": st.integers(0, (1 << 64) - 1),
    "x": st.integers(-(1 << 63), (1 << 63) - 1),
    "s": st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=9),
}


@st.composite
def typed(draw, depth=2):
    """A D-Bus type and a value of it."""
    kind = draw(st.sampled_from([*VALUES, *("a", "(") * depth]))
    if kind == "a":
        code, _ = draw(typed(depth - 1))
        values = draw(st.lists(of(code), max_size=3))
        return "a" + code, values
    if kind == "(":
        inner = draw(st.lists(typed(depth - 1), min_size=1, max_size=3))
        return f"({''.join(code for code, _ in inner)})", tuple(value for _, value in inner)
    return kind, draw(VALUES[kind])


def of(code):
    if code in VALUES:
        return VALUES[code]
    if code[0] == "a":
        return st.lists(of(code[1:]), max_size=3)
    return st.tuples(*(of(inner) for inner in split(code[1:-1])))


@settings(max_examples=200, deadline=None)
@given(st.lists(typed(), max_size=4))
def test_message_survives_the_wire(values):
    signature = "".join(code for code, _ in values)
    fields = {PATH: "/x", **({SIGNATURE: signature} if signature else {})}
    data = Message(SIGNAL, 77, fields, [value for _, value in values]).encode()
    assert message_size(data[:16]) == len(data)
    assert decode(data).body == [value for _, value in values]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_value_error(data):
    data = b"l" + data
    try:
        size = message_size(data)
        if size and len(data) >= size:
            decode(data[:size])
    except ValueError:
        pass


def test_too_long_message_is_refused():
    with pytest.raises(ValueError):
        message_size(b"l\1\0\1" + b"\xff" * 4 + b"\1\0\0\0" + b"\xff" * 4)


@pytest.mark.parametrize("signature", ["a", "(s", "z", "a" * 100 + "s"])
def test_bad_signature_is_refused(signature):
    with pytest.raises(ValueError):
        split(signature)


def test_signature_is_split_into_types():
    assert split("ssa(sv)a(sa(sv))") == ["s", "s", "a(sv)", "a(sa(sv))"]


# -- a conversation --------------------------------------------------------------------------------


class Manager:
    """Plays systemd at one end of a socket: answers the calls in turn, remembers them."""

    def __init__(self, path, answers, greeting=b"DATA\r\nOK 0123\r\n"):
        self.calls = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.answers = answers
        self.greeting = greeting
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            data = b""
            while b"BEGIN\r\n" not in data:
                data += connection.recv(4096)
            self.hello, _, data = data.partition(b"BEGIN\r\n")
            connection.sendall(self.greeting)
            for answer in self.answers:
                while not (size := message_size(data)) or len(data) < size:
                    part = connection.recv(4096)
                    if not part:
                        return
                    data += part
                call = decode(data[:size])
                data = data[size:]
                self.calls.append((call.fields[MEMBER], call.body))
                # In small pieces, as a stream may deliver them.
                reply = b"".join(message.encode() for message in answer(call.serial))
                for start in range(0, len(reply), 7):
                    connection.sendall(reply[start : start + 7])

    def close(self):
        self.listener.close()
        self.thread.join(10)


def returns(*body, signature=""):
    fields = {SIGNATURE: signature} if signature else {}
    return lambda serial: [Message(METHOD_RETURN, 5, {REPLY_SERIAL: serial, **fields}, list(body))]


def refuses(name, text):
    return lambda serial: [
        Message(ERROR, 5, {REPLY_SERIAL: serial, ERROR_NAME: name, SIGNATURE: "s"}, [text])
    ]


def job_done(job, result="done"):
    fields = {MEMBER: "JobRemoved", PATH: "/org/freedesktop/systemd1", SIGNATURE: "uoss"}
    return Message(SIGNAL, 6, fields, [1, job, "u.scope", result])


@pytest.fixture
def manager(tmp_path, monkeypatch):
    managers = []

    def start(*answers, **more):
        path = f"{tmp_path}/private"
        monkeypatch.setattr(dbus_connection, "addresses", lambda *, user: [(path, False)])
        managers.append(Manager(path, answers, **more))
        return managers[-1]

    yield start
    for manager in managers:
        manager.close()


def test_call_returns_the_answer(manager):
    played = manager(returns("/job/1", signature="o"))
    connection = Connection(user=False)
    assert connection.call("StopUnit", "ss", "u.scope", "replace") == ["/job/1"]
    connection.close()
    assert played.calls == [("StopUnit", ["u.scope", "replace"])]
    # No uid is claimed: in a user namespace it would be another one for the peer.
    assert played.hello == b"\0AUTH EXTERNAL\r\nDATA\r\n"


def test_result_of_a_job_is_kept_that_comes_before_the_answer(manager):
    answer = returns("/job/1", signature="o")
    manager(lambda serial: [job_done("/job/0"), job_done("/job/1", "failed"), *answer(serial)])
    connection = Connection(user=False)
    (job,) = connection.call("StartTransientUnit")
    assert connection.wait_for_job(job) == "failed"
    connection.close()


def test_result_of_a_job_is_waited_for(manager):
    answer = returns("/job/1", signature="o")
    manager(lambda serial: [*answer(serial), job_done("/job/9"), job_done("/job/1")])
    connection = Connection(user=False)
    assert connection.wait_for_job(connection.call("X")[0]) == "done"
    connection.close()


def test_refusal_has_name_and_text(manager):
    manager(refuses("org.x.NoSuchUnit", "Unit is not there"))
    connection = Connection(user=False)
    with pytest.raises(RefusedError) as caught:
        connection.call("StopUnit", "ss", "u.scope", "replace")
    assert (caught.value.name, caught.value.text) == ("org.x.NoSuchUnit", "Unit is not there")
    connection.close()


def test_manager_that_hangs_up_is_a_clear_error(manager):
    manager()
    connection = Connection(user=False)
    with pytest.raises(CgroupError, match="StopUnit of systemd"):
        connection.call("StopUnit")
    connection.close()


def test_rejected_authentication_is_a_clear_error(manager):
    manager(greeting=b"REJECTED EXTERNAL\r\nERROR\r\n")
    with pytest.raises(CgroupError, match="authentication rejected"):
        Connection(user=False)


def test_garbage_instead_of_messages_is_a_clear_error(manager):
    class Garbage:
        def encode(self):
            return b"HTTP/1.1 400 Bad Request\r\n\r\n"

    manager(lambda serial: [Garbage()])
    connection = Connection(user=False)
    with pytest.raises(CgroupError, match="no byte order"):
        connection.call("StopUnit")
    connection.close()


def test_error_without_a_manager_names_every_place_tried(tmp_path, monkeypatch):
    places = [(f"{tmp_path}/private", False), (f"{tmp_path}/bus", True)]
    monkeypatch.setattr(dbus_connection, "addresses", lambda *, user: places)
    with pytest.raises(CgroupError, match="private: not there; .*bus: not there") as caught:
        Connection(user=False)
    assert "no such file" not in str(caught.value).lower()


def test_next_place_is_tried(tmp_path, manager, monkeypatch):
    manager(returns(), returns(), returns(), returns(5, signature="u"))
    real = f"{tmp_path}/private"
    monkeypatch.setattr(
        dbus_connection, "addresses", lambda *, user: [(f"{tmp_path}/gone", False), (real, True)]
    )
    connection = Connection(user=True)
    assert connection.call("GetX") == [5]
    connection.close()


def test_bus_is_greeted_and_asked_for_signals(tmp_path, manager, monkeypatch):
    played = manager(returns(), returns(), returns())
    monkeypatch.setattr(
        dbus_connection, "addresses", lambda *, user: [(f"{tmp_path}/private", True)]
    )
    Connection(user=True).close()
    assert [name for name, _ in played.calls] == ["Hello", "AddMatch", "Subscribe"]
    assert "member='JobRemoved'" in played.calls[1][1][0]


def test_addresses_of_a_user(monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.setenv(
        "DBUS_SESSION_BUS_ADDRESS",
        "tcp:host=x,path=/no;unix:path=/a%20b,guid=5;unix:abstract=/tmp/x",
    )
    assert addresses(user=True) == [
        ("/run/user/7/systemd/private", False),
        ("/a b", True),
        ("\0/tmp/x", True),
        ("/run/user/7/bus", True),
    ]


def test_user_without_a_session_has_no_address(monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert addresses(user=True) == []
    with pytest.raises(CgroupError, match="XDG_RUNTIME_DIR") as caught:
        Connection(user=True)
    assert caught.value.hint


def test_private_socket_comes_before_the_bus():
    assert [is_bus for _, is_bus in addresses(user=False)] == [False, True, True]
