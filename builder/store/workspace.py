"""Directories for the time of one piece of work, which a later process sweeps after a kill.

`tmp/<pid>-<random>/`, held by a lock on the directory for as long as its process lives: what is
there and not locked was left by one that is gone.
"""

from __future__ import annotations

import fcntl
import os

from builder.errors import StoreError
from builder.store.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Workspace:
    """An empty directory, `path`, removed at the end. A context manager."""

    def __init__(self, parent: str) -> None:
        """Make the directory below parent. Raises StoreError."""
        try:
            self.path, self._lock = _create(parent)
        except OSError as error:
            raise StoreError(
                f"making a directory in {parent}: {error.strerror}", subject=parent
            ) from None

    def close(self) -> None:
        """Remove the directory with all that is in it. Safe to repeat."""
        if self._lock >= 0:
            remove_tree(self.path)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _create(parent: str) -> tuple[str, int]:
    while True:
        path = f"{parent}/{os.getpid()}-{os.urandom(6).hex()}"
        os.mkdir(path, 0o700)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        # Between mkdir and flock a sweep may have taken the directory for rubbish.
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)


def sweep(parent: str) -> int:
    """Remove the directories of processes that are gone; returns how many."""
    count = 0
    for name in os.listdir(parent):
        path = f"{parent}/{name}"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
            count += 1
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            os.close(fd)
    return count
