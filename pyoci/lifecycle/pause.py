"""pause and resume: stops all processes of a container, and lets them run again."""

from __future__ import annotations

import posix as os

from pyoci.errors import ContainerStateError
from pyoci.lifecycle.find import required_cgroup, status_of
from pyoci.lifecycle.kill import not_running
from pyoci.state.store import Entry


def pause(entry: Entry) -> None:
    """Stop all processes of a created or running container; they are stopped when it returns.

    Raises ContainerStateError ``container not running``, also for a paused one, as runc does.
    """
    lock = entry.lock()
    try:
        state = entry.read()
        status = status_of(entry, state)
        if status == "paused":
            raise ContainerStateError(
                "container not running",
                subject=state.id,
                hint=f"it is paused already; pyoci resume {state.id} lets it run again",
            )
        if status not in ("created", "running"):
            raise not_running(state)
        required_cgroup(state, "pause").freeze()
    finally:
        os.close(lock)


def resume(entry: Entry) -> None:
    """Let the processes of a paused container run again.

    Raises ContainerStateError ``container not paused``.
    """
    lock = entry.lock()
    try:
        state = entry.read()
        status = status_of(entry, state)
        if status != "paused":
            raise ContainerStateError(
                "container not paused", subject=state.id, hint=f"it is {status}"
            )
        required_cgroup(state, "resume").thaw()
    finally:
        os.close(lock)
