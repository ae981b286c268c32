"""A container's terminal on the caller's own: raw mode, window size, and bytes both ways."""

from __future__ import annotations

import fcntl
import os
import termios

from pyoci.errors import PyociError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

_CHUNK = 65536


class Console:
    """The runtime's side of a container's terminal.

    ``number`` is the descriptor of the socket that the init sends the pty master to; `receive`
    takes it. As a context the caller's terminal is in raw mode, and put back as it was at the end.
    """

    __slots__ = ("_ours", "_saved", "_stdin", "master", "number")

    def __init__(self, stdin: int) -> None:
        import _socket

        self._stdin = stdin
        self._saved: list[object] | None = None
        self.master = -1
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._ours: _socket.socket = ours
        self.number = theirs.detach()

    def receive(self) -> None:
        """Take the pty master that the init has sent.

        Raises PyociError when it has not.
        """
        import _socket

        os.close(self.number)
        self.number = -1
        _, control, _, _ = self._ours.recvmsg(4096, _socket.CMSG_SPACE(4))
        self._ours.close()
        for level, kind, data in control:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                self.master = int.from_bytes(data[:4], "little")
                os.set_inheritable(self.master, False)
                return
        raise PyociError("the container's init did not send its terminal")

    def raw(self) -> None:
        """Put the caller's terminal into raw mode (cfmakeraw(3)), if it is one."""
        try:
            saved = termios.tcgetattr(self._stdin)
        except termios.error:
            return
        self._saved = list(saved)
        mode = termios.tcgetattr(self._stdin)
        mode[0] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(self._stdin, termios.TCSADRAIN, mode)

    def take_size(self, process: dict[str, Any]) -> None:
        """Make the caller's size the one that the process finds, from its first instruction on."""
        try:
            size = fcntl.ioctl(self._stdin, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            return
        height, width = int.from_bytes(size[:2], "little"), int.from_bytes(size[2:4], "little")
        if height and width:
            process["consoleSize"] = {"height": height, "width": width}

    def resize(self) -> None:
        """Give the container's terminal the size of the caller's."""
        try:
            size = fcntl.ioctl(self._stdin, termios.TIOCGWINSZ, b"\0" * 8)
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        except OSError:
            # No terminal on this side: the size of config.json stays.
            return

    def copy_out(self, stdout: int) -> bool:
        """Copy what the container wrote; false at the end of the terminal."""
        try:
            data = os.read(self.master, _CHUNK)
        except OSError:
            # EIO: the last process that had it open is gone (pty(7)).
            return False
        _write(stdout, data)
        return bool(data)

    def copy_in(self) -> bool:
        """Copy what the caller typed; false at the end of the input."""
        try:
            data = os.read(self._stdin, _CHUNK)
            if not data:
                # What Ctrl-D would do at a terminal.
                _write(self.master, b"\x04")
                return False
            _write(self.master, data)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Put the caller's terminal back and close the container's."""
        if self._saved is not None:
            termios.tcsetattr(self._stdin, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]
            self._saved = None
        if self.number >= 0:
            os.close(self.number)
        if self.master >= 0:
            os.close(self.master)
        self.number = self.master = -1


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
