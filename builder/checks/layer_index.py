"""What a layer brings and hides, without the content."""

from __future__ import annotations

from builder.checks.program import LARGEST, Program, read_program
from builder.dockerfile.record import Record
from builder.layer import entry as kinds
from builder.layer.names import below, hidden_name, is_whiteout
from builder.layer.stream import LayerStream
from builder.layer.tar_reader import TarReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.image import Image
    from builder.layer import Layer

# Files that are read: accounts, and where the loaders of glibc and musl look for libraries.
_KEPT = (b"etc/passwd", b"etc/group", b"etc/ld.so.conf", b"etc/ld.so.conf.d/", b"etc/ld-musl-")
_LARGEST_KEPT = 1 << 20
_CHUNK = 1 << 20


class Item(Record):
    """A file of a layer: `target` of a link, `content` of the few that are read."""

    kind: str
    mode: int
    size: int
    target: bytes = b""
    program: Program | None = None
    content: bytes = b""


class LayerIndex:
    """Attributes: `items` by name; `hidden` names of lower layers; `opaque` directories."""

    __slots__ = ("hidden", "items", "opaque")

    def __init__(self) -> None:
        self.items: dict[bytes, Item] = {}
        self.hidden: list[bytes] = []
        self.opaque: list[bytes] = []


def index_layer(image: Image, layer: Layer, *, programs: bool) -> LayerIndex:
    """Read a layer to its end, verified.

    Args:
        image: that it belongs to.
        layer: one of its stack.
        programs: whether executable files are looked into, and libraries.

    Raises ImageFormatError and what reading blobs raises.
    """
    index = LayerIndex()
    with LayerStream(image.layout, layer) as stream:
        tar = TarReader(stream.read, stream.what)
        for entry in tar:
            name = below(entry.name, stream.what)
            parent, _, last = name.rpartition(b"/")
            if is_whiteout(last):
                hidden = hidden_name(last, stream.what)
                if hidden:
                    index.hidden.append(parent + b"/" + hidden if parent else hidden)
                elif hidden is not None:
                    index.opaque.append(parent)
                continue
            program, content = None, b""
            if entry.kind == kinds.FILE:
                if name.startswith(_KEPT) and entry.size <= _LARGEST_KEPT:
                    content = _all(tar, b"")
                elif programs and _may_be_program(name, entry.mode) and entry.size <= LARGEST:
                    program = _program(tar)
            index.items[name] = Item(
                entry.kind, entry.mode, entry.size, entry.target, program, content
            )
        tar.drain()
        stream.finish()
    return index


def _may_be_program(name: bytes, mode: int) -> bool:
    return bool(mode & 0o111) or b".so" in name.rpartition(b"/")[2]


def _program(tar: TarReader) -> Program | None:
    start = tar.read(_CHUNK)
    if start.startswith(b"\x7fELF"):
        return read_program(_all(tar, start))
    return read_program(start)


def _all(tar: TarReader, start: bytes) -> bytes:
    parts = [start]
    while chunk := tar.read(_CHUNK):
        parts.append(chunk)
    return b"".join(parts)
