"""What of a container lies outside of it: mounts, namespaces and files that CRIU cannot dump.

Each gets a key at the dump, by which the restore says what takes its place.
"""

from __future__ import annotations

import errno
import posix as os

from pyoci.cgroup.hierarchies import unescape
from pyoci.paths import exists, isdir
from pyoci.plan.devices import DEFAULT_DEVICES
from pyoci.plan.mounts import MountFlags, clean
from pyoci.plan.namespaces import NAMESPACE_FILES, Namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup import Cgroup
    from pyoci.criu.messages import Options

# The keys of masked paths: all of a kind are covered by the same thing.
MASKED_FILE = "masked-file"
MASKED_DIRECTORY = "masked-directory"
DESCRIPTORS_FILE = "descriptors.json"
# The keys are runc's: CRIU knows these two types of external namespaces.
NAMESPACE_KEYS = {"network": "extRootNetNS", "pid": "extRootPidNS"}
_MOST_LINKS = 40  # as in the kernel
_TYPE, _REGULAR, _CHARACTER = 0o170000, 0o100000, 0o020000
_MEMORY_DEVICES = 1  # their major number (null(4))


class MountTable:
    """The mounts of a process as it sees them: their ids, and where they are."""

    __slots__ = ("ids", "points")

    def __init__(self, pid: int) -> None:
        self.ids: set[int] = set()
        self.points: set[str] = set()
        with open(f"/proc/{pid}/mountinfo", "rb") as file:
            for line in file:
                fields = line.split(b" ")
                self.ids.add(int(fields[0]))
                self.points.add(unescape(fields[4].decode("utf-8", "surrogateescape")))


def dumped_mounts(
    config: dict[str, Any], pid: int, table: MountTable, cgroup: Cgroup | None
) -> Options:
    """Give the container's mounts of something outside, as (mount point, key)."""
    found = {}
    root = f"/proc/{pid}/root"
    for path in (config.get("linux") or {}).get("maskedPaths") or ():
        point = inside(root, path)
        if point in table.points:
            found[point] = MASKED_DIRECTORY if isdir(root + point) else MASKED_FILE
    for key in outside_mounts(config, cgroup):
        point = inside(root, key)
        if point in table.points:
            found[point] = key
    return [("ext_mnt", (point, key)) for point, key in found.items()]


def outside_mounts(config: dict[str, Any], cgroup: Cgroup | None) -> dict[str, dict[str, Any]]:
    """Give what a container shows of the host, by key: the destination. As entries of /mounts."""
    mounts: dict[str, dict[str, Any]] = {}
    devices = [device["path"] for device in (config.get("linux") or {}).get("devices") or ()]
    for path in (*(path for path, _, _ in DEFAULT_DEVICES), *devices):
        # Devices are bind mounts where they cannot be made; elsewhere nothing has this key.
        if exists(path):
            options = ["bind", "private", "nosuid", "noexec"]
            mounts[clean(path)] = {"source": path, "options": options}
    for mount in config.get("mounts") or ():
        flags = MountFlags(mount.get("options") or [])
        key = clean(mount["destination"])
        if flags.bind and not flags.remount:
            mounts[key] = mount
        elif mount.get("type") in ("cgroup", "cgroup2"):
            mounts.update(_cgroup_mounts(config, key, mount.get("options") or [], cgroup))
    return mounts


def _cgroup_mounts(
    config: dict[str, Any], target: str, options: list[str], cgroup: Cgroup | None
) -> dict[str, dict[str, Any]]:
    """Give the directories that a mount of type cgroup shows, where they are mounted as such.

    With a cgroup namespace they are file systems of their own, except for v2 beside v1.
    """
    mounts: dict[str, dict[str, Any]] = {}
    if cgroup is None:
        return mounts
    unified = exists("/sys/fs/cgroup/cgroup.controllers")
    namespace = Namespaces(config).has("cgroup")
    kept = ["bind", "private", "nosuid", "noexec", "nodev", *(["ro"] if "ro" in options else [])]
    for controllers, path, name in cgroup.namespace_mounts():
        if not namespace or not (controllers or unified):
            key = target if unified else f"{target}/{name}"
            mounts[key] = {"source": path, "options": kept}
    return mounts


def dumped_namespaces(config: dict[str, Any], pid: int) -> Options:
    """Give the namespaces that the container has joined and CRIU can leave alone."""
    options: Options = []
    joined = Namespaces(config).joined
    for kind, key in NAMESPACE_KEYS.items():
        if kind in joined:
            file = NAMESPACE_FILES[kind]
            inode = os.stat(f"/proc/{pid}/ns/{file}").st_ino
            options.append(("external", f"{file}[{inode}]:{key}"))
    return options


def dumped_streams(pid: int, table: MountTable) -> tuple[list[str], Options]:
    """Give what the standard streams are, and which of them CRIU is to leave alone.

    Pipes it dumps with what is in them; files, and the null device, that lie outside of the
    container it cannot.
    """
    names: list[str] = []
    options: Options = []
    for stream in range(3):
        path = f"/proc/{pid}/fd/{stream}"
        try:
            name = os.readlink(path)
            facts = os.stat(path)
            if _is_file(facts) and (mount := _mount_of(pid, stream)) not in table.ids:
                name = f"file[{mount:x}:{facts.st_ino:x}]"
                if ("external", name) not in options:
                    options.append(("external", name))
        except OSError:
            # Closed by the program.
            name = ""
        names.append(name)
    return names, options


def restored_streams(names: list[str], numbers: tuple[int, int, int]) -> Options:
    """Give the streams that take the place of those `dumped_streams` has named."""
    return [
        ("inherit_fd", (name, number))
        for name, number in zip(names, numbers)
        if isinstance(name, str) and name.startswith(("pipe:[", "file["))
    ]


def _is_file(facts: os.stat_result) -> bool:
    """Say whether CRIU takes something for a regular file: it does so for null, zero and others."""
    kind = facts.st_mode & _TYPE
    return kind == _REGULAR or (kind == _CHARACTER and facts.st_rdev >> 8 == _MEMORY_DEVICES)


def _mount_of(pid: int, descriptor: int) -> int:
    with open(f"/proc/{pid}/fdinfo/{descriptor}", "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            if name == b"mnt_id":
                return int(value)
    return -1


def inside(root: str, path: str) -> str:
    """Give the path below a root that a path leads to, links followed as inside of the root."""
    pending = [part for part in reversed(path.split("/")) if part]
    found: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == ".":
            continue
        if part == "..":
            del found[-1:]
            continue
        try:
            target = os.readlink("/".join([root, *found, part]))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                raise
            found.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return path
        if target.startswith("/"):
            found = []
        pending += [piece for piece in reversed(target.split("/")) if piece]
    return "/" + "/".join(found)
