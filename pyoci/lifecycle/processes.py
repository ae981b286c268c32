"""Which processes a container has."""

from __future__ import annotations

from pyoci.lifecycle.find import cgroup_of
from pyoci.state.store import Entry


def processes(entry: Entry) -> list[int]:
    """Give the PIDs of a container's processes, as the caller sees them; none when it has ended.

    They are those of its cgroup. Raises CgroupError for a container without one.
    """
    cgroup = cgroup_of(entry.read())
    return cgroup.pids() if cgroup is not None else []
