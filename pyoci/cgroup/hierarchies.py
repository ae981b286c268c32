"""Which cgroup hierarchies this host has, where they are mounted, and where we are in them.

Facts only, read from /proc/self/mountinfo and /proc/self/cgroup (cgroups(7)): no decision is made
here. Everything takes the text as a value, so tests describe hosts they do not run on.
"""

from __future__ import annotations

import posix as os

MOUNT_TREE = "/sys/fs/cgroup"


class Hierarchy:
    """One mounted hierarchy: controllers (v1; a named one has ``name=…``), mount, own cgroup."""

    __slots__ = ("controllers", "mountpoint", "own")

    def __init__(self, controllers: tuple[str, ...], mountpoint: str, own: str) -> None:
        self.controllers = controllers
        self.mountpoint = mountpoint
        # Our own cgroup as a path below the mount point, which may itself show only a part of the
        # hierarchy (a container's bind mount); "/" when it lies outside that part.
        self.own = own

    @property
    def key(self) -> str:
        """The controllers joined by commas; empty for v2."""
        return ",".join(self.controllers)


class Hierarchies:
    """The cgroup mounts of a host; `layout` is ``unified``, ``legacy``, ``hybrid`` or ``none``."""

    __slots__ = ("legacy", "unified")

    def __init__(self, unified: Hierarchy | None, legacy: list[Hierarchy]) -> None:
        self.unified = unified
        self.legacy = legacy

    @property
    def layout(self) -> str:
        """The names systemd gives the three ways of mounting cgroups."""
        if self.legacy:
            return "hybrid" if self.unified else "legacy"
        return "unified" if self.unified else "none"


def read_hierarchies(process: str = "/proc/self") -> Hierarchies:
    """Read the host's hierarchies as the given process (a /proc directory) sees them."""
    return parse_hierarchies(_read(f"{process}/mountinfo"), _read(f"{process}/cgroup"))


def parse_hierarchies(mountinfo: bytes, cgroup: bytes) -> Hierarchies:
    """Join the mount table (proc_pid_mountinfo(5)) and the membership list (cgroups(7))."""
    memberships: list[tuple[tuple[str, ...], str]] = []
    own_unified: str | None = None
    for line in cgroup.decode("utf-8", "surrogateescape").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            own_unified = path
        elif controllers:
            memberships.append((tuple(controllers.split(",")), path))
    unified: Hierarchy | None = None
    found: dict[tuple[str, ...], Hierarchy] = {}
    for raw in mountinfo.split(b"\n"):
        if b" - cgroup" not in raw:
            continue
        line = raw.decode("utf-8", "surrogateescape")
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        root, mountpoint = unescape(fields[3]), unescape(fields[4])
        kind, _, rest = right.partition(" ")
        if kind == "cgroup2":
            if own_unified is not None and _preferred(unified, mountpoint):
                unified = Hierarchy((), mountpoint, _below(root, own_unified))
        elif kind == "cgroup":
            options = set(rest.rpartition(" ")[2].split(","))
            for names, path in memberships:
                if options.issuperset(names) and _preferred(found.get(names), mountpoint):
                    found[names] = Hierarchy(names, mountpoint, _below(root, path))
    return Hierarchies(unified, [found[names] for names, _ in memberships if names in found])


def _preferred(known: Hierarchy | None, mountpoint: str) -> bool:
    """Say whether a mount beats the one found before: the usual tree wins over copies of it."""
    if known is None:
        return True
    return mountpoint.startswith(MOUNT_TREE) and not known.mountpoint.startswith(MOUNT_TREE)


def _below(root: str, own: str) -> str:
    """Give our cgroup relative to a mount that shows the hierarchy from ``root`` down."""
    if root == "/":
        # "/../x": our cgroup lies outside the cgroup namespace (cgroup_namespaces(7)).
        return "/" if own.startswith("/..") else own
    if own == root:
        return "/"
    return own[len(root) :] if own.startswith(root + "/") else "/"


def unescape(text: str) -> str:
    """Undo the octal escapes of mountinfo (space, tab, newline, backslash)."""
    if "\\" not in text:
        return text
    for escape, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, plain)
    return text


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def unified_cgroup_of(pid: int, below: str) -> str | None:
    """Give the directory of a process's v2 cgroup if it is ``below`` or the same, else None."""
    own = parse_hierarchies(_read("/proc/self/mountinfo"), _read(f"/proc/{pid}/cgroup")).unified
    if own is None:
        return None
    path = own.mountpoint + own.own.rstrip("/")
    return path if path == below or path.startswith(below + "/") else None
