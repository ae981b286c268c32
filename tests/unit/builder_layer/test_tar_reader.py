"""The tar reader: archives of other programs, and hostile ones."""

from __future__ import annotations

import io
import os
import struct
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import ImageFormatError
from builder.layer import entry as kinds
from builder.layer.entry import Entry
from builder.layer.tar_reader import TarReader

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def read_all(data: bytes) -> list[tuple[Entry, bytes]]:
    reader = TarReader(io.BytesIO(data).read, "the archive")
    found = [(entry, b"".join(iter(lambda: reader.read(777), b""))) for entry in reader]
    reader.drain()
    return found


def made_by_tarfile(
    members: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT, **options: object
) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, **options) as tar:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def header(
    name: bytes = b"f",
    flag: bytes = b"0",
    size: bytes = b"00000000000",
    magic: bytes = b"ustar\x0000",
    edit: Callable[[bytearray], None] | None = None,
) -> bytes:
    """A header block made by hand, with a right checksum."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:107] = b"0000644"
    block[108:115] = block[116:123] = b"0000000"
    block[124 : 124 + len(size)] = size
    block[136:147] = b"00000000000"
    block[156:157] = flag
    block[257 : 257 + len(magic)] = magic
    if edit:
        edit(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(*records: bytes, flag: bytes = b"x") -> bytes:
    body = b"".join(records)
    padded = body + bytes(-len(body) % 512)
    return header(b"pax", flag, b"%011o" % len(body)) + padded


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while True:
        text = b"%d %b=%b\n" % (length, key, value)
        if len(text) == length:
            return text
        length = len(text)


END = bytes(1024)


@st.composite
def infos(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    name = draw(
        st.text(
            st.characters(exclude_characters="\0/", exclude_categories=["Cs"]),
            min_size=1,
            max_size=150,
        ).filter(lambda name: name not in (".", ".."))
    )
    info = tarfile.TarInfo(name)
    info.type = draw(
        st.sampled_from(
            [
                tarfile.REGTYPE,
                tarfile.AREGTYPE,
                tarfile.DIRTYPE,
                tarfile.SYMTYPE,
                tarfile.LNKTYPE,
                tarfile.CHRTYPE,
                tarfile.BLKTYPE,
                tarfile.FIFOTYPE,
                tarfile.CONTTYPE,
            ]
        )
    )
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid = draw(st.integers(0, 2**31)), draw(st.integers(0, 2**31))
    info.mtime = draw(st.integers(0, 2**40))
    info.uname = draw(st.sampled_from(["", "root", "n\u00e4me"]))
    if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname = draw(st.text("ab/\u00e9", min_size=1, max_size=200))
    if info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = draw(st.integers(0, 4095)), draw(st.integers(0, 4095))
    content = draw(st.binary(max_size=1500)) if info.isreg() else b""
    return info, content


@given(st.lists(infos(), max_size=4), st.sampled_from(FORMATS[1:]))
@settings(max_examples=100, deadline=None)
def test_we_read_what_tarfile_writes(
    members: list[tuple[tarfile.TarInfo, bytes]], form: int
) -> None:
    found = read_all(made_by_tarfile(members, form))
    assert len(found) == len(members)
    for (entry, content), (info, original) in zip(found, members):
        is_directory = info.isdir() or (info.type == tarfile.AREGTYPE and info.name.endswith("/"))
        assert entry.name.removesuffix(b"/") == os.fsencode(info.name).removesuffix(b"/")
        assert content == original
        assert (entry.kind == kinds.DIRECTORY) == is_directory
        assert (entry.kind == kinds.FILE) == (info.isreg() and not is_directory)
        assert (entry.mode, entry.uid, entry.gid) == (info.mode, info.uid, info.gid)
        assert entry.mtime == info.mtime
        assert entry.target == os.fsencode(info.linkname)
        if entry.kind in (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE):
            assert entry.device == (info.devmajor, info.devminor)


@pytest.mark.parametrize("form", FORMATS)
def test_names_with_a_prefix_are_put_together(form: int) -> None:
    name = "d" * 90 + "/" + "f" * 90
    ((entry, _),) = read_all(made_by_tarfile([(tarfile.TarInfo(name), b"")], form))
    assert entry.name == name.encode()


def test_global_records_hold_for_all_and_own_ones_before_them() -> None:
    data = (
        pax(record(b"uid", b"7"), record(b"SCHILY.xattr.user.a", b"1"), flag=b"g")
        + header(b"first")
        + pax(record(b"uid", b"8"), record(b"path", b"renamed"))
        + header(b"second")
        + pax(record(b"SCHILY.xattr.user.a", b""))
        + header(b"third")
        + pax(record(b"uid", b""), flag=b"g")
        + header(b"fourth")
        + END
    )
    found = [(entry.name, entry.uid, dict(entry.xattrs)) for entry, _ in read_all(data)]
    assert found == [
        (b"first", 7, {b"user.a": b"1"}),
        (b"renamed", 8, {b"user.a": b"1"}),
        (b"third", 7, {}),
        (b"fourth", 0, {b"user.a": b"1"}),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"5", 5), (b"5.9", 5), (b"-5", -5), (b"-5.0", -5), (b"-5.1", -6), (b"0.5", 0), (b"-0.5", -1)],
)
def test_times_are_rounded_down_to_whole_seconds(text: bytes, seconds: int) -> None:
    ((entry, _),) = read_all(pax(record(b"mtime", text)) + header() + END)
    assert entry.mtime == seconds


def test_numbers_in_base_256_are_read() -> None:
    def edit(block: bytearray) -> None:
        block[108:116] = b"\x80" + struct.pack(">Q", 2**40)[1:]
        block[136:148] = b"\xff" * 11 + b"\xfb"

    ((entry, _),) = read_all(header(edit=edit) + END)
    assert (entry.uid, entry.mtime) == (2**40, -5)


def test_fields_of_gnu_are_not_taken_for_a_prefix() -> None:
    def edit(block: bytearray) -> None:
        block[345:356] = b"14071234567"

    ((entry, _),) = read_all(header(b"name", magic=b"ustar  \0", edit=edit) + END)
    assert entry.name == b"name"


def test_files_with_a_slash_at_the_end_are_directories_of_old_programs() -> None:
    ((entry, _),) = read_all(header(b"old/", flag=b"\0", magic=b"") + END)
    assert entry.kind == kinds.DIRECTORY


@pytest.mark.parametrize("flag", [b"1", b"2", b"3", b"5", b"6"])
def test_sizes_of_what_has_no_content_are_passed_over(flag: bytes) -> None:
    def edit(block: bytearray) -> None:
        block[157:158] = b"t"

    data = header(b"a", flag, b"00000001000", edit=edit) + header(b"b") + END
    assert [entry.name for entry, _ in read_all(data)] == [b"a", b"b"]


def test_checksums_of_signed_bytes_are_right_too() -> None:
    block = bytearray(header(b"\xff\xfe"))
    total = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 256
    block[148:156] = b"%06o\0 " % total
    ((entry, _),) = read_all(bytes(block) + END)
    assert entry.name == b"\xff\xfe"


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240), END + b"rubbish"])
def test_every_kind_of_end_is_one(end: bytes) -> None:
    assert len(read_all(header() + end)) == 1


def test_an_empty_stream_has_no_entries() -> None:
    assert read_all(b"") == []


def test_content_that_is_not_read_is_skipped() -> None:
    data = made_by_tarfile([(tarfile.TarInfo(name), b"x" * 5000) for name in "abc"])
    reader = TarReader(io.BytesIO(data).read, "it")
    names = []
    for entry in reader:
        names.append(entry.name)
        assert reader.read(10) == b"x" * 10
    assert names == [b"a", b"b", b"c"]


HOSTILE = {
    "garbage": (b"garbage" * 200, "checksum is wrong"),
    "a short header": (header()[:100], "stops in the middle of a header"),
    "content that stops": (header(size=b"00000010000") + b"x" * 600, "stops in the middle of a f"),
    "padding that stops": (header(size=b"00000000001") + b"x" * 9, "stops in the middle of a file"),
    "content that never comes": (header(size=b"00000010000"), "stops in the middle of a file"),
    "a changed checksum": (header()[:-1] + b"x" + END, "checksum is wrong"),
    "a zero block in the middle": (bytes(512) + header() + END, "zeros in the middle"),
    "a huge size": (
        header(edit=lambda b: b.__setitem__(slice(124, 136), b"\x80" + b"\x7f" + b"\xff" * 10)),
        "out of range",
    ),
    "a negative size": (
        header(edit=lambda b: b.__setitem__(slice(124, 136), b"\xff" * 12)),
        "size is out of range",
    ),
    "a size that is no number": (header(size=b"0000000000x"), "is not a number"),
    "a size with digits of ten": (header(size=b"00000000009"), "is not a number"),
    "a negative uid": (
        header(edit=lambda b: b.__setitem__(slice(108, 116), b"\xff" * 8)),
        "uid is out of range",
    ),
    "a large extended header": (
        header(b"p", b"x", b"77777777777"),
        "extended header of 8589934591",
    ),
    "a large long name": (header(b"p", b"L", b"00010000000"), "extended header of"),
    "an extended header that stops": (
        pax(record(b"path", b"x" * 900))[:1000],
        "in the middle of an",
    ),
    "an extended header of nothing": (pax(record(b"path", b"x")) + END, "followed by no file"),
    "a long name of nothing": (
        header(b"p", b"L", b"00000000001") + b"x".ljust(512, b"\0"),
        "no file",
    ),
    "a record of no length": (pax(b"path=x\n") + header(), "damaged extended header"),
    "a record too long": (pax(b"99 path=x\n") + header(), "damaged extended header"),
    "a record too short": (pax(b"5 path=x\n") + header(), "damaged extended header"),
    "a record of length zero": (pax(b"0 path=x\n") + header(), "damaged extended header"),
    "a record of huge length": (pax(b"9" * 30 + b" a=b\n") + header(), "damaged extended header"),
    "a record of negative length": (pax(b"-1 a=b\n") + header(), "damaged extended header"),
    "a record without a key": (pax(b"5 =b\n") + header(), "damaged extended header"),
    "a record without a value": (pax(b"5 ab\n") + header(), "damaged extended header"),
    "a record without a line end": (pax(b"6 a=bc") + header(), "damaged extended header"),
    "a size record that is no number": (pax(record(b"size", b"1e3")) + header(), "out of range"),
    "a size record that is huge": (pax(record(b"size", b"9" * 19)) + header(), "out of range"),
    "a time that is no number": (pax(record(b"mtime", b"now")) + header(), "mtime is not a number"),
    "a NUL in a name": (pax(record(b"path", b"a\0b")) + header(), "has a NUL in it"),
    "a NUL in a target": (pax(record(b"linkpath", b"a\0b")) + header(flag=b"2"), "has a NUL"),
    "no name": (header(b""), "without a name"),
    "a link to nothing": (header(flag=b"2"), "without a name or target"),
    "a sparse file of GNU": (header(flag=b"S"), "is a sparse file"),
    "a sparse file of PAX": (pax(record(b"GNU.sparse.major", b"1")) + header(), "is a sparse file"),
    "a second volume": (header(flag=b"M"), "from another volume"),
    "an incremental archive": (header(flag=b"D"), "incremental"),
    "an unknown type": (header(flag=b"Z"), "unknown type"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_in_one_line(name: str) -> None:
    data, why = HOSTILE[name]
    with pytest.raises(ImageFormatError) as caught:
        read_all(data)
    assert why in str(caught.value)
    assert str(caught.value).startswith("reading the archive: ")
    assert "\n" not in str(caught.value)


def test_control_characters_of_names_do_not_reach_the_terminal() -> None:
    with pytest.raises(ImageFormatError) as caught:
        read_all(header(b"\x1b[2J\n", flag=b"Z"))
    assert str(caught.value).isprintable()


@given(st.binary(max_size=1600))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused_or_read_but_never_break_the_reader(data: bytes) -> None:
    try:
        read_all(data)
    except ImageFormatError:
        pass


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_changed_archives_are_refused_or_read_but_never_break_the_reader(
    data: st.DataObject,
) -> None:
    info = tarfile.TarInfo("n\u00e4me" * 40)
    info.pax_headers = {"SCHILY.xattr.user.x": "y"}
    original = bytearray(made_by_tarfile([(info, b"content"), (tarfile.TarInfo("b"), b"")]))
    for _ in range(data.draw(st.integers(1, 4))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    # The checksums are made right again, so that what lies behind them is reached.
    for start in range(0, len(original), 512):
        block = original[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            original[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    try:
        read_all(bytes(original))
    except ImageFormatError:
        pass


def test_memory_does_not_grow_with_the_content() -> None:
    import tracemalloc

    class Zeros:
        left = 400 << 20

        def read(self, size: int) -> bytes:
            if not self.started:
                self.started = True
                return header(size=b"%011o" % self.left)
            chunk = bytes(min(size, self.left))
            self.left -= len(chunk)
            return chunk

        started = False

    tracemalloc.start()
    try:
        reader = TarReader(Zeros().read, "it")
        assert [entry.size for entry in reader] == [400 << 20]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
