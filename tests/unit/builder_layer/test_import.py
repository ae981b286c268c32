"""Importing archives: one form whatever made them; what a layer cannot say is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard

from builder.errors import ImageFormatError
from builder.layer import Layer
from builder.layer.compression import Compression
from builder.layer.entry import Entry
from builder.layer.import_ import import_tarball
from builder.layer.stream import LayerStream
from builder.layer.tar_reader import TarReader
from builder.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


def info(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def archive(
    *members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT, content: bytes = b"content"
) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def imported(layout: Layout, data: bytes, epoch: int | None = None) -> Layer:
    return import_tarball(layout, io.BytesIO(data), Compression("none"), epoch=epoch, what="x.tar")


def entries(layout: Layout, layer: Layer) -> list[tuple[Entry, bytes]]:
    with LayerStream(layout, layer) as stream:
        tar = TarReader(stream.read, "it")
        found = [(entry, tar.read(1 << 20)) for entry in tar]
        stream.finish()
    return found


def root_file_system(form: int) -> bytes:
    return archive(
        info("./", tarfile.DIRTYPE, mode=0o755),
        info("./etc", tarfile.DIRTYPE, mode=0o755, mtime=5),
        info("./etc/passwd", mode=0o644, mtime=1_000, uname="root", gname="root"),
        info("./etc/alias", tarfile.LNKTYPE, linkname="./etc/passwd"),
        info("./bin", tarfile.SYMTYPE, linkname="usr/bin", mode=0o755),
        info("./dev", tarfile.DIRTYPE, mode=0o755),
        info("./dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        form=form,
    )


def test_a_root_file_system_becomes_a_layer(layout: Layout) -> None:
    found = entries(layout, imported(layout, root_file_system(tarfile.PAX_FORMAT)))
    assert [(entry.name, entry.kind) for entry, _ in found] == [
        (b"./", "directory"),
        (b"etc/", "directory"),
        (b"etc/passwd", "file"),
        (b"etc/alias", "hardlink"),
        (b"bin", "symlink"),
        (b"dev/", "directory"),
        (b"dev/null", "character device"),
    ]
    assert found[2][1] == b"content"
    assert found[3][0].target == b"etc/passwd"
    assert found[4][0].target == b"usr/bin"
    assert found[6][0].device == (1, 3)


def test_format_and_compression_of_the_archive_do_not_matter(layout: Layout) -> None:
    plain = root_file_system(tarfile.PAX_FORMAT)
    forms = [root_file_system(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT)]
    forms += [
        gzip.compress(plain),
        bz2.compress(plain),
        lzma.compress(plain),
        zstandard.ZstdCompressor().compress(plain),
        plain + bytes(20_000),
    ]
    wanted = imported(layout, plain)
    assert {imported(layout, data) for data in forms} == {wanted}


def test_parents_that_the_archive_lacks_are_added(layout: Layout) -> None:
    found = entries(layout, imported(layout, archive(info("a/b/c"), info("a/b/d"))))
    assert [(entry.name, entry.mode) for entry, _ in found] == [
        (b"a/", 0o755),
        (b"a/b/", 0o755),
        (b"a/b/c", 0o644),
        (b"a/b/d", 0o644),
    ]


def test_no_time_is_later_than_the_epoch(layout: Layout) -> None:
    data = archive(info("a", mtime=100), info("b", mtime=300), info("c", mtime=200.9))
    found = entries(layout, imported(layout, data, epoch=200))
    assert [entry.mtime for entry, _ in found] == [100, 200, 200]


def test_attributes_of_the_host_are_dropped(layout: Layout) -> None:
    member = info(
        "a",
        pax_headers={
            "SCHILY.xattr.user.x": "1",
            "SCHILY.xattr.security.capability": "2",
            "SCHILY.xattr.security.selinux": "3",
            "SCHILY.xattr.trusted.overlay.opaque": "y",
            "LIBARCHIVE.creationtime": "5",
            "atime": "7",
        },
    )
    ((entry, _),) = entries(layout, imported(layout, archive(member)))
    assert entry.xattrs == {b"user.x": b"1", b"security.capability": b"2"}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([], "there is nothing in it"),
        ([info("../a")], "leads out of its directory"),
        ([info("a/../../b")], "leads out of its directory"),
        ([info("a", tarfile.LNKTYPE, linkname="b")], "does not come before it"),
        ([info("a", tarfile.LNKTYPE, linkname="../b")], "leads out of its directory"),
        ([info("a", tarfile.SYMTYPE, linkname="b"), info("a/c")], "is not a directory"),
        ([info("a"), info("a/c")], "is not a directory"),
        ([info(".")], "its root is a file"),
        ([info("d/.wh.")], "is not a whiteout"),
    ],
)
def test_what_a_layer_cannot_hold_is_refused(
    layout: Layout, members: list[tarfile.TarInfo], why: str
) -> None:
    with pytest.raises(ImageFormatError) as caught:
        imported(layout, archive(*members))
    assert why in str(caught.value)
    assert "x.tar" in str(caught.value)
    assert list(Path(layout.path, "blobs", "sha256").iterdir()) == []


@pytest.mark.parametrize("data", [b"no archive at all" * 100, b"\x1f\x8b\x08 no gzip", b"x"])
def test_what_is_no_archive_is_refused(layout: Layout, data: bytes) -> None:
    with pytest.raises(ImageFormatError, match=r"x\.tar"):
        imported(layout, data)


def test_an_archive_that_stops_leaves_no_blob(layout: Layout) -> None:
    data = gzip.compress(root_file_system(tarfile.PAX_FORMAT))
    with pytest.raises(ImageFormatError):
        imported(layout, data[: len(data) // 2])
    assert list(Path(layout.path, "blobs", "sha256").iterdir()) == []
