"""A container that exists: its directory, its state, its status."""

from __future__ import annotations

from pyoci import cgroup as cgroups
from pyoci.errors import PyociError
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
    return cgroups.from_record(state.cgroup) if state.cgroup else None


def status_of(entry: Entry, state: State) -> str:
    """Give the status, ``paused`` included."""
    status = state.status(entry)
    if status in ("running", "created"):
        cgroup = cgroup_of(state)
        try:
            if cgroup is not None and cgroup.frozen():
                return "paused"
        except PyociError:
            return status
    return status
