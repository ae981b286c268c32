"""An overlay's upper directory as the entries of a layer (overlayfs.rst, image-spec layer.md).

The kernel has noted there what changed: only that is walked, not the whole tree. What it notes is
more than a layer says: files copied up and then left as they were, whiteouts of what no lower layer
has. Those are left out and remembered in `dropped`, so that the directory can be made equal to the
layer. Directories stand before what is in them, whiteouts before their siblings, all in the order
of their bytes.
"""

from __future__ import annotations

import os
import stat

from builder.layer.apply import opaque_attribute
from builder.layer.attributes import xattrs_of
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
    from collections.abc import Iterator

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20
_SECOND = 1_000_000_000

KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFIFO: FIFO,
}
"""The kind of entry by type of file; sockets have none, since no layer can hold one."""


def entry_of(parent: int, last: bytes, name: bytes, status: os.stat_result) -> Entry | None:
    """The entry of a file; None for a socket. Its content is opened in `parent` when it is read.

    Raises OSError.
    """
    kind = KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    target = os.readlink(last, dir_fd=parent) if kind == SYMLINK else b""
    is_device = kind in (CHARACTER_DEVICE, BLOCK_DEVICE)
    return Entry(
        name,
        kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=status.st_mtime_ns // _SECOND,
        size=status.st_size if kind == FILE else 0,
        target=target,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else (0, 0),
        xattrs=xattrs_of(_path(parent, last)) if kind in (FILE, DIRECTORY) else {},
        content=lambda: os.open(last, _FILE_FLAGS, dir_fd=parent),
    )


class UpperDirectory:
    """The changes of an upper directory.

    Attributes:
        dropped: names of what is in the directory, but not in the layer.
        has_opaque: whether a directory hides more than the layer's whiteouts do.
        times: the mtime each entry was given, directories after what is in them.
    """

    def __init__(
        self, upper: int, lower: int | None, *, in_user_namespace: bool, epoch: int | None = None
    ) -> None:
        """Open directories: the upper one, and the files of the layers below as they are merged.

        No mtime is given later than epoch.
        """
        self.dropped: list[bytes] = []
        self.has_opaque = False
        self.times: list[tuple[bytes, int]] = []
        self._upper = upper
        self._lower = lower
        self._opaque = opaque_attribute(in_user_namespace)
        self._epoch = epoch
        self._pending: list[Entry] = []
        self._links: dict[tuple[int, int], bytes] = {}

    def entries(self) -> Iterator[Entry]:
        """The layer's entries. The content of each must be read before the next one is asked for.

        Raises OSError.
        """
        yield from self._directory(self._upper, self._lower, b"", is_hidden=False)

    def _directory(
        self, upper: int, lower: int | None, name: bytes, *, is_hidden: bool
    ) -> Iterator[Entry]:
        """What is in a directory; is_hidden: what `lower` has shows only where upper has it."""
        prefix = name + b"/" if name else b""
        names = sorted(map(os.fsencode, os.listdir(upper)))
        stats = {last: os.lstat(last, dir_fd=upper) for last in names}
        for last in names:
            if _is_whiteout(stats[last]):
                if _status(lower, last) is not None and not is_hidden:
                    yield from self._emit(Entry.whiteout(prefix + last))
                else:
                    self.dropped.append(prefix + last)
        if is_hidden and lower is not None:
            present = {last for last in names if not _is_whiteout(stats[last])}
            for last in sorted(map(os.fsencode, os.listdir(lower))):
                if last not in present:
                    yield from self._emit(Entry.whiteout(prefix + last))
        for last in names:
            status = stats[last]
            if stat.S_ISDIR(status.st_mode):
                yield from self._subdirectory(
                    upper, lower, last, prefix + last, status, is_hidden=is_hidden
                )
            elif not _is_whiteout(status):
                yield from self._file(upper, lower, last, prefix + last, status)

    def _subdirectory(
        self,
        upper: int,
        lower: int | None,
        last: bytes,
        name: bytes,
        status: os.stat_result,
        *,
        is_hidden: bool,
    ) -> Iterator[Entry]:
        entry = entry_of(upper, last, name, status)
        assert entry is not None
        inner = os.open(last, _DIRECTORY_FLAGS, dir_fd=upper)
        below = None
        try:
            if self._is_opaque(inner):
                self.has_opaque = is_hidden = True
            below = _lower_directory(lower, last)
            changed = below is None or not _same_attributes(entry, below)
            depth = len(self._pending)
            self._pending.append(entry)
            if changed:
                yield from self._flush()
            yield from self._directory(inner, below, name, is_hidden=is_hidden)
            if len(self._pending) > depth:
                # Nothing in it changed, nor it itself.
                del self._pending[depth:]
                self.dropped.append(name)
            else:
                self._time(entry)
        finally:
            os.close(inner)
            if below is not None:
                os.close(below)

    def _file(
        self, upper: int, lower: int | None, last: bytes, name: bytes, status: os.stat_result
    ) -> Iterator[Entry]:
        entry = entry_of(upper, last, name, status)
        if entry is None:
            self.dropped.append(name)
            return
        if status.st_nlink > 1:
            # One of several names: left out, it would be another file than its siblings.
            inode = (status.st_dev, status.st_ino)
            first = self._links.setdefault(inode, name)
            if first != name:
                yield from self._emit(_as_hardlink(entry, first))
                return
        elif lower is not None and _is_unchanged(upper, lower, last, entry, status):
            self.dropped.append(name)
            return
        yield from self._emit(entry)
        self._time(entry)

    def _emit(self, entry: Entry) -> Iterator[Entry]:
        yield from self._flush()
        yield entry

    def _flush(self) -> Iterator[Entry]:
        """The directories above the next entry that were not given yet."""
        pending, self._pending = self._pending, []
        yield from pending

    def _time(self, entry: Entry) -> None:
        mtime = entry.mtime if self._epoch is None else min(entry.mtime, self._epoch)
        self.times.append((entry.name, mtime))

    def _is_opaque(self, fd: int) -> bool:
        try:
            return os.getxattr(fd, self._opaque) == b"y"
        except OSError:
            return False


