"""A directory's files as the entries of a layer, sorted, hard links kept.

The walk goes by descriptors and follows no symlink; sockets, which no layer can hold, are left out.
"""

from __future__ import annotations

import os
import stat

from builder.layer import entry as kinds
from builder.layer.entry import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_XATTRS = ("user.", "security.capability")
"""What belongs to the file rather than to this host."""
_KINDS = {
    stat.S_IFREG: kinds.FILE,
    stat.S_IFDIR: kinds.DIRECTORY,
    stat.S_IFLNK: kinds.SYMLINK,
    stat.S_IFCHR: kinds.CHARACTER_DEVICE,
    stat.S_IFBLK: kinds.BLOCK_DEVICE,
    stat.S_IFIFO: kinds.FIFO,
}


def entries_of_directory(root: int) -> Iterator[Entry]:
    """Entries of all that is below an open directory, parents first, each directory's by name.

    Raises OSError with the path below root.
    """
    return _below(root, b"", {})


def _below(directory: int, prefix: bytes, seen: dict[tuple[int, int], bytes]) -> Iterator[Entry]:
    for name in sorted(os.fsencode(listed) for listed in os.listdir(directory)):
        path = prefix + name
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            kind = _KINDS.get(stat.S_IFMT(found.st_mode))
            if kind is None:
                continue
            yield _entry(directory, name, path, kind, found, seen)
            if kind == kinds.DIRECTORY:
                inner = os.open(name, _DIRECTORY, dir_fd=directory)
                try:
                    yield from _below(inner, path + b"/", seen)
                finally:
                    os.close(inner)
        except OSError as error:
            if error.filename == name:
                error.filename = path
            raise


def _entry(
    directory: int,
    name: bytes,
    path: bytes,
    kind: str,
    found: os.stat_result,
    seen: dict[tuple[int, int], bytes],
) -> Entry:
    target = b""
    if kind == kinds.SYMLINK:
        target = os.readlink(name, dir_fd=directory)
    elif kind != kinds.DIRECTORY and found.st_nlink > 1:
        first = seen.setdefault((found.st_dev, found.st_ino), path)
        if first != path:
            kind, target = kinds.HARDLINK, first
    size = found.st_size if kind == kinds.FILE else 0
    is_device = kind in (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE)
    return Entry(
        path,
        kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime=max(found.st_mtime_ns // 1_000_000_000, 0),
        size=size,
        target=target,
        device=(os.major(found.st_rdev), os.minor(found.st_rdev)) if is_device else (0, 0),
        xattrs={} if kind in (kinds.SYMLINK, kinds.HARDLINK) else _xattrs(directory, name),
        content=_opener(directory, name) if size else b"",
    )


def _opener(directory: int, name: bytes) -> Callable[[], int]:
    """Opens the file when the writer comes to it, which is before the walk goes on."""
    return lambda: os.open(name, _FILE, dir_fd=directory)


def _xattrs(directory: int, name: bytes) -> dict[bytes, bytes]:
    # There is no listxattrat before Linux 6.13; the magic link leads to the same directory.
    path = b"/proc/self/fd/%d/%b" % (directory, name)
    try:
        return {
            os.fsencode(key): os.getxattr(path, key, follow_symlinks=False)
            for key in sorted(os.listxattr(path, follow_symlinks=False))
            if key.startswith(_XATTRS) and not key.startswith("user.overlay.")
        }
    except OSError:
        return {}
