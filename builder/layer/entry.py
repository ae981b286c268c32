"""One member of a layer, as image-spec's layer.md describes it: what a tar header says."""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol, Self

    class Readable(Protocol):
        """What content is read from: at most size bytes, b"" at the end."""

        def read(self, size: int, /) -> bytes:
            """Read."""

    Content = bytes | Callable[[], int | Readable]

FILE = "file"
DIRECTORY = "directory"
SYMLINK = "symlink"
HARDLINK = "hardlink"
CHARACTER_DEVICE = "character device"
BLOCK_DEVICE = "block device"
FIFO = "fifo"

WHITEOUT_PREFIX = b".wh."
OPAQUE_WHITEOUT = b".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory, link, device or FIFO.

    Attributes:
        name: path relative to the layer's root, no leading or trailing slash, no `.` or `..`.
        kind: one of this module's constants.
        mode: permission bits with set-user-ID, set-group-ID and sticky bits.
        uid, gid: owner.
        mtime: seconds since 1970.
        size: bytes of a file's content.
        target: of a symlink as stored, of a hardlink the name of an earlier entry.
        device: major and minor number.
        xattrs: extended attributes by name.
        content: a file's bytes; or a function that opens what `size` bytes are read from: a file
            descriptor, which is closed afterwards, or an object with `read`.
    """

    name: bytes
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict, hash=False)
    content: Content = field(default=b"", hash=False, repr=False)

    @classmethod
    def of_bytes(
        cls,
        name: bytes,
        content: bytes,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        mtime: int = 0,
    ) -> Self:
        """A file with this content."""
        return cls(
            name,
            FILE,
            mode=mode,
            uid=uid,
            gid=gid,
            mtime=mtime,
            size=len(content),
            content=content,
        )

    @classmethod
    def whiteout(cls, name: bytes) -> Self:
        """The entry that removes what a lower layer has at name."""
        directory, slash, last = name.rpartition(b"/")
        return cls(directory + slash + WHITEOUT_PREFIX + last, FILE, mode=0)
