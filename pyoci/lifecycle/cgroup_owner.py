"""Whose a container's cgroup is to be (config-linux.md, "Cgroup ownership"): cgroup v2 only.

A program that manages cgroups of its own, such as systemd in a container, has to be able to write
to the one it is in. It may where it sees nothing else: in a cgroup namespace of its own, and with
the hierarchy mounted at /sys/fs/cgroup, not read-only.
"""

from __future__ import annotations

from pyoci.paths import normpath
from pyoci.plan.namespaces import Namespaces, host_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host

_CAP_CHOWN = 0


def cgroup_owner(config: dict[str, Any], host: Host, uid_map: str) -> int | None:
    """Give the host's uid that is to own the container's cgroup; None: leave it as it is.

    It is the one of process.user.uid. ``uid_map`` is the content of that file for the container's
    init, as the caller reads it (user_namespaces(7)); an unmapped uid owns nothing.
    """
    namespaces = Namespaces(config)
    if not host.unified or "cgroup" not in namespaces.new or not host.effective >> _CAP_CHOWN & 1:
        return None
    if not any(_shows_cgroups(mount) for mount in config.get("mounts") or ()):
        return None
    uid = ((config.get("process") or {}).get("user") or {}).get("uid") or 0
    if not namespaces.has("user"):
        return int(uid)
    mappings = []
    for line in uid_map.splitlines():
        inside, outside, size = (int(word) for word in line.split())
        mappings.append({"containerID": inside, "hostID": outside, "size": size})
    return host_id(mappings, uid)


def _shows_cgroups(mount: dict[str, Any]) -> bool:
    writable = True
    for option in mount.get("options") or ():
        if option in ("ro", "rw"):
            writable = option == "rw"
    return (
        writable
        and mount.get("source") == "cgroup"
        and normpath("/" + mount["destination"]) in ("/sys/fs/cgroup", "//sys/fs/cgroup")
    )
