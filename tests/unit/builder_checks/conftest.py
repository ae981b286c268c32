"""Images of a few files, with programs compiled or made by hand."""

from __future__ import annotations

import io
import struct
import tarfile

import pytest

from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.image import Image, build_image
from builder.layer import Layer
from builder.layout import Layout

TAR = "application/vnd.oci.image.layer.v1.tar"


def archive(files):
    """A layer of {name: (mode, bytes) | bytes | "link target" | None for a directory}."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, what in files.items():
            info = tarfile.TarInfo(name)
            content = b""
            if what is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
            else:
                info.mode, content = what if isinstance(what, tuple) else (0o644, what)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def image(tmp_path):
    """Makes an image of layers; keywords are members of its `config`."""
    layout = Layout.create(str(tmp_path / "layout"))

    def make(*layers, architecture="amd64", history=None, **config) -> Image:
        stack = [Layer(layout.add(data, TAR), DiffID.of(data)) for data in map(archive, layers)]
        document = {"architecture": architecture, "os": "linux", "config": config}
        if history:
            document["history"] = [{"created_by": text} for text in history]
        descriptor: Descriptor = build_image(layout, document, stack)
        return Image.load(layout, descriptor, {"os": "linux", "architecture": architecture})

    return make


def elf(interpreter="", needed=(), runpath="", machine=62):
    """A dynamic ELF of 64 bits, just enough of it: headers, PT_INTERP, PT_DYNAMIC, strings."""
    strings = b"\0"
    offsets = []
    for name in (*needed, runpath):
        offsets.append(len(strings))
        strings += name.encode() + b"\0"
    count = 3 if interpreter else 2
    interp_at = 64 + 56 * count
    text = interpreter.encode() + b"\0" if interpreter else b""
    strings_at = interp_at + len(text)
    dynamic_at = strings_at + len(strings)
    tags = [(1, offset) for offset in offsets[: len(needed)]]
    if runpath:
        tags.append((29, offsets[-1]))
    tags += [(5, strings_at), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    size = dynamic_at + len(dynamic)

    def segment(kind, at, length):
        return struct.pack("<IIQQQQQQ", kind, 4, at, at, at, length, length, 1)

    segments = segment(1, 0, size) + segment(2, dynamic_at, len(dynamic))
    if interpreter:
        segments = segment(3, interp_at, len(text)) + segments
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    return header + segments + text + strings + dynamic


@pytest.fixture(name="elf")
def make_elf():
    return elf
