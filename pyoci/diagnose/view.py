"""Looks into a container's root from outside, trusting nothing that is in it.

Names are resolved by openat2(2) with RESOLVE_IN_ROOT: symlinks, absolute ones and ``..`` included,
mean what they mean inside and never lead out. Files are opened for reading only once they are known
to be regular ones (a FIFO would hang, a device could do anything), and read up to a limit.
"""

from __future__ import annotations

import ctypes
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_O_PATH = 0o10000000
_AT_FDCWD = -100
_ST_NOEXEC = 8
MOST_BYTES = 1 << 20
MOST_NAMES = 4096


def printable(text: str) -> str:
    """Give a name out of an image as it can stand in a line of a log."""
    return "".join(c if c.isprintable() else "?" for c in text[:256])


class HiddenError(Exception):
    """The path is below a mount that this process cannot see."""


class _OpenHow(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def _open_in_root(root: int, path: str, flags: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    libc.syscall.argtypes = [
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.POINTER(_OpenHow),
        ctypes.c_size_t,
    ]
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path with a NUL character")
    result = libc.syscall(_SYS_OPENAT2, root, name, ctypes.byref(how), ctypes.sizeof(how))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(result)


class File:
    """A file of the image, held by a descriptor that cannot read or write it (O_PATH)."""

    __slots__ = ("_descriptor", "status")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.status = os.fstat(descriptor)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_regular(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def mode(self) -> int:
        """The permission bits."""
        return stat.S_IMODE(self.status.st_mode)

    @property
    def on_noexec_mount(self) -> bool:
        """Whether the mount it is seen through allows no execution."""
        return bool(os.fstatvfs(self._descriptor).f_flag & _ST_NOEXEC)

    @property
    def target(self) -> str:
        """What a symlink points to."""
        return os.readlink("", dir_fd=self._descriptor)

    def read(self, count: int, offset: int = 0) -> bytes:
        """Read up to ``count`` bytes of a regular file; nothing of any other."""
        if not self.is_regular or count <= 0:
            return b""
        descriptor = os.open(
            f"/proc/self/fd/{self._descriptor}",
            os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC,
        )
        try:
            return os.pread(descriptor, min(count, MOST_BYTES), offset)
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """Give the names in a directory, of a huge one only some."""
        descriptor = os.open(
            f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        )
        try:
            found = []
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    found.append(entry.name)
                    if len(found) == MOST_NAMES:
                        break
            return found
        finally:
            os.close(descriptor)


class View:
    """The container's file system: its root and the mounts that cannot be seen below it.

    A bind mount is looked at through its source; what is below another mount is hidden.
    """

    __slots__ = ("_mounts", "_rootfs")

    def __init__(self, rootfs: str, mounts: Sequence[dict[str, Any]] = ()) -> None:
        self._rootfs = rootfs
        self._mounts = [(_parts(mount["destination"]), mount) for mount in mounts]

    def open(self, path: str, *, follow: bool = True) -> File:
        """Open what an absolute path means in the container.

        Raises OSError, or HiddenError.
        """
        root, inner = self._place(path)
        flags = _O_PATH if follow else _O_PATH | os.O_NOFOLLOW
        if not inner:
            return File(os.open(root, _O_PATH | os.O_CLOEXEC))
        directory = os.open(root, _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return File(_open_in_root(directory, inner, flags))
        finally:
            os.close(directory)

    def find(self, path: str) -> File | None:
        """Open a path; None when there is nothing, or nothing that can be seen."""
        try:
            return self.open(path)
        except (OSError, HiddenError, ValueError):
            return None

    def mount_of(self, path: str) -> dict[str, Any] | None:
        """Give the mount of config.json that a path is below of."""
        parts = _parts(path)
        below = [entry for entry in self._mounts if parts[: len(entry[0])] == entry[0]]
        return max(reversed(below), key=lambda entry: len(entry[0]))[1] if below else None

    def _place(self, path: str) -> tuple[str, str]:
        """Give the directory (or file) of the host to start from, and the path below it."""
        mount = self.mount_of(path)
        if mount is None:
            return self._rootfs, path.lstrip("/")
        source = mount.get("source") or ""
        bind = {"bind", "rbind"}.intersection(mount.get("options") or ())
        if not bind or not source.startswith("/"):
            raise HiddenError(path)
        return source, "/".join(_parts(path)[len(_parts(mount["destination"])) :])


def _parts(path: str) -> list[str]:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts
