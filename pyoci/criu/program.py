"""Finds CRIU, starts it, and goes through one request with it (``criu swrk``).

::

    runtime                              CRIU
    request ───────────────────────────▶ works
       ◀── NOTIFY "setup-namespaces" ─── waits
       runs hooks ── answer ───────────▶ goes on
       ◀── NOTIFY "orphan-pts-master" ── and the descriptor of the terminal
       ◀── response ──────────────────── ends

Descriptors in a request are numbers of this process: CRIU opens them through /proc, except those
of inherit_fd, which are its own.
"""

from __future__ import annotations

import fcntl
import posix as os

from pyoci.criu.messages import NOTIFY, Response, answer
from pyoci.errors import CriuError, reason
from pyoci.paths import SEARCH_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # What a notification brings with it: its descriptor, -1 for none.
    OnNotify = Callable[[Response, int], None]

_LARGEST_MESSAGE = 1 << 16
_SIGKILL = 9
_FIRST_FREE = 10  # clear of the numbers that the child gets


def criu_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give CRIU's environment: the caller's, with a PATH, by which it finds tar and iptables."""
    path = environ.get("PATH")
    return {**environ, "PATH": f"{path}:{SEARCH_PATH}" if path else SEARCH_PATH}


def find_criu(environment: Mapping[str, str]) -> str:
    """Give CRIU's path; raises CriuError when it is not installed."""
    for directory in environment["PATH"].split(":"):
        path = f"{directory}/criu"
        if directory.startswith("/") and os.access(path, os.X_OK):
            return path
    raise CriuError(
        "criu is not installed: checkpoints are its work",
        subject="criu",
        hint="apt-get install criu, or put it into the PATH",
    )


class Connection:
    """The socket of one request; ``number`` is CRIU's end of it."""

    __slots__ = ("_ours", "number")

    def __init__(self) -> None:
        import _socket

        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._ours = ours
        self.number = theirs.detach()

    def hand_over(self) -> None:
        """Close CRIU's end here: now its end is the end of the conversation."""
        if self.number >= 0:
            os.close(self.number)
            self.number = -1

    def converse(self, request: bytes, on_notify: OnNotify) -> Response | None:
        """Send a request, answer what CRIU tells on the way; gives its response, None for none."""
        import _socket

        try:
            self._ours.sendall(request)
            while True:
                data, control, _, _ = self._ours.recvmsg(_LARGEST_MESSAGE, _socket.CMSG_SPACE(4))
                if not data:
                    return None
                response = Response(data)
                if response.kind != NOTIFY:
                    return response
                descriptor = -1
                for level, kind, rights in control:
                    if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                        descriptor = int.from_bytes(rights[:4], "little")
                try:
                    on_notify(response, descriptor)
                finally:
                    if descriptor >= 0:
                        os.close(descriptor)
                self._ours.sendall(answer())
        except (BrokenPipeError, ConnectionResetError):
            return None

    def close(self) -> None:
        """Close both ends."""
        self.hand_over()
        self._ours.close()


class Criu:
    """A running ``criu swrk``, in a process group of its own: a Ctrl-C is ours to handle."""

    __slots__ = ("_output", "pid")

    def __init__(self, path: str, connection: Connection, environment: dict[str, str]) -> None:
        self.pid = 0
        self._output = os.memfd_create("criu-output", os.MFD_CLOEXEC)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        sources = [null, self._output, self._output, connection.number]
        aside = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for number in sources]
        try:
            self.pid = os.posix_spawn(
                path,
                ["criu", "swrk", "3"],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, source, target) for target, source in enumerate(aside)
                ],
                setpgroup=0,
                setsigmask=[],
                setsigdef=[2, 13, 15, 25],  # SIGINT, SIGPIPE, SIGTERM, SIGXFSZ
            )
        except OSError as error:
            raise CriuError(f"cannot execute {path}: {reason(error)}", subject=path) from None
        finally:
            for number in (null, *aside):
                os.close(number)
        connection.hand_over()

    def output(self) -> bytes:
        """Give what it wrote to its standard output and error."""
        return os.pread(self._output, _LARGEST_MESSAGE, 0)

    def end(self, *, kill: bool = False) -> None:
        """Wait until it has ended, and with ``kill`` see to it.

        What it was dumping then goes on: CRIU's code in it ends with the connection to CRIU.
        """
        if self.pid:
            if kill:
                os.kill(self.pid, _SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
