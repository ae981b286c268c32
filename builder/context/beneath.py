"""openat2(2): opening files below a directory that somebody else may be changing.

The kernel resolves the path; no name is looked up twice. Linux 5.6.
"""

from __future__ import annotations

import ctypes
import os

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_SYS_OPENAT2 = 437  # the same on every architecture but alpha
_LIBC = ctypes.CDLL(None, use_errno=True)
_TRIES = 64


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_in_root(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path as a process would whose root directory is `root`: symlinks stay inside.

    Raises OSError.
    """
    return _openat2(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)


def open_beneath(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path below `root` that holds no symlink.

    Raises OSError: ELOOP when there is one.
    """
    how = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
    return _openat2(root, path.lstrip("/") or ".", flags, mode, how)


def _openat2(directory: int, path: str, flags: int, mode: int, resolve: int) -> int:
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    for _ in range(_TRIES):
        number: int = _LIBC.syscall(
            _SYS_OPENAT2, directory, encoded, ctypes.byref(how), ctypes.sizeof(how)
        )
        if number >= 0:
            return number
        error = ctypes.get_errno()
        # EAGAIN: a rename happened anywhere on the system while ".." was being resolved.
        if error not in (11, 4):
            break
    raise OSError(error, os.strerror(error), path)
