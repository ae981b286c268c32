"""Facts about the host that decide how a plan looks; gathered once, passed in, easy to fake."""

from __future__ import annotations

import posix as os

from pyoci.paths import exists, lexists
from pyoci.plan.namespaces import NAMESPACE_FILES

_INITIAL_USER_NAMESPACE = 0xEFFFFFFD  # PROC_USER_INIT_INO, include/linux/proc_ns.h
CAP_SYS_ADMIN = 21


class Host:
    """What the plan compiler knows of the host.

    ``last_capability`` is the number of the newest capability the kernel knows; ``bounding`` and
    ``effective`` are the caller's sets as bit masks; ``user_namespaces`` is false where the caller
    already runs inside one; ``groups_denied`` says that setgroups(2) is denied in the caller's, and
    so in all below it (user_namespaces(7)); ``unified`` says that cgroup v2 is all there is.
    """

    __slots__ = (
        "bounding",
        "effective",
        "egid",
        "euid",
        "groups_denied",
        "in_user_namespace",
        "kernel",
        "last_capability",
        "unified",
    )

    def __init__(
        self,
        *,
        kernel: tuple[int, int] = (6, 1),
        last_capability: int = 40,
        bounding: int = (1 << 41) - 1,
        effective: int = (1 << 41) - 1,
        euid: int = 0,
        egid: int = 0,
        in_user_namespace: bool = False,
        groups_denied: bool = False,
        unified: bool = False,
    ) -> None:
        self.kernel = kernel
        self.last_capability = last_capability
        self.bounding = bounding
        self.effective = effective
        self.euid = euid
        self.egid = egid
        self.in_user_namespace = in_user_namespace
        self.groups_denied = groups_denied
        self.unified = unified

    @property
    def privileged(self) -> bool:
        """Whether the caller may clone mounts in its own namespaces."""
        return bool(self.effective >> CAP_SYS_ADMIN & 1)

    def is_directory(self, path: str) -> bool | None:
        """Say what a bind mount's source is; None when there is nothing."""
        try:
            mode = os.stat(path).st_mode
        except OSError:
            return None
        return mode & 0o170000 == 0o040000

    def exists(self, path: str) -> bool:
        """Say whether there is anything at a path."""
        return lexists(path)

    def is_own_namespace(self, kind: str, path: str) -> bool:
        """Say whether the file of a namespace is that of this process's own (namespaces(7))."""
        try:
            own, other = os.stat(f"/proc/self/ns/{NAMESPACE_FILES[kind]}"), os.stat(path)
        except OSError:
            return False
        return (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino)

    @classmethod
    def gather(cls) -> Host:
        """Look at the machine this runs on (proc(5))."""
        release = os.uname().release.split(".")
        kernel = (_leading_number(release[0]), _leading_number(release[1]))
        effective = bounding = 0
        inner = in_user_namespace()
        for line in _read("/proc/self/status").splitlines():
            if line.startswith("CapEff:"):
                effective = int(line[7:], 16)
            elif line.startswith("CapBnd:"):
                bounding = int(line[7:], 16)
        return cls(
            kernel=kernel,
            last_capability=_leading_number(_read("/proc/sys/kernel/cap_last_cap")) or 40,
            bounding=bounding,
            effective=effective,
            euid=os.geteuid(),
            egid=os.getegid(),
            in_user_namespace=inner,
            groups_denied=inner and groups_denied("self"),
            unified=exists("/sys/fs/cgroup/cgroup.controllers"),
        )


def in_user_namespace() -> bool:
    """Say whether this process is in a user namespace other than the initial one.

    By the namespace's inode: an identity uid_map does not mean the initial namespace.
    """
    try:
        return os.stat("/proc/self/ns/user").st_ino != _INITIAL_USER_NAMESPACE
    except OSError:
        return False


def groups_denied(process: int | str) -> bool:
    """Say whether setgroups(2) is denied in a process's user namespace (proc_pid_setgroups(5))."""
    return _read(f"/proc/{process}/setgroups").startswith("deny")


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 16384).decode("ascii", "replace")
    finally:
        os.close(descriptor)


def _leading_number(text: str) -> int:
    digits = ""
    for character in text:
        if character not in "0123456789":
            break
        digits += character
    return int(digits or "0")
