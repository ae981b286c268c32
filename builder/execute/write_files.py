"""Putting selected files into a directory of ours, for mounts that need a copy."""

from __future__ import annotations

import os
import posixpath

from builder.execute.copy import Placement, place_matches
from builder.execute.destination import Destination
from builder.layer.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.context.select import Match

_CHUNK = 1 << 30
_DEVICES = {CHARACTER_DEVICE: 0o020000, BLOCK_DEVICE: 0o060000}


def write_files(matches: Iterable[Match], directory: str, destination: str) -> None:
    """Copy what a source means to a path below an empty directory, as COPY would place it.

    Nobody else may write to the directory meanwhile: paths are used as they are. Raises OSError,
    TreeError, DockerfileError.
    """
    plan = Destination(None, 0)
    place_matches(plan, matches, Placement(destination))
    entries = plan.entries(None)
    for entry in entries:
        _write(entry, os.fsencode(directory))
    for entry in reversed(entries):
        if entry.kind == DIRECTORY:
            path = posixpath.join(os.fsencode(directory), entry.name)
            os.chmod(path, entry.mode)
            os.utime(path, (entry.mtime, entry.mtime))


def _write(entry: Entry, directory: bytes) -> None:
    path = posixpath.join(directory, entry.name)
    if entry.kind == HARDLINK:
        os.link(posixpath.join(directory, entry.target), path)
        return
    if entry.kind == DIRECTORY:
        os.mkdir(path, 0o700)
    elif entry.kind == SYMLINK:
        os.symlink(entry.target, path)
    elif entry.kind == FIFO:
        os.mkfifo(path, 0o600)
    elif entry.kind in _DEVICES:
        os.mknod(path, 0o600 | _DEVICES[entry.kind], os.makedev(*entry.device))
    elif entry.kind == FILE:
        _write_content(entry, path)
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if entry.kind == SYMLINK:
        return
    for name, value in entry.xattrs.items():
        os.setxattr(path, name, value)
    if entry.kind != DIRECTORY:
        os.chmod(path, entry.mode)
        os.utime(path, (entry.mtime, entry.mtime))


def _write_content(entry: Entry, path: bytes) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        if isinstance(entry.content, bytes):
            view = memoryview(entry.content)
            while view:
                view = view[os.write(target, view) :]
            return
        source = entry.content()
        assert isinstance(source, int)
        try:
            # Shares the blocks where the file system can.
            while os.copy_file_range(source, target, _CHUNK):
                pass
        except OSError:
            os.lseek(source, 0, os.SEEK_SET)
            os.lseek(target, 0, os.SEEK_SET)
            while chunk := os.read(source, 1 << 20):
                os.write(target, chunk)
        finally:
            os.close(source)
    finally:
        os.close(target)
