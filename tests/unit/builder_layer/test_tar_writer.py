"""The tar writer, held against tarfile and against itself."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.layer import entry as kinds
from builder.layer.entry import Entry
from builder.layer.tar_reader import TarReader
from builder.layer.tar_writer import TarWriter

TYPES = {
    kinds.FILE: tarfile.REGTYPE,
    kinds.DIRECTORY: tarfile.DIRTYPE,
    kinds.SYMLINK: tarfile.SYMTYPE,
    kinds.HARDLINK: tarfile.LNKTYPE,
    kinds.CHARACTER_DEVICE: tarfile.CHRTYPE,
    kinds.BLOCK_DEVICE: tarfile.BLKTYPE,
    kinds.FIFO: tarfile.FIFOTYPE,
}


def archive(entries: Iterable[Entry]) -> bytes:
    pieces: list[bytes] = []
    writer = TarWriter(lambda piece: pieces.append(bytes(piece)))
    for entry in entries:
        writer.add(entry)
    writer.finish()
    return b"".join(pieces)


def read_back(data: bytes, piece: int = 1 << 20) -> list[tuple[Entry, bytes]]:
    source = io.BytesIO(data)
    reader = TarReader(lambda size: source.read(min(size, piece)), "the archive")
    return [(entry, b"".join(iter(lambda: reader.read(1000), b""))) for entry in reader]


COMPONENTS = (
    st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1)
    .map(str.encode)
    .filter(lambda name: len(name) <= 255)
) | st.binary(min_size=1, max_size=255).map(lambda name: name.translate(None, b"\0/") or b"x")
NAMES = st.lists(
    COMPONENTS.filter(lambda part: part not in (b".", b"..")), min_size=1, max_size=4
).map(b"/".join)
XATTRS = st.dictionaries(
    st.text(st.characters(exclude_characters="=\0", exclude_categories=["Cs"]), min_size=1).map(
        lambda name: b"user." + name.encode()
    ),
    st.binary(min_size=1, max_size=300),
    max_size=3,
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(sorted(TYPES)))
    content = draw(st.binary(max_size=2000)) if kind == kinds.FILE else b""
    is_link = kind in (kinds.SYMLINK, kinds.HARDLINK)
    is_device = kind in (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE)
    return Entry(
        draw(NAMES),
        kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(st.integers(0, 2**32)),
        gid=draw(st.integers(0, 2**32)),
        mtime=draw(st.integers(-(2**35), 2**40)),
        size=len(content),
        target=draw(NAMES) if is_link else b"",
        device=(draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1)))
        if is_device
        else (0, 0),
        xattrs=draw(XATTRS),
        content=content,
    )


@given(st.lists(entries(), max_size=4))
@settings(max_examples=100, deadline=None)
def test_tarfile_reads_what_we_write(written: list[Entry]) -> None:
    data = archive(written)
    assert len(data) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        members = tar.getmembers()
        assert len(members) == len(written)
        for member, entry in zip(members, written):
            assert os.fsencode(member.name) == entry.name.rstrip(b"/")
            assert member.type == TYPES[entry.kind]
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            assert (member.mtime, member.size) == (entry.mtime, entry.size)
            assert os.fsencode(member.linkname) == entry.target
            assert (member.devmajor, member.devminor) == entry.device
            assert (member.uname, member.gname) == ("", "")
            found = {
                key.removeprefix("SCHILY.xattr."): value
                for key, value in member.pax_headers.items()
                if key.startswith("SCHILY.xattr.")
            }
            assert {os.fsencode(key) for key in found} == set(entry.xattrs)
            if entry.kind == kinds.FILE:
                file = tar.extractfile(member)
                assert file is not None
                assert file.read() == entry.content


@given(st.lists(entries(), max_size=4), st.integers(1, 3000))
@settings(max_examples=100, deadline=None)
def test_our_reader_reads_what_we_write(written: list[Entry], piece: int) -> None:
    found = read_back(archive(written), piece)
    assert len(found) == len(written)
    for (entry, content), original in zip(found, written):
        assert content == original.content
        assert entry.name.removesuffix(b"/") == original.name
        for field in ("kind", "mode", "uid", "gid", "mtime", "size", "target", "device"):
            assert getattr(entry, field) == getattr(original, field), field
        assert dict(entry.xattrs) == dict(original.xattrs)


@given(st.lists(entries(), max_size=3))
@settings(max_examples=50, deadline=None)
def test_the_same_entries_give_the_same_bytes(written: list[Entry]) -> None:
    assert archive(written) == archive(list(written))


def test_the_bytes_of_the_format_do_not_change() -> None:
    # Every image's DiffIDs hang on these bytes: a change here is a change of all digests.
    data = archive(
        [
            Entry(b"etc", kinds.DIRECTORY, mode=0o755, mtime=1),
            Entry.of_bytes(b"etc/hostname", b"x\n", mode=0o640, uid=1, gid=2, mtime=3),
            Entry(b"etc/" + b"l" * 120, kinds.SYMLINK, mode=0o777, target="zi\u00ebl".encode()),
            Entry(b"dev", kinds.CHARACTER_DEVICE, device=(1, 3), xattrs={b"user.a": b"\0\n"}),
            Entry.whiteout(b"etc/gone"),
        ]
    )
    assert len(data) == 6144
    assert (
        hashlib.sha256(data).hexdigest()
        == "3a9ccca08dc8d422c44105fc27b0a7747a13e81b3ce55d1e55906c8a8d3227a7"
    )


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 157, 255, 256, 257, 400])
@pytest.mark.parametrize("kind", [kinds.FILE, kinds.DIRECTORY, kinds.SYMLINK])
def test_names_around_the_limits_of_the_fields(length: int, kind: str) -> None:
    for name in (b"a" * length, b"a" * (length - 51) + b"/" + b"b" * 50, b"c/" * (length // 2)):
        entry = Entry(name.rstrip(b"/"), kind, target=b"t" * length if kind == "symlink" else b"")
        with tarfile.open(fileobj=io.BytesIO(archive([entry]))) as tar:
            (member,) = tar.getmembers()
        assert os.fsencode(member.name) == entry.name
        assert os.fsencode(member.linkname) == entry.target
        ((found, _),) = read_back(archive([entry]))
        assert found.name.removesuffix(b"/") == entry.name


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, (1 << 20) + 1])
def test_content_is_padded_to_blocks(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    entry = Entry(b"f", kinds.FILE, size=size, content=lambda: os.open(path, os.O_RDONLY))
    before = len(os.listdir("/proc/self/fd"))
    data = archive([entry, Entry.of_bytes(b"g", b"y")])
    assert len(os.listdir("/proc/self/fd")) == before
    assert data == archive([Entry.of_bytes(b"f", b"x" * size), Entry.of_bytes(b"g", b"y")])


def test_a_file_that_grew_is_cut_and_one_that_shrank_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")

    def of_size(size: int) -> Entry:
        return Entry(b"f", kinds.FILE, size=size, content=lambda: os.open(path, os.O_RDONLY))

    assert archive([of_size(3)]) == archive([Entry.of_bytes(b"f", b"123")])
    with pytest.raises(OSError, match="1 bytes shorter"):
        archive([of_size(6)])


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"", kinds.FILE),
        Entry(b"a\0b", kinds.FILE),
        Entry(b"a", kinds.SYMLINK, target=b"b\0"),
        Entry(b"a", kinds.FILE, uid=-1),
        Entry(b"a", kinds.CHARACTER_DEVICE, device=(1 << 24, 0)),
        Entry(b"a", kinds.FILE, xattrs={b"user.a=b": b"c"}),
        Entry(b"a", kinds.FILE, size=2, content=b"c"),
    ],
)
def test_what_tar_has_no_form_for_is_refused(entry: Entry) -> None:
    with pytest.raises(ValueError):
        archive([entry])


def test_sizes_beyond_eight_gibibytes_have_a_record() -> None:
    class Endless:
        def read(self, size: int) -> bytes:
            return bytes(size)

    size = 8 << 30
    pieces: list[bytes] = []
    total = 0

    def sink(piece: bytes | bytearray) -> None:
        nonlocal total
        if total < 4096:
            pieces.append(bytes(piece[:4096]))
        total += len(piece)

    writer = TarWriter(sink)
    writer.add(Entry(b"huge", kinds.FILE, size=size, content=Endless))
    writer.finish()
    assert total == size + 3 * 512 + 1024
    start = b"".join(pieces)
    assert b"19 size=8589934592\n" in start
    source = io.BytesIO(start)
    assert next(iter(TarReader(source.read, "x"))).size == size
