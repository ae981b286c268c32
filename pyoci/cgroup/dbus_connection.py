"""A connection to systemd's manager over D-Bus, for a handful of calls and one signal.

systemd listens on a private socket of its own, where nobody is in between: it is tried first, then
the bus (the system's for root, the user's else). The client is in Python because a library would
have to be loaded for it, which takes longer than the calls.
"""

from __future__ import annotations

import errno
import os

from pyoci.cgroup.dbus_message import (
    DESTINATION,
    ERROR,
    ERROR_NAME,
    INTERFACE,
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
)
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any

SECONDS = 30.0
MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus")
PROPERTIES = "org.freedesktop.DBus.Properties"
JOB_REMOVED = "JobRemoved"


class RefusedError(Exception):
    """The peer answered with an error: its D-Bus name and text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


def addresses(*, user: bool) -> list[tuple[str, bool]]:
    """List (socket address, is it a bus) to try, in order; abstract ones start with NUL."""
    if not user:
        return [
            ("/run/systemd/private", False),
            ("/run/dbus/system_bus_socket", True),
            ("/var/run/dbus/system_bus_socket", True),
        ]
    found: list[tuple[str, bool]] = []
    directory = os.environ.get("XDG_RUNTIME_DIR")
    if directory:
        found.append((f"{directory}/systemd/private", False))
    # server addresses are separated by ";", their parts by "," (D-Bus specification)
    for address in os.environ.get("DBUS_SESSION_BUS_ADDRESS", "").split(";"):
        kind, _, rest = address.partition(":")
        for part in rest.split(",") if kind == "unix" else ():
            name, _, value = part.partition("=")
            if name == "path":
                found.append((_unescape(value), True))
            elif name == "abstract":
                found.append(("\0" + _unescape(value), True))
    if directory:
        found.append((f"{directory}/bus", True))
    return found


def _unescape(value: str) -> str:
    head, *rest = value.split("%")
    for part in rest:
        try:
            head += chr(int(part[:2], 16)) + part[2:]
        except ValueError:
            head += "%" + part
    return head


def _why(error: Exception) -> str:
    # Not strerror: engines read its words as a fault of the user's command (see `files`).
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and error.errno:
        return {
            errno.ENOENT: "not there",
            errno.ECONNREFUSED: "nobody listens",
            errno.EACCES: "access refused",
            errno.EPERM: "access refused",
        }.get(error.errno, errno.errorcode.get(error.errno, str(error.errno)))
    return str(error)


class Connection:
    """A connection to the manager; use it for one change and close it."""

    __slots__ = ("_data", "_jobs", "_serial", "_socket")

    def __init__(self, *, user: bool) -> None:
        self._data = b""
        self._serial = 0
        self._jobs: dict[str, str] = {}
        self._socket = self._connect(user)

    def _connect(self, user: bool) -> socket:
        import _socket

        reasons = []
        for address, is_bus in addresses(user=user):
            connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            connection.settimeout(SECONDS)
            try:
                connection.connect(address)
                self._socket = connection
                self._authenticate()
                if is_bus:
                    self._join_bus()
                return connection
            except (OSError, RefusedError, ValueError) as error:
                connection.close()
                self._data = b""
                name = address.replace("\0", "@")
                reasons.append(f"{name}: {_why(error)}")
        raise CgroupError(
            "connect to systemd"
            + (f" of user {os.geteuid()}" if user else "")
            + (f": {'; '.join(reasons)}" if reasons else ": XDG_RUNTIME_DIR is not set"),
            hint="log in through a session manager (loginctl enable-linger, machinectl shell), or "
            "leave --systemd-cgroup out"
            if user
            else "leave --systemd-cgroup out on a host that systemd does not run",
        )

    def _authenticate(self) -> None:
        """Authenticate by the socket's credentials (EXTERNAL), without naming a uid.

        A user namespace may show us another uid than the one the peer sees.
        """
        self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        answers: list[bytes] = []
        while len(answers) < 2:
            if b"\r\n" not in self._data:
                self._receive()
                continue
            line, _, self._data = self._data.partition(b"\r\n")
            answers.append(line)
        if answers[0] != b"DATA" or not answers[1].startswith(b"OK"):
            raise RefusedError("", "authentication rejected")

    def _join_bus(self) -> None:
        self._call(BUS, BUS[0], "Hello")
        rule = (
            f"type='signal',sender='{MANAGER[0]}',path='{MANAGER[1]}',"
            f"interface='{MANAGER[0]}.Manager',member='{JOB_REMOVED}'"
        )
        self._call(BUS, BUS[0], "AddMatch", "s", rule)
        self.call("Subscribe")

    def call(self, method: str, signature: str = "", *arguments: Any) -> list[Any]:
        """Call a method of the manager; raises RefusedError or CgroupError."""
        try:
            return self._call(MANAGER, f"{MANAGER[0]}.Manager", method, signature, *arguments)
        except (OSError, ValueError) as error:
            raise self._lost(method, error) from None

    def version(self) -> int:
        """Give systemd's version, 0 if it does not say; raises CgroupError."""
        try:
            (text,) = self._call(
                MANAGER, PROPERTIES, "Get", "ss", f"{MANAGER[0]}.Manager", "Version"
            )
        except (OSError, ValueError) as error:
            raise self._lost("Version", error) from None
        except RefusedError:
            return 0
        # "252.39-1~deb12u1", "v255", "252 (252.4)"
        digits = str(text).removeprefix("v")
        digits = digits[: len(digits) - len(digits.lstrip("0123456789"))]
        return int(digits or 0)

    def wait_for_job(self, job: str) -> str:
        """Wait until systemd is done with a job; gives its result, ``done`` if all is well."""
        try:
            while job not in self._jobs:
                self._take()
        except (OSError, ValueError) as error:
            raise self._lost(job, error) from None
        return self._jobs.pop(job)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _lost(self, what: str, error: Exception) -> CgroupError:
        why = (
            f"{_why(error)} for {SECONDS:.0f} s" if isinstance(error, TimeoutError) else _why(error)
        )
        return CgroupError(
            f"{what} of systemd: {why}", hint="see whether systemctl status answers, then try again"
        )

    def _call(
        self,
        target: tuple[str, str],
        interface: str,
        method: str,
        signature: str = "",
        *arguments: Any,
    ) -> list[Any]:
        self._serial += 1
        serial = self._serial
        fields: dict[int, Any] = {
            PATH: target[1],
            INTERFACE: interface,
            MEMBER: method,
            DESTINATION: target[0],
        }
        if signature:
            fields[SIGNATURE] = signature
        self._socket.sendall(Message(METHOD_CALL, serial, fields, list(arguments)).encode())
        while True:
            message = self._take()
            if message.fields.get(REPLY_SERIAL) != serial:
                continue
            if message.kind == METHOD_RETURN:
                return message.body
            if message.kind == ERROR:
                text = message.body[0] if message.body else ""
                raise RefusedError(str(message.fields.get(ERROR_NAME)), str(text))

    def _take(self) -> Message:
        """Read one message; the results of jobs are remembered, whenever they come."""
        while not (size := message_size(self._data)) or len(self._data) < size:
            self._receive()
        message = decode(self._data[:size])
        self._data = self._data[size:]
        if (
            message.kind == SIGNAL
            and message.fields.get(MEMBER) == JOB_REMOVED
            and len(message.body) == 4
        ):
            _, job, _, result = message.body
            self._jobs[job] = result
        return message

    def _receive(self) -> None:
        part = self._socket.recv(65536)
        if not part:
            raise OSError("connection closed")
        self._data += part
