"""A tmpfs in our own mount namespace, for what must not reach a disk (mount(2))."""

from __future__ import annotations

import ctypes
import os

from builder.errors import BuilderError

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x2, 0x4, 0x8
_MNT_DETACH = 0x2
_LIBC = ctypes.CDLL(None, use_errno=True)


def mount_tmpfs(path: str, size: int) -> None:
    """Mount a tmpfs of that many bytes on a directory. Raises BuilderError."""
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    options = f"size={size},mode=700".encode()
    if _LIBC.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, options) != 0:
        raise BuilderError(
            f"mounting a tmpfs on {path}: {os.strerror(ctypes.get_errno())}", subject=path
        )


def unmount(path: str) -> None:
    """Take a mount away, at once or when its last file is closed."""
    _LIBC.umount2(os.fsencode(path), _MNT_DETACH)
