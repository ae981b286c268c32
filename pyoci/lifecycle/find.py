"""A container that exists: its directory, its state, its status."""

from __future__ import annotations

from pyoci.errors import CgroupError
from pyoci.state.store import Entry, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.cgroup import Cgroup


def find(root: str, container_id: str) -> tuple[Entry, State]:
    """Give a container's directory and state.

    Raises ContainerNotFoundError or StateFileError.
    """
    entry = Entry(root, container_id)
    return entry, entry.read()


def cgroup_of(state: State) -> Cgroup | None:
    """Give the container's cgroup, None when it has none."""
    if not state.cgroup:
        return None
    from pyoci.cgroup.recorded import from_record

    return from_record(state.cgroup)


def required_cgroup(state: State, doing: str) -> Cgroup:
    """Give the container's cgroup; raises CgroupError when it has none."""
    cgroup = cgroup_of(state)
    if cgroup is None:
        raise CgroupError(f"{doing} container {state.id}: it has no cgroup", subject=state.id)
    return cgroup


def status_of(entry: Entry, state: State) -> str:
    """Give the status, ``paused`` included."""
    status = state.status(entry)
    if status in ("running", "created"):
        from pyoci.cgroup.frozen import recorded_as_frozen

        try:
            if state.cgroup and recorded_as_frozen(state.cgroup):
                return "paused"
        except (KeyError, TypeError, AttributeError):
            return status
    return status
