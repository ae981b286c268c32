"""Directories that a layer has files in without an entry of their own.

Unpacked by itself such a layer gets directories with made-up attributes, which an overlay would
show in place of the right ones of the layers below. A further layer on top of it, of directories
alone, puts them right. Few layers need it: most programs write the parents of what they write.
"""

from __future__ import annotations

import os
import stat

from builder.layer.attributes import set_attributes
from builder.layer.entry import DIRECTORY, Entry
from builder.layer.ownership import can_own
from builder.layer.upper import entry_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_corrections(
    target: int, layer: int, lower: int, implicit: Iterable[str], opaque: str
) -> None:
    """Fill `target` with the directories whose attributes are those of the layers below.

    Args:
        target: an open, empty directory.
        layer: the layer's own files.
        lower: the layers below, merged.
        implicit: the directories in question.
        opaque: the attribute that cuts a directory of the layer off from those below.

    Raises OSError.
    """
    wanted = {os.fsencode(name) for name in implicit}
    _correct(target, layer, lower, b"", wanted, opaque)


def _correct(
    target: int, layer: int, lower: int, name: bytes, wanted: set[bytes], opaque: str
) -> None:
    owned = can_own()
    for last in _next_parts(name, wanted):
        below = _open(lower, last)
        own = _open(layer, last)
        try:
            if below is None or own is None or _has(own, opaque):
                continue
            inner = name + b"/" + last if name else last
            right = _attributes(below if inner in wanted else own)
            os.mkdir(last, 0o700, dir_fd=target)
            made = os.open(last, _DIRECTORY_FLAGS, dir_fd=target)
            try:
                _correct(made, own, below, inner, wanted, opaque)
                set_attributes(made, right, owned=owned)
            finally:
                os.close(made)
        finally:
            for fd in (below, own):
                if fd is not None:
                    os.close(fd)


def _next_parts(name: bytes, wanted: set[bytes]) -> list[bytes]:
    """The components that follow `name` in any of the wanted names."""
    prefix = name + b"/" if name else b""
    return sorted(
        {other[len(prefix) :].partition(b"/")[0] for other in wanted if other.startswith(prefix)}
    )


def _attributes(fd: int) -> Entry:
    entry = entry_of(fd, b".", b".", os.fstat(fd))
    assert entry is not None and entry.kind == DIRECTORY
    return entry


def _open(parent: int, last: bytes) -> int | None:
    try:
        if not stat.S_ISDIR(os.lstat(last, dir_fd=parent).st_mode):
            return None
        return os.open(last, _DIRECTORY_FLAGS, dir_fd=parent)
    except FileNotFoundError:
        return None


def _has(fd: int, attribute: str) -> bool:
    try:
        return os.getxattr(fd, attribute) == b"y"
    except OSError:
        return False
