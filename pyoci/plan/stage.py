"""Runs a plan: starts the init from a sealed memfd and talks with it.

::

    runtime                          stage (host)                    container
    memfd(init), memfd(plan)
    posix_spawn ───────────────────▶ host operations
                                     clone ────────────────────────▶ sync "namespaces": waits
       ◀── PID ───────────────────── exits
       maps ids, joins cgroups ─────────── go ─────────────────────▶ mounts, devices, …
       ◀── SYNC "created" ────────────────────────────────────────── waits
       writes state.json ───────────────── go ─────────────────────▶ waits for start, or exec
       ◀── end of file: exec has happened; FAILED: it has not

The container is a child of this process (CLONE_PARENT): it can be waited for, and passes to the
engine's subreaper when this process ends. When this process dies, the container reads the end of
the go pipe and exits: nothing half-made survives.
"""

from __future__ import annotations

import fcntl
import posix as os

from pyoci.errors import HostError, PyociError, reason
from pyoci.paths import dirname
from pyoci.plan.encode import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyoci.plan.operations import Operation

PID = 1
SYNC = 2
FAILED = 3
WARNING = 4

_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, SHRINK, GROW, WRITE (fcntl(2))
_F_ADD_SEALS = 1033
_HEADER = 16
_LARGEST_MESSAGE = 4096


class Failure(Exception):  # noqa: N818 -- turned into a PyociError by plan.failure
    """An operation failed in the init: which, with what errno, and what the init adds to it."""

    def __init__(self, operation: Operation | None, errno: int, detail: str) -> None:
        super().__init__(detail)
        self.operation = operation
        self.errno = errno
        self.detail = detail


class Message:
    """One message of the init."""

    __slots__ = ("detail", "errno", "index", "kind")

    def __init__(self, kind: int, index: int, errno: int, detail: str) -> None:
        self.kind = kind
        self.index = index
        self.errno = errno
        self.detail = detail


def parse_messages(data: bytes) -> tuple[list[Message], bytes]:
    """Split what came over the status pipe into messages and the incomplete rest.

    The bytes come from a process inside the container: lengths are checked, text is made printable.
    """
    messages = []
    while len(data) >= _HEADER:
        length = int.from_bytes(data[12:16], "little")
        if length > _LARGEST_MESSAGE:
            raise PyociError("the container's init sent a message that is too long")
        if len(data) < _HEADER + length:
            break
        text = data[_HEADER : _HEADER + length].decode("utf-8", "replace").rstrip("\0\n")
        messages.append(
            Message(
                int.from_bytes(data[0:4], "little"),
                int.from_bytes(data[4:8], "little"),
                int.from_bytes(data[8:12], "little", signed=True),
                "".join(c if c.isprintable() else "?" for c in text),
            )
        )
        data = data[_HEADER + length :]
    return messages, data


def _memfd(name: str, data: bytes) -> int:
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
    return descriptor


def init_binary() -> bytes:
    """Read the init that belongs to this package.

    Raises HostError when it has not been built.
    """
    path = f"{dirname(dirname(__file__))}/init/pyoci-init"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise HostError(
            f"the init program {path} has not been built",
            hint="install the package with pip, or run make venv in a checkout",
        ) from None
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