def _path(parent: int, last: bytes) -> bytes:
    """A path for calls that take no directory descriptor."""
    return b"/proc/self/fd/%d/%b" % (parent, last)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _status(directory: int | None, last: bytes) -> os.stat_result | None:
    if directory is None:
        return None
    try:
        status = os.lstat(last, dir_fd=directory)
    except FileNotFoundError:
        return None
    return None if _is_whiteout(status) else status


def _lower_directory(lower: int | None, last: bytes) -> int | None:
    status = _status(lower, last)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return None
    return os.open(last, _DIRECTORY_FLAGS, dir_fd=lower)


def _same_attributes(entry: Entry, lower: int) -> bool:
    status = os.fstat(lower)
    return (
        entry.mode == stat.S_IMODE(status.st_mode)
        and (entry.uid, entry.gid) == (status.st_uid, status.st_gid)
        and entry.mtime == status.st_mtime_ns // _SECOND
        and entry.xattrs == xattrs_of(lower)
    )


def _as_hardlink(entry: Entry, first: bytes) -> Entry:
    return Entry(
        entry.name,
        HARDLINK,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        mtime=entry.mtime,
        target=first,
    )


def _is_unchanged(
    upper: int, lower: int, last: bytes, entry: Entry, status: os.stat_result
) -> bool:
    """Whether a file was copied up and left as it was: everything but its contents is compared.

    Contents are read only where times cannot tell: file systems and layers that keep whole seconds.
    """
    below = _status(lower, last)
    if below is None or below.st_mtime_ns != status.st_mtime_ns:
        return False
    if (below.st_mode, below.st_uid, below.st_gid) != (
        status.st_mode,
        status.st_uid,
        status.st_gid,
    ):
        return False
    other = entry_of(lower, last, entry.name, below)
    if other is None or other.target != entry.target or other.device != entry.device:
        return False
    if other.size != entry.size or other.xattrs != entry.xattrs:
        return False
    if entry.kind != FILE or status.st_mtime_ns % _SECOND:
        return True
    return _same_content(upper, lower, last)


def _same_content(upper: int, lower: int, last: bytes) -> bool:
    first = os.open(last, _FILE_FLAGS, dir_fd=upper)
    try:
        second = os.open(last, _FILE_FLAGS, dir_fd=lower)
        try:
            while True:
                chunk = os.read(first, _CHUNK)
                if chunk != os.read(second, _CHUNK):
                    return False
                if not chunk:
                    return True
        finally:
            os.close(second)
    finally:
        os.close(first)
