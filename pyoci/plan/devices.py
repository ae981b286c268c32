"""``/linux/devices``, and the devices and links that every container has (config-linux.md)."""

from __future__ import annotations

from pyoci.errors import SpecError
from pyoci.plan.mounts import ATTR_NOEXEC, ATTR_NOSUID, MS_PRIVATE, MountFlags, clean
from pyoci.plan.operations import NO_SLOT, NOFOLLOW_TARGET, TARGET_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host
    from pyoci.plan.namespaces import Namespaces
    from pyoci.plan.writer import PlanWriter

S_IFCHR = 0o020000
S_IFBLK = 0o060000
S_IFIFO = 0o010000
_TYPES = {"c": S_IFCHR, "u": S_IFCHR, "b": S_IFBLK, "p": S_IFIFO}

# path, major, minor
DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
)


def brings_own_dev(config: dict[str, Any]) -> bool:
    """Say whether /dev is a bind mount: then it is the user's, and nothing is made in it."""
    return any(
        clean(mount["destination"]) == "/dev" and MountFlags(mount.get("options") or []).bind
        for mount in config.get("mounts") or ()
    )


def compile_devices(
    plan: PlanWriter, config: dict[str, Any], host: Host, namespaces: Namespaces
) -> None:
    """Add the devices of the configuration, the default ones, and the links of /dev."""
    if brings_own_dev(config):
        return
    # mknod(2) of devices is not for user namespaces (user_namespaces(7)): the host's node instead.
    bind = namespaces.has("user") or host.in_user_namespace
    listed: set[str] = set()
    for index, device in enumerate((config.get("linux") or {}).get("devices") or ()):
        pointer = f"/linux/devices/{index}"
        path = clean(device["path"])
        listed.add(path)
        mode = _TYPES[device["type"]] | (device.get("fileMode") or 0o666) & 0o7777
        if bind and device["type"] != "p":
            _bind(plan, path, pointer, host)
            continue
        plan.container.add(
            "make_device",
            pointer,
            path,
            mode,
            device.get("major", 0),
            device.get("minor", 0),
            device.get("uid") or 0,
            device.get("gid") or 0,
        )
    for path, major, minor in DEFAULT_DEVICES:
        if path in listed:
            continue
        if bind:
            _bind(plan, path, "", host)
        else:
            plan.container.add("make_device", "", path, S_IFCHR | 0o666, major, minor, 0, 0)
    if host.exists("/proc/kcore"):
        plan.container.add("make_symlink", "", "/proc/kcore", "/dev/core")
    for target, path in LINKS:
        plan.container.add("make_symlink", "", target, path)
    if not any(clean(mount["destination"]) == "/dev/ptmx" for mount in config.get("mounts") or ()):
        plan.container.add("make_symlink", "", "pts/ptmx", "/dev/ptmx")


def _bind(plan: PlanWriter, path: str, pointer: str, host: Host) -> None:
    if not host.exists(path):
        raise SpecError(
            f"{pointer or '/linux/devices'}: the host has no {path} to show in the container",
            subject=pointer,
            hint="a user namespace cannot make device nodes; remove the device or create it on "
            "the host",
        )
    slot = plan.slot()
    plan.sources.add("open_tree", pointer, slot, path, 0, 0)
    plan.sources.add(
        "mount_attributes", pointer, slot, ATTR_NOSUID | ATTR_NOEXEC, 0, MS_PRIVATE, 0, NO_SLOT
    )
    plan.container.add(
        "attach_mount", pointer, slot, path, TARGET_FILE, NOFOLLOW_TARGET, note="device"
    )
