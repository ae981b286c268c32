"""delete: removes what create made, and nothing else."""

from __future__ import annotations

import posix as os
import time

from pyoci.errors import (
    ContainerNotFoundError,
    ContainerStateError,
    PyociError,
    StateFileError,
)
from pyoci.lifecycle.find import cgroup_of, status_of
from pyoci.state.process import is_alive
from pyoci.state.store import Entry, State

_KILL_WAIT = 10.0  # seconds; runc's 100 tries of 100 ms


def delete(entry: Entry, *, force: bool = False) -> list[str]:
    """Delete a container; gives warnings (failed poststop hooks).

    A created container may be deleted like a stopped one (runc and crun do): its init is killed.
    With ``force`` a running one is killed first, a missing one is no error, and a damaged state
    file no obstacle.

    Raises ContainerNotFoundError, ContainerStateError, StateFileError, CgroupError.
    """
    try:
        lock = entry.lock()
    except ContainerNotFoundError:
        if force:
            return []
        raise
    try:
        try:
            state = entry.read()
        except StateFileError:
            if not force:
                raise
            return _delete_damaged(entry)
        return delete_locked(entry, state, force=force)
    finally:
        os.close(lock)


def delete_locked(entry: Entry, state: State, *, force: bool) -> list[str]:
    """Delete a container whose lock is held."""
    status = state.status(entry)
    if status in ("running", "creating") and not force:
        status = status_of(entry, state)
        raise ContainerStateError(
            f"cannot delete container {state.id} that is not stopped: {status}",
            subject=state.id,
            hint=f"stop it first, or: pyoci delete --force {state.id}",
        )
    if status != "stopped":
        _end(state)
    cgroup = cgroup_of(state)
    if cgroup is not None and not cgroup.remove_idle():
        if cgroup.exists():
            # Processes of a container without a PID namespace outlive its first one.
            cgroup.kill(9)
        cgroup.remove()
    try:
        hooks = entry.read_hooks("poststop")
    except PyociError:
        hooks = []
    entry.remove()
    if not hooks:
        return []
    from pyoci.hooks import run_all_hooks
    from pyoci.lifecycle.report import state_text

    return run_all_hooks("poststop", hooks, state_text(state, "stopped", 0))


def _end(state: State) -> None:
    """Kill a container's init, or a create that is still at it, and wait until it is gone."""
    if not state.pid:
        if is_alive(state.creator, state.creator_start_time):
            os.kill(state.creator, 9)
        return
    deadline = time.monotonic() + _KILL_WAIT
    try:
        os.kill(state.pid, 9)
    except ProcessLookupError:
        return
    cgroup = cgroup_of(state)
    try:
        if cgroup is not None and cgroup.frozen():
            cgroup.thaw()
    except PyociError:
        pass
    _wait_gone(state, deadline)


def _wait_gone(state: State, deadline: float) -> None:
    """Wait for the end of a process, by a pidfd: no polling, and no other process's PID."""
    import select

    try:
        pidfd = os.pidfd_open(state.pid)
    except OSError:
        return
    try:
        if not is_alive(state.pid, state.start_time):
            return
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            raise PyociError(
                f"container {state.id} is still there {_KILL_WAIT:.0f} s after SIGKILL",
                subject=state.id,
                hint="its process hangs in the kernel: see /proc/PID/stack, and try again",
            )
    finally:
        os.close(pidfd)


def _delete_damaged(entry: Entry) -> list[str]:
    """Remove what a container with an unusable state file has left.

    Its processes are found by the cgroup that its configuration names, or the default one.
    """
    from pyoci import cgroup as cgroups

    path = None
    try:
        path = (entry.read_config().get("linux") or {}).get("cgroupsPath")
    except PyociError:
        path = None
    try:
        # How it was created is lost too; a path of systemd's form says it.
        systemd = path is not None and path.count(":") == 2 and "/" not in path
        cgroup = cgroups.resolve(path, entry.id, systemd=systemd, rootless=os.geteuid() != 0)
        cgroup.take_over()
        if cgroup.exists():
            cgroup.kill(9)
            cgroup.remove()
    except PyociError as error:
        entry.remove()
        return [str(error)]
    entry.remove()
    return []
