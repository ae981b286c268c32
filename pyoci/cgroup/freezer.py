"""Stopping and continuing all processes of a cgroup: freezer.state (v1), cgroup.freeze (v2).

A frozen cgroup that nobody thaws is a container that hangs for ever, so a freeze that does not
succeed is always taken back.
"""

from __future__ import annotations

import time

from pyoci.cgroup.files import read, reason, write
from pyoci.errors import CgroupError

FREEZE_SECONDS = 10.0
AGAIN_SECONDS = 0.05


def freeze_legacy(directory: str, seconds: float = FREEZE_SECONDS) -> None:
    """Stop the processes of a v1 cgroup and wait until they are stopped; raises CgroupError.

    A process that forks or execs meanwhile can leave the cgroup FREEZING for ever: thawing and
    freezing it again gets past that.
    """
    state = f"{directory}/freezer.state"
    deadline = time.monotonic() + seconds
    try:
        while True:
            write(state, "FROZEN")
            again = time.monotonic() + AGAIN_SECONDS
            pause = 0.0001
            while (now := read(state)) != "FROZEN":
                if now is None:
                    raise CgroupError(f"freeze {directory}: the cgroup has been removed")
                if time.monotonic() > again:
                    break
                time.sleep(pause)
                pause = min(pause * 2, 0.01)
            else:
                return
            write(state, "THAWED")
            if time.monotonic() > deadline:
                raise _not_stopped(directory, seconds)
    except OSError as error:
        thaw_legacy(directory)
        raise CgroupError(f"freeze {directory}: {reason(error)}") from None


def thaw_legacy(directory: str) -> None:
    """Let the processes of a v1 cgroup run; nothing happens when it is gone. Raises CgroupError."""
    _thaw(directory, "freezer.state", "THAWED")


def freeze_unified(directory: str, seconds: float = FREEZE_SECONDS) -> None:
    """Stop the processes of a v2 cgroup and wait until they are stopped; raises CgroupError."""
    import os
    import select

    deadline = time.monotonic() + seconds
    events = -1
    try:
        events = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        write(f"{directory}/cgroup.freeze", "1")
        poll = select.poll()
        # kernfs announces every change of the file, counted from the last time it was read.
        poll.register(events, select.POLLPRI)
        while b"frozen 1" not in os.pread(events, 4096, 0):
            left = deadline - time.monotonic()
            if left <= 0:
                thaw_unified(directory)
                raise _not_stopped(directory, seconds)
            poll.poll(left * 1000)
    except OSError as error:
        thaw_unified(directory)
        raise CgroupError(f"freeze {directory}: {reason(error)}") from None
    finally:
        if events >= 0:
            os.close(events)


def thaw_unified(directory: str) -> None:
    """Let the processes of a v2 cgroup run; nothing happens when it is gone. Raises CgroupError."""
    _thaw(directory, "cgroup.freeze", "0")


def _thaw(directory: str, file: str, value: str) -> None:
    try:
        write(f"{directory}/{file}", value)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == 19:  # ENODEV: removed while the file was open
            return
        raise CgroupError(f"thaw {directory}: {reason(error)}") from None


def _not_stopped(directory: str, seconds: float) -> CgroupError:
    return CgroupError(
        f"freeze {directory}: its processes are not stopped after {seconds:.0f} s",
        hint="one of them hangs in the kernel: see /proc/PID/stack; it runs again now",
    )
