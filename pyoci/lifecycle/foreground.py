"""Stays with a process until it ends: passes signals on, carries its terminal, gives its status."""

from __future__ import annotations

import _signal
import posix as os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyoci.console import Console

_SIGKILL, _SIGSTOP = 9, 19
_SIGCHLD, _SIGWINCH, _SIGURG, _SIGPIPE = 17, 28, 23, 13
# SIGURG: other runtimes' language uses it for itself, so no engine means it.
_NOT_FORWARDED = frozenset((_SIGKILL, _SIGSTOP, _SIGCHLD, _SIGURG, _SIGPIPE))
_POLL_END = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Signals:
    """Catches every signal that can be passed on, from before the process exists.

    Python runs handlers between bytecodes only; the numbers therefore come through the wake-up
    descriptor (signal.set_wakeup_fd), which poll(2) can wait for.
    """

    __slots__ = ("_previous", "_write", "descriptor")

    def __init__(self) -> None:
        self.descriptor, self._write = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._write, False)
        self._previous: dict[int, object] = {}
        for number in _signal.valid_signals():
            if number in _NOT_FORWARDED:
                continue
            try:
                self._previous[number] = _signal.signal(number, _ignore)
            except (OSError, ValueError):
                continue
        _signal.set_wakeup_fd(self._write)

    def take(self) -> bytes:
        """Give the numbers of the signals that came, one byte each."""
        try:
            return os.read(self.descriptor, 4096)
        except BlockingIOError:
            return b""

    def restore(self) -> None:
        """Put the handlers back as they were."""
        _signal.set_wakeup_fd(-1)
        for number, handler in self._previous.items():
            if handler is not None:
                _signal.signal(number, handler)
        os.close(self.descriptor)
        os.close(self._write)


def _ignore(_number: int, _frame: object) -> None:
    return


def stay_with(
    pid: int,
    signals: Signals,
    console: Console | None,
    stdin: int,
    stdout: int,
    send: Callable[[int], None] | None = None,
) -> int:
    """Wait for a child process; gives its exit status as a shell would (128 + signal).

    ``console`` has its master already; ``send`` delivers a signal to the process.
    """
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(signals.descriptor, select.POLLIN)
    if console is not None:
        console.resize()
        console.raw()
        poll.register(console.master, select.POLLIN)
        poll.register(stdin, select.POLLIN)
    try:
        while True:
            ready = dict(poll.poll())
            if signals.descriptor in ready:
                _forward(signals.take(), pidfd, console, send)
            if console is not None:
                _carry(console, ready, poll, stdin, stdout)
            if pidfd in ready:
                break
        if console is not None:
            _drain(console, stdout)
    finally:
        os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _forward(
    numbers: bytes, pidfd: int, console: Console | None, send: Callable[[int], None] | None
) -> None:
    for number in numbers:
        if number == _SIGWINCH and console is not None:
            console.resize()
            continue
        try:
            if send is not None:
                send(number)
            else:
                _signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return


def _carry(
    console: Console, ready: dict[int, int], poll: select.poll, stdin: int, stdout: int
) -> None:
    if console.master in ready and not console.copy_out(stdout):
        poll.unregister(console.master)
    if stdin in ready and (ready[stdin] & select.POLLNVAL or not console.copy_in()):
        poll.unregister(stdin)


def _drain(console: Console, stdout: int) -> None:
    """Copy what the process wrote before it ended; another may hold the terminal open."""
    poll = select.poll()
    poll.register(console.master, select.POLLIN)
    while poll.poll(0) and console.copy_out(stdout):
        pass
