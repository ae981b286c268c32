"""Where no overlay can be mounted: a plain copy of all layers, compared with itself afterwards.

What the kernel would note in an upper directory is found here by the inode number and the time of
the last status change (ctime), which no program can set.
"""

from __future__ import annotations

import os
import stat

from builder.layer.apply import apply_layer
from builder.layer.entry import HARDLINK, Entry
from builder.layer.stream import LayerStream
from builder.layer.upper import entry_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.layer import Layer
    from builder.layout import Layout

    State = dict[bytes, tuple[int, ...]]
    Children = dict[bytes, list[bytes]]

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def copy_layers(layout: Layout, layers: Sequence[Layer], directory: int) -> None:
    """Unpack layers one onto the other.

    Raises ImageFormatError, DigestMismatchError, SizeMismatchError, BlobNotFoundError, StoreError.
    """
    for layer in layers:
        with LayerStream(layout, layer) as stream:
            apply_layer(stream.read, directory, what=stream.what)
            stream.finish()


def state_of(directory: int) -> State:
    """Every file below a directory, by name. Raises OSError."""
    state: State = {}
    _collect(directory, b"", state)
    _wait_until_later(directory, max((own[-1] for own in state.values()), default=0))
    return state


def changes(directory: int, before: State) -> Iterator[Entry]:
    """The entries of a layer: what is not as it was. Content must be read before the next one.

    Raises OSError.
    """
    after: State = {}
    _collect(directory, b"", after)
    wanted = {name for name, own in after.items() if before.get(name) != own}
    # A file that came here with its directory has the times it had: its other names come along.
    inodes = {after[name][0] for name in wanted}
    wanted.update(name for name, own in after.items() if own[0] in inodes)
    removed: Children = {}
    for name in sorted(before.keys() - after.keys()):
        removed.setdefault(name.rpartition(b"/")[0], []).append(name)
    for name in [*wanted, *(name for names in removed.values() for name in names)]:
        while (name := name.rpartition(b"/")[0]) and name not in wanted:
            wanted.add(name)
    yield from _walk(directory, b"", wanted, removed, {})


def _collect(directory: int, prefix: bytes, state: State) -> None:
    for last in map(os.fsencode, os.listdir(directory)):
        status = os.lstat(last, dir_fd=directory)
        state[prefix + last] = (status.st_ino, status.st_mode, status.st_ctime_ns)
        if stat.S_ISDIR(status.st_mode):
            inner = os.open(last, _DIRECTORY_FLAGS, dir_fd=directory)
            try:
                _collect(inner, prefix + last + b"/", state)
            finally:
                os.close(inner)


def _wait_until_later(directory: int, ctime: int) -> None:
    """Until the file system's clock has moved on: it ticks every few milliseconds, and a change in
    the same tick would not be seen."""
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        mode = 0o600
        while os.fstat(fd).st_ctime_ns <= ctime:
            mode ^= 0o100
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _walk(
    directory: int,
    prefix: bytes,
    wanted: set[bytes],
    removed: Children,
    links: dict[tuple[int, int], bytes],
) -> Iterator[Entry]:
    for name in removed.get(prefix.rstrip(b"/"), ()):
        yield Entry.whiteout(name)
    for last in sorted(map(os.fsencode, os.listdir(directory))):
        name = prefix + last
        if name not in wanted:
            continue
        status = os.lstat(last, dir_fd=directory)
        entry = entry_of(directory, last, name, status)
        if entry is None:
            continue
        if stat.S_ISDIR(status.st_mode):
            yield entry
            inner = os.open(last, _DIRECTORY_FLAGS, dir_fd=directory)
            try:
                yield from _walk(inner, name + b"/", wanted, removed, links)
            finally:
                os.close(inner)
            continue
        first = name
        if status.st_nlink > 1:
            first = links.setdefault((status.st_dev, status.st_ino), name)
        yield entry if first == name else Entry(name, HARDLINK, target=first)
