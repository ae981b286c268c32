"""kill: sends a signal to the container's process, or to all of them."""

from __future__ import annotations

import posix as os

from pyoci.errors import ContainerStateError, PyociError
from pyoci.lifecycle.find import cgroup_of, status_of
from pyoci.plan.namespaces import Namespaces
from pyoci.state.process import is_alive
from pyoci.state.store import Entry, State

_SIGKILL = 9


def kill(entry: Entry, number: int, *, everybody: bool = False) -> None:
    """Send a signal.

    With ``everybody``, and for SIGKILL to a container without a PID namespace of its own, every
    process in its cgroup gets it: there is no init whose end would take them along.

    Raises ContainerStateError ``container not running``.
    """
    state = entry.read()
    status = status_of(entry, state)
    if everybody:
        _kill_all(state, number)
        return
    if status == "stopped":
        if not _has_own_pids(entry) and number == _SIGKILL:
            _kill_all(state, number)
            return
        raise not_running(state)
    if number == _SIGKILL and not _has_own_pids(entry):
        _kill_all(state, number)
        return
    send(state, number)
    if number == _SIGKILL and status == "paused":
        # A frozen process dies only when it is thawed (cgroup v1).
        cgroup = cgroup_of(state)
        if cgroup is not None:
            cgroup.thaw()


def send(state: State, number: int) -> None:
    """Send a signal to the container's process, and to no other that got its PID since."""
    try:
        pidfd = os.pidfd_open(state.pid)
    except OSError:
        raise not_running(state) from None
    try:
        if not is_alive(state.pid, state.start_time):
            raise not_running(state)
        import _signal

        _signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        raise not_running(state) from None
    except PermissionError:
        raise PyociError(
            f"cannot signal container {state.id}: it belongs to another user", subject=state.id
        ) from None
    finally:
        os.close(pidfd)


def not_running(state: State) -> ContainerStateError:
    """Give the error that engines know as "it has ended already"."""
    return ContainerStateError(
        "container not running",
        subject=state.id,
        hint=f"pyoci delete {state.id} removes what is left of it",
    )


def _has_own_pids(entry: Entry) -> bool:
    return Namespaces(entry.read_config()).has("pid")


def _kill_all(state: State, number: int) -> None:
    cgroup = cgroup_of(state)
    if cgroup is not None and cgroup.exists():
        cgroup.kill(number)
