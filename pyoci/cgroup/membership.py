"""Putting a process into a cgroup, or into one that the container has made inside its own."""

from __future__ import annotations

import errno

from pyoci.cgroup.files import CgroupGoneError, read, reason, write
from pyoci.cgroup.hierarchies import unified_cgroup_of
from pyoci.errors import CgroupError
from pyoci.paths import isdir

HINTS = {
    errno.EBUSY: "the cgroup hands controllers to cgroups inside it: name one of those",
    errno.ENOSPC: "set /linux/resources/cpu/cpus and mems, or those of the cgroups above",
    errno.EINVAL: "a realtime process needs /linux/resources/cpu/realtimeRuntime",
    errno.EACCES: "the cgroup that both are below has to be delegated to this user as well",
}


def enter(path: str, pid: int, init_pid: int | None = None) -> None:
    """Put a process into a cgroup; with ``init_pid``, beside that one where v2 demands it.

    Raises CgroupError.
    """
    try:
        write(f"{path}/cgroup.procs", str(pid))
    except OSError as error:
        if error.errno == errno.EBUSY and init_pid is not None:
            beside = unified_cgroup_of(init_pid, path)
            if beside is not None and beside != path:
                enter(beside, pid)
                return
        start = f"put process {pid} into cgroup {path}"
        if error.errno in (errno.ENOENT, errno.ENODEV):
            raise CgroupGoneError(
                f"{start}: it has been removed",
                hint="the container has stopped, or somebody removed its cgroup",
            ) from None
        hint = HINTS.get(error.errno or 0)
        raise CgroupError(f"{start}: {reason(error)}", hint=hint) from None


def memberships(pid: int) -> list[tuple[str, str]]:
    """Give a process's cgroup of every controller, as paths below our own root (cgroups(7)).

    The v2 hierarchy is the controller "". A process that is gone is in none.
    """
    found = []
    for line in (read(f"/proc/{pid}/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found += [(controller, path) for controller in controllers.split(",")]
    return found


def may_enter(path: str) -> bool:
    """Say whether a v2 cgroup may hold processes: not while it hands controllers to children.

    The root of the hierarchy may, but that is no container's.
    """
    return not read(f"{path}/cgroup.subtree_control")


def inside(path: str, inner: str) -> str:
    """Give a path inside a cgroup; raises CgroupError when it leaves it or is not there."""
    parts = [part for part in inner.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in inner:
        raise CgroupError(
            f"enter cgroup {inner!r}: it is not below the container's",
            hint="give a path without '..'",
        )
    target = "/".join([path, *parts])
    if parts and not isdir(target):
        raise CgroupError(
            f"enter cgroup {inner!r}: the container has none of that path",
            hint="make it inside the container first",
        )
    return target