class Stage:
    """A running plan.

    ``pid`` is the container's process as this process sees it, 0 until the init has cloned it.
    ``inherited`` are descriptors that `inherit_file` operations name; they and ``preserve``
    descriptors from 3 on keep their numbers.
    """

    __slots__ = (
        "_go",
        "_operations",
        "_queue",
        "_rest",
        "_status",
        "pid",
        "stage_pid",
        "warnings",
    )

    def __init__(
        self,
        operations: list[Operation],
        *,
        inherited: tuple[int, ...] = (),
        preserve: int = 0,
        stdio: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        self._operations = operations
        self._rest = b""
        self._queue: list[Message] = []
        self.pid = 0
        self.warnings: list[str] = []
        init = _memfd("pyoci-init", init_binary())
        plan = _memfd("pyoci-plan", encode(operations))
        status_read, status_write = os.pipe()
        go_read, go_write = os.pipe()
        os.set_blocking(status_read, True)
        # Numbers that collide neither with the descriptors to hand on nor with one another.
        lowest = max([3 + preserve, *[number + 1 for number in inherited]])
        given = []
        for source in (plan, status_write, go_read):
            given.append(fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, lowest + 8))
            os.close(source)
        # A stream that another is to be moved onto goes out of its way first.
        aside = [
            fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, lowest + 8) if source < target else source
            for target, source in enumerate(stdio)
        ]
        actions: list[tuple[int, int, int]] = [
            (os.POSIX_SPAWN_DUP2, source, target) for target, source in enumerate(aside)
        ]
        # dup2 onto itself clears close-on-exec in the child (posix_spawn(3)).
        actions += [(os.POSIX_SPAWN_DUP2, number, number) for number in (*given, *inherited)]
        try:
            self.stage_pid = os.posix_spawn(
                f"/proc/self/fd/{init}",
                ["pyoci-init", ",".join(str(number) for number in given)],
                {},
                file_actions=actions,
                setsigmask=[],
            )
        except OSError as error:
            os.close(status_read)
            os.close(go_write)
            raise HostError(
                f"cannot start the container's init: {reason(error)}",
                hint="memfd_create(2) files have to be executable: see the sysctl vm.memfd_noexec",
            ) from None
        finally:
            os.close(init)
            for number in given:
                os.close(number)
            for number, source in zip(aside, stdio):
                if number != source:
                    os.close(number)
        self._status = status_read
        self._go = go_write

    def run(self, on_sync: Callable[[str], None]) -> None:
        """Follow the plan to its end: until the user's program is executed, or waits for start.

        ``on_sync`` is called with the name of every sync operation, when ``pid`` is known; when it
        returns, the container goes on.

        Raises Failure when an operation fails, and whatever the callbacks raise.
        """
        for message in self._messages():
            if message.kind == PID:
                # Only the stage, on the host, tells it, and once. What holds the pipe later is
                # inside the container, which must not choose the process that abandon() kills.
                if not self.pid:
                    self.pid = message.index
                    self._reap_stage()
            elif message.kind == SYNC:
                on_sync(str(self._operation(message.index).values[0]))  # type: ignore[union-attr]
                self.go()
            elif message.kind == WARNING:
                self.warnings.append(message.detail)
            elif message.kind == FAILED:
                raise Failure(self._operation(message.index), message.errno, message.detail)
        if not self.pid:
            self._reap_stage()

    def go(self) -> None:
        """Let the container go on after a sync."""
        try:
            os.write(self._go, b"g")
        except BrokenPipeError:
            # It died (out of memory, most likely): the end of the status pipe tells.
            return

    def close(self) -> None:
        """Close this side's pipes; a container that still waits for us exits."""
        for descriptor in (self._status, self._go):
            if descriptor >= 0:
                os.close(descriptor)
        self._status = self._go = -1

    def _operation(self, index: int) -> Operation | None:
        return self._operations[index] if index < len(self._operations) else None

    def _reap_stage(self) -> int:
        if not self.stage_pid:
            return 0
        _, status = os.waitpid(self.stage_pid, 0)
        self.stage_pid = 0
        return status

    def abandon(self) -> None:
        """Kill and reap whatever of the plan still runs."""
        self.close()
        for pid in (self.pid, self.stage_pid):
            if pid:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
                try:
                    os.waitpid(pid, 0)
                except ChildProcessError:
                    pass
        self.pid = self.stage_pid = 0

    def _messages(self) -> Iterator[Message]:
        """Give the messages in order: the PID first, which another process tells than the rest.

        The container may have come to its first sync, or failed, before the stage has said which
        process it is.
        """
        early: list[Message] = []
        while message := self._next():
            if message.kind != PID and not self.pid:
                early.append(message)
                continue
            yield message
            yield from early
            early = []
        yield from early

    def _next(self) -> Message | None:
        while not self._queue:
            data = os.read(self._status, 65536)
            if not data:
                return None
            messages, self._rest = parse_messages(self._rest + data)
            self._queue += messages
        return self._queue.pop(0)
