"""The three system calls behind an overlay: unshare(2), mount(2), umount2(2).

Mounts are made in a mount namespace of this process: when it is gone, however it went, so are they.
"""

from __future__ import annotations

import ctypes
import os
import threading

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_REC = 0x4000
MS_SLAVE = 0x80000
MNT_DETACH = 0x2

_LIBC = ctypes.CDLL(None, use_errno=True)
_NAMESPACE = "/proc/thread-self/ns/mnt"
_own_namespace = ""


def isolate() -> None:
    """Enter a mount namespace of this process's own, once.

    To be called before other threads are started: a thread keeps the namespace it was born in. Host
    mounts still come in, ours do not go out. Raises OSError.
    """
    global _own_namespace
    if _own_namespace and os.readlink(_NAMESPACE) == _own_namespace:
        return
    _check(_LIBC.unshare(CLONE_NEWNS), "unshare")
    _mount(None, b"/", None, MS_REC | MS_SLAVE, None)
    _own_namespace = os.readlink(_NAMESPACE)


def is_isolated() -> bool:
    """Whether this thread is in the namespace that `isolate` entered."""
    return bool(_own_namespace) and os.readlink(_NAMESPACE) == _own_namespace


def mount_overlay(directory: str, target: str, options: str, *, read_only: bool = False) -> None:
    """Mount an overlay on the directory `target`.

    target and the directories in the options are relative to `directory`: the kernel takes one page
    of options, which the full paths of many layers would not fit. Raises OSError.
    """
    failure: list[OSError] = []

    def work() -> None:
        try:
            # The working directory belongs to all threads of a process; this one gets its own.
            _check(_LIBC.unshare(CLONE_FS), "unshare")
            os.chdir(directory)
            flags = MS_RDONLY if read_only else 0
            _mount(b"overlay", os.fsencode(target), b"overlay", flags, options.encode())
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="mount")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def unmount(path: str) -> None:
    """Take a mount away; who still has a file of it open keeps that. Raises OSError."""
    _check(_LIBC.umount2(os.fsencode(path), MNT_DETACH), path)


def _mount(
    source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes | None
) -> None:
    _check(
        _LIBC.mount(source, target, kind, ctypes.c_ulong(flags), options),
        os.fsdecode(target),
    )


def _check(result: int, what: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), what)
