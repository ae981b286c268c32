"""events: what a container uses, now or again and again, and notices of out-of-memory kills."""

from __future__ import annotations

import os
import select
import time

from pyoci.errors import ContainerStateError
from pyoci.lifecycle.find import required_cgroup
from pyoci.state.process import is_alive
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyoci.cgroup import Cgroup
    from pyoci.cgroup.oom import OomWatch
    from pyoci.state.store import State


def stats(entry: Entry) -> dict[str, Any]:
    """Give what a container uses: the ``data`` of runc's ``events --stats``.

    Times are in nanoseconds, sizes in bytes. Raises ContainerStateError when it has stopped,
    CgroupError when it has no cgroup.
    """
    return _figures(_cgroup(entry, entry.read()))


def events(entry: Entry, interval: float) -> Iterator[dict[str, Any]]:
    """Give a container's events as they happen, until it stops.

    ``{"type": "stats", "id": …, "data": …}`` every ``interval`` seconds, the first one after the
    first of them, and ``{"type": "oom", "id": …}`` for every kill for want of memory.

    Raises as `stats` does, and CgroupError without a memory controller.
    """
    state = entry.read()
    cgroup = _cgroup(entry, state)
    pidfd = _pidfd(state)
    try:
        watch = cgroup.oom_watch()
        try:
            yield from _follow(state.id, cgroup, watch, pidfd, interval)
        finally:
            watch.close()
    finally:
        os.close(pidfd)


def _follow(
    container_id: str, cgroup: Cgroup, watch: OomWatch, pidfd: int, interval: float
) -> Iterator[dict[str, Any]]:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(watch, watch.poll_mask)
    due = time.monotonic() + interval
    while True:
        left = due - time.monotonic()
        ready = {descriptor for descriptor, _ in poll.poll(max(0, left * 1000))}
        # Before the end: the kill that a notice is about may have been the container's own end.
        if ready:
            for _ in range(watch.drain()):
                yield {"type": "oom", "id": container_id}
        if pidfd in ready:
            return
        if time.monotonic() >= due:
            due += interval * max(1, (time.monotonic() - due) // interval + 1)
            yield {"type": "stats", "id": container_id, "data": _figures(cgroup)}


def _figures(cgroup: Cgroup) -> dict[str, Any]:
    return {**cgroup.stats(), "intel_rdt": {}, "network_interfaces": None}


def _cgroup(entry: Entry, state: State) -> Cgroup:
    if state.status(entry) == "stopped":
        raise _not_running(state)
    return required_cgroup(state, "read statistics of")


def _pidfd(state: State) -> int:
    try:
        pidfd = os.pidfd_open(state.pid)
    except OSError:
        raise _not_running(state) from None
    if not is_alive(state.pid, state.start_time):
        os.close(pidfd)
        raise _not_running(state)
    return pidfd


def _not_running(state: State) -> ContainerStateError:
    return ContainerStateError(
        f"container with id {state.id} is not running",
        subject=state.id,
        hint=f"pyoci state {state.id} tells what it does",
    )
