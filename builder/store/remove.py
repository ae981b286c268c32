"""Removing a tree that somebody else shaped: any depth, any names, never out of the tree.

Directories very far down are first moved up to the top, so that the work needs neither deep
recursion nor paths longer than PATH_MAX nor many descriptors. Nothing is ever reached through a
symbolic link.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import AnyStr

_DEEPEST = 64
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: AnyStr, *, dir_fd: int | None = None) -> None:
    """Remove the directory path and everything in it; nothing when there is none.

    Raises OSError.
    """
    try:
        top = _open(path, dir_fd)
    except FileNotFoundError:
        return
    try:
        names = _FreshNames()
        while os.listdir(top):
            _empty(top, top, names, _DEEPEST)
    finally:
        os.close(top)
    os.rmdir(path, dir_fd=dir_fd)


def remove_any(name: AnyStr, *, dir_fd: int | None = None) -> None:
    """Remove a file or a directory with everything in it; nothing when there is none.

    Raises OSError.
    """
    try:
        os.unlink(name, dir_fd=dir_fd)
    except IsADirectoryError:
        remove_tree(name, dir_fd=dir_fd)
    except FileNotFoundError:
        pass


class _FreshNames:
    """Names that the tree does not have."""

    def __init__(self) -> None:
        self._prefix = f".removed-{os.urandom(6).hex()}-"
        self._count = 0

    def next(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"


def _empty(fd: int, top: int, names: _FreshNames, depth: int) -> None:
    """Remove what is in a directory, but move what is too far down to the top instead."""
    for name in os.listdir(fd):
        try:
            # Nearly everything is a file.
            os.unlink(name, dir_fd=fd)
            continue
        except IsADirectoryError:
            inner = _open(name, fd)
        try:
            if depth:
                _empty(inner, top, names, depth - 1)
        finally:
            os.close(inner)
        if depth:
            os.rmdir(name, dir_fd=fd)
        else:
            os.rename(name, names.next(), src_dir_fd=fd, dst_dir_fd=top)


def _open(name: AnyStr, parent: int | None) -> int:
    """Open a directory that can be changed then, whatever its permissions were."""
    if os.geteuid() != 0:
        # Ours, but perhaps without permissions: an ordinary user has to allow it to oneself first.
        status = os.lstat(name, dir_fd=parent)
        if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:
            os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, _DIRECTORY, dir_fd=parent)
