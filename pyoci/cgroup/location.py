"""Where a container's cgroup is: linux.cgroupsPath and the host's layout give one of the backends.

A pure decision (runtime-spec, config-linux.md "Cgroups Path"): an absolute path is below the mount
point of each hierarchy, a relative one below a default of ours, which is runc's: on v1 the cgroup
we are in; on v2 its parent, because a v2 cgroup with processes inside cannot hand controllers to
children (cgroups(7), "no internal processes"). With systemd the path is ``slice:prefix:name``.
"""

from __future__ import annotations

from pyoci.cgroup.hierarchies import Hierarchies, read_hierarchies
from pyoci.errors import CgroupError
from pyoci.paths import dirname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.cgroup.hierarchies import Hierarchy
    from pyoci.cgroup.interface import Cgroup
    from pyoci.cgroup.legacy import LegacyCgroup
    from pyoci.cgroup.unified import UnifiedCgroup

POINTER = "/linux/cgroupsPath"


def resolve(
    cgroups_path: str | None,
    container_id: str,
    *,
    systemd: bool,
    rootless: bool,
    host: Hierarchies | None = None,
    uid: int | None = None,
    annotations: dict[str, str] | None = None,
) -> Cgroup:
    """Decide the container's cgroup; nothing is made or changed.

    ``host`` and ``uid`` default to this host and our uid on it. With ``systemd`` properties of the
    unit may come from ``annotations`` (see `systemd_annotations`). Raises CgroupError for a path
    that is not acceptable (``..``, or not ``slice:prefix:name`` with ``systemd``).
    """
    if host is None:
        host = read_hierarchies()
    if host.layout == "none":
        from pyoci.cgroup.absent import AbsentCgroup

        return AbsentCgroup("no cgroup hierarchy is mounted")
    if not systemd:
        inner = clean(cgroups_path) if cgroups_path else container_id
        if rootless:
            from pyoci.cgroup import delegation

            return _rootless(inner, host, delegation.host_uid() if uid is None else uid)
        return _direct(inner, host)
    from pyoci.cgroup.systemd import SystemdCgroup, unit_of

    unit, slice_name, path = unit_of(cgroups_path, container_id, rootless=rootless)
    if rootless:
        from pyoci.cgroup.delegation import host_uid

        path = user_manager_cgroup(host, host_uid() if uid is None else uid) + path
    inner_cgroup = _direct(path, host, rootless, managed=True)
    return SystemdCgroup(inner_cgroup, unit, slice_name, rootless=rootless, annotations=annotations)


def clean(path: str) -> str:
    """Normalise linux.cgroupsPath, keeping it absolute or relative; refuse ``..`` and NUL."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise CgroupError(
            f"{POINTER} {path!r} must not contain '..' or NUL: it would leave the cgroup tree",
            subject=POINTER,
            hint="give the path below the mount point, without '..'",
        )
    if not parts:
        raise CgroupError(
            f"{POINTER} {path!r} names the root of the hierarchy",
            subject=POINTER,
            hint="give the container a cgroup of its own, such as /pyoci/ID",
        )
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def _rootless(inner: str, host: Hierarchies, uid: int) -> Cgroup:
    """Leave out the hierarchies in which nothing is delegated to us; absent if that is all.

    Decided here, before the container's mounts and its place are planned, not when making it fails.
    """
    from pyoci.cgroup import delegation

    refused = ""
    usable: list[Hierarchy] = []
    unified = host.unified
    if host.layout == "unified" and unified is not None:
        path = place(inner, unified.mountpoint, parent(unified.own))
        own = place("", unified.mountpoint, unified.own)
        missing = delegation.missing(path, unified.mountpoint, own)
        if missing is None:
            return _direct(inner, host, True)
        refused = missing
    else:
        for hierarchy in [*host.legacy, *([unified] if unified else [])]:
            path = place(inner, hierarchy.mountpoint, hierarchy.own)
            own = place("", hierarchy.mountpoint, hierarchy.own)
            missing = delegation.missing(
                path, hierarchy.mountpoint, None if hierarchy.controllers else own
            )
            if missing is None:
                usable.append(hierarchy)
            else:
                refused = refused or missing
        if usable:
            return _legacy(inner, usable, True)
    from pyoci.cgroup.absent import AbsentCgroup

    return AbsentCgroup(
        f"no cgroup is delegated to uid {uid}: {refused} is not writable", undelegated=True
    )


def _direct(
    inner: str, host: Hierarchies, rootless: bool = False, *, managed: bool = False
) -> LegacyCgroup | UnifiedCgroup:
    unified = host.unified
    if host.layout == "unified" and unified is not None:
        from pyoci.cgroup.unified import UnifiedCgroup

        path = place(inner, unified.mountpoint, parent(unified.own))
        return UnifiedCgroup(path, unified.mountpoint, rootless=rootless, managed=managed)
    hierarchies = [*host.legacy, *([unified] if unified else [])]
    return _legacy(inner, hierarchies, rootless, managed=managed)


def _legacy(
    inner: str, hierarchies: list[Hierarchy], rootless: bool, *, managed: bool = False
) -> LegacyCgroup:
    from pyoci.cgroup.legacy import LegacyCgroup

    directories: dict[str, str] = {}
    mounts: dict[str, str] = {}
    for hierarchy in hierarchies:
        path = place(inner, hierarchy.mountpoint, hierarchy.own)
        for controller in hierarchy.controllers or ("",):
            directories[controller] = path
            mounts[controller] = hierarchy.mountpoint
    return LegacyCgroup(directories, mounts, rootless=rootless, managed=managed)


def parent(own: str) -> str:
    """Give the cgroup above our own, which has no processes of its own as a rule."""
    return dirname(own) or "/"


def place(inner: str, mountpoint: str, own: str) -> str:
    """Put a cgroup path below a mount point: absolute ones directly, others below ``own``."""
    if inner.startswith("/"):
        return mountpoint + inner
    return (mountpoint + own.rstrip("/") + "/" + inner).rstrip("/")


def user_manager_cgroup(host: Hierarchies, uid: int) -> str:
    """Give the cgroup of the user's own systemd, below which its units are.

    Our own cgroup names it when we run below it; otherwise it is where systemd always puts it.
    """
    service = f"user@{uid}.service"
    for hierarchy in [*([host.unified] if host.unified else []), *host.legacy]:
        before, found, _ = hierarchy.own.partition(f"/{service}")
        if found:
            return before + found
    return f"/user.slice/user-{uid}.slice/{service}"
