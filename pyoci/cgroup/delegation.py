"""What an ordinary user may do with a cgroup: is it delegated to him, and if not, what to do.

A cgroup is delegated by giving its directory and cgroup.procs to the user (cgroups(7), "Cgroup
delegation"). On v2 a process may be moved only by who may also write cgroup.procs of the cgroup
that both the old and the new one are below.
"""

from __future__ import annotations

import os

from pyoci.cgroup.files import read


def host_uid() -> int:
    """Give our effective uid as the user namespace above ours sees it (user_namespaces(7))."""
    uid = os.geteuid()
    for line in (read("/proc/self/uid_map") or "").splitlines():
        inside, outside, count = (int(word) for word in line.split())
        if inside <= uid < inside + count:
            return outside + uid - inside
    return uid


def hint(uid: int, controller: str = "memory") -> str:
    """Say how an ordinary user gets a delegated cgroup (systemd.resource-control(5), Delegate=)."""
    controllers = " ".join(sorted({"cpu", "cpuset", "io", "memory", "pids", controller}))
    return (
        f"delegate the controllers to uid {uid}: put '[Service]' and 'Delegate={controllers}' into "
        "/etc/systemd/system/user@.service.d/delegate.conf, run 'systemctl daemon-reload', log in "
        "again, and use --systemd-cgroup or run below 'systemd-run --user --scope -p Delegate=yes'"
    )


def missing(path: str, mountpoint: str, own: str | None = None) -> str | None:
    """Name what keeps us from making and entering a cgroup; None if nothing does.

    ``own`` is the directory of our own cgroup, for v2.
    """
    existing = path
    while len(existing) > len(mountpoint) and not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    needed = [f"{path}/cgroup.procs" if existing == path else existing]
    if own is not None:
        needed.append(f"{os.path.commonpath((own, path))}/cgroup.procs")
    for file in needed:
        if not os.access(file, os.W_OK, effective_ids=True):
            return file
    return None
