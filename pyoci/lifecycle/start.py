"""start: lets a created container execute its program."""

from __future__ import annotations

import errno
import posix as os
import select

from pyoci import phases
from pyoci.errors import ContainerStateError, HookError, PyociError
from pyoci.lifecycle.find import status_of
from pyoci.state.store import FIFO, REPORT, Entry, State, read_file

_POLLERR = 8


def start(entry: Entry) -> None:
    """Start a created container; returns when its program has been executed.

    The poststart hooks run before it returns; when one fails the container is stopped
    (runtime.md, Lifecycle, since 1.3).

    Raises ContainerStateError unless the container is created, CommandError when its program
    cannot be executed.
    """
    lock = entry.lock()
    try:
        state = entry.read()
        _check_status(entry, state)
        phases.mark("check")
        _release(entry)
        _check_report(entry, state)
        os.unlink(entry.file(FIFO))
        phases.mark("exec")
        run_poststart(entry, state)
    finally:
        os.close(lock)


def run_poststart(entry: Entry, state: State) -> None:
    """Run the poststart hooks; when one fails, kill the container and raise HookError."""
    hooks = entry.read_hooks("poststart")
    if not hooks:
        return
    from pyoci.hooks import run_hooks
    from pyoci.lifecycle.report import state_text

    try:
        run_hooks("poststart", hooks, state_text(state, "running", state.pid))
    except HookError:
        try:
            os.kill(state.pid, 9)
        except ProcessLookupError:
            pass
        raise


def _check_status(entry: Entry, state: State) -> None:
    status = status_of(entry, state)
    if status == "created":
        return
    raise ContainerStateError(
        {
            "stopped": "cannot start a container that has stopped",
            "running": "cannot start an already running container",
            "paused": "cannot start a paused container",
        }.get(status, f"cannot start a container in the {status} state"),
        subject=state.id,
        hint="create it again: a container starts once"
        if status == "stopped"
        else f"pyoci state {state.id} tells what it does",
    )


def _release(entry: Entry) -> None:
    """Write to the fifo the init reads, and wait until it has executed the program or failed.

    The init is the only reader and its descriptor closes on exec: then poll(2) reports an error on
    the writing end.
    """
    try:
        fifo = os.open(entry.file(FIFO), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise ContainerStateError(
                "cannot start a container that has stopped", subject=entry.id
            ) from None
        raise PyociError(
            f"cannot open the start fifo of container {entry.id}", subject=entry.id
        ) from None
    try:
        os.write(fifo, b"s")
        poll = select.poll()
        poll.register(fifo, 0)
        while not any(event & _POLLERR for _, event in poll.poll()):
            pass
    finally:
        os.close(fifo)


def _check_report(entry: Entry, state: State) -> None:
    """Raise what the init wrote when it could not execute the program."""
    data = read_file(entry.file(REPORT))
    if not data:
        return
    from pyoci.plan.stage import FAILED, parse_messages

    messages, _ = parse_messages(data[:8192])
    for message in messages:
        if message.kind == FAILED:
            _raise_failure(entry, state, message.errno, message.detail)


def _raise_failure(entry: Entry, state: State, number: int, detail: str) -> None:
    from pyoci.plan.failure import explain
    from pyoci.plan.operations import Operation
    from pyoci.plan.stage import Failure

    # The plan is gone; after the fifo there are only these three kinds of operation.
    config = entry.read_config()
    name = "exec"
    pointer = "/process/args"
    values: tuple[str, ...] = ()
    if detail.startswith("hook"):
        raise HookError(
            f"error running startContainer {detail}",
            subject="/hooks/startContainer",
            hint="run the hook by hand inside the container's root",
        )
    if detail.startswith("seccomp"):
        name, pointer = "seccomp", "/linux/seccomp"
    failure = Failure(Operation(name, pointer, values), number, detail)
    if name == "seccomp":
        raise PyociError(
            f"unable to load the seccomp filter: {os.strerror(number).lower()}", subject=pointer
        )
    raise explain(failure, config, config.get("process") or {}, state.rootfs)
