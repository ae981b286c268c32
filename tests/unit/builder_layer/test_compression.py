"""Compressors: the same bytes always; decompressors: any stream, bounded, whole or refused."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import random
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import ImageFormatError
from builder.layer.compression import BLOCK, Compression, CompressionError, compressor
from builder.layer.decompression import Buffered, decompressor, detect, detecting_decompressor

RANDOM = random.Random(1)
WORDS = [b"%d:" % RANDOM.randrange(10**6) for _ in range(5000)]
DATA = b"".join(RANDOM.choices(WORDS, k=600_000))  # some four blocks that compress a little
SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, len(DATA)]

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": lambda data: zstandard.ZstdCompressor(level=1).compress(data),
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
}


def compressed(data: bytes, compression: Compression, pieces: int = 0, threads: int = 2) -> bytes:
    out: list[bytes] = []
    with compressor(compression, out.append, threads) as stream:
        for start in range(0, len(data), pieces or len(data) or 1):
            stream.write(data[start : start + (pieces or len(data))])
        stream.finish()
    return b"".join(out)


def decompressed(
    kind: str, data: bytes, piece: int = 1 << 16, source_piece: int = 1 << 20
) -> bytes:
    source = io.BytesIO(data)
    read = decompressor(kind, lambda size: source.read(min(size, source_piece)), "the stream")
    return b"".join(iter(lambda: read(piece), b""))


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_compressed_comes_back(kind: str, size: int) -> None:
    data = compressed(DATA[:size], Compression(kind))
    assert decompressed(kind, data) == DATA[:size]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_other_programs_read_our_gzip(level: int) -> None:
    data = compressed(DATA, Compression("gzip", level))
    assert gzip.decompress(data) == DATA
    assert subprocess.run(["gzip", "-dc"], input=data, capture_output=True).stdout == DATA
    # One member: readers that stop after the first must see everything.
    stream = zlib.decompressobj(31)
    assert len(stream.decompress(data)) == len(DATA)
    assert stream.eof
    assert stream.unused_data == b""


def test_our_zstd_is_one_frame_with_a_checksum() -> None:
    data = compressed(DATA, Compression("zstd"))
    stream = zstandard.ZstdDecompressor().decompressobj()
    assert stream.decompress(data) == DATA
    assert stream.eof
    assert stream.unused_data == b""
    assert zstandard.get_frame_parameters(data).has_checksum


@pytest.mark.parametrize("kind", ["gzip:1", "gzip:6", "zstd:1", "zstd:3"])
def test_neither_threads_nor_pieces_change_the_bytes(kind: str) -> None:
    compression = Compression.parse(kind)
    found = {
        compressed(DATA, compression, pieces, threads)
        for pieces, threads in itertools.product((0, 12_345, BLOCK, 3 * BLOCK // 2), (1, 2, 5))
    }
    assert len(found) == 1


def test_the_gzip_header_says_nothing_of_time_and_place() -> None:
    assert compressed(b"x", Compression("gzip", 6))[:10] == bytes.fromhex("1f8b08000000000000ff")
    assert compressed(b"x", Compression("gzip", 9))[8] == 2
    assert compressed(b"x", Compression("gzip", 1))[8] == 4


def test_blocks_share_a_dictionary() -> None:
    block = random.Random(2).randbytes(30_000)
    repeated = block * 80
    alone = len(zlib.compress(repeated, 6))
    assert len(compressed(repeated, Compression("gzip", 6))) < alone * 1.05 + 100


def test_a_failing_sink_ends_the_threads() -> None:
    def full(_data: bytes) -> None:
        raise OSError("full")

    before = threading.active_count()
    with pytest.raises(OSError), compressor(Compression("gzip", 1), lambda data: None, 3) as stream:
        stream._sink = full  # type: ignore[attr-defined]
        stream.write(DATA * 3)
        stream.finish()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("text", "kind", "level", "shown"),
    [
        ("gzip", "gzip", 4, "gzip:4"),
        ("gzip:1", "gzip", 1, "gzip:1"),
        ("zstd", "zstd", 3, "zstd:3"),
        ("zstd:19", "zstd", 19, "zstd:19"),
        ("none", "none", 0, "none"),
    ],
)
def test_how_compressions_are_written(text: str, kind: str, level: int, shown: str) -> None:
    compression = Compression.parse(text)
    assert (compression.kind, compression.level, str(compression)) == (kind, level, shown)
    assert Compression.parse(shown) == compression


@pytest.mark.parametrize(
    "text", ["", "lz4", "gzip:", "gzip:10", "gzip:-1", "gzip:x", "zstd:0", "zstd:23", "none:1"]
)
def test_compressions_that_do_not_exist(text: str) -> None:
    with pytest.raises(CompressionError):
        Compression.parse(text)


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize(
    ("piece", "source_piece"), [(1 << 20, 1 << 20), (777, 1 << 20), (9999, 13)]
)
def test_every_kind_is_read_in_any_pieces(kind: str, piece: int, source_piece: int) -> None:
    data = COMPRESS[kind](DATA[:200_000])
    assert decompressed(kind, data, piece, source_piece) == DATA[:200_000]


@pytest.mark.parametrize("kind", COMPRESS)
def test_the_kind_is_told_from_the_first_bytes(kind: str) -> None:
    data = COMPRESS[kind](DATA[:5000])
    assert detect(data[:6]) == kind
    for source_piece in (1, 5, 1 << 20):
        source = io.BytesIO(data)
        read = detecting_decompressor(lambda size: source.read(min(size, source_piece)), "it")
        assert b"".join(iter(lambda: read(999), b"")) == DATA[:5000]


@pytest.mark.parametrize("data", [b"", b"x", b"\x1f", b"12345", b"BZ", b"\xfd7zX"])
def test_streams_too_short_for_a_kind_are_what_they_are(data: bytes) -> None:
    read = detecting_decompressor(io.BytesIO(data).read, "it")
    assert b"".join(iter(lambda: read(3), b"")) == data


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_several_members_are_one_stream(kind: str) -> None:
    data = b"".join(COMPRESS[kind](DATA[start : start + 9999]) for start in range(0, 99990, 9999))
    assert decompressed(kind, data) == DATA[:99990]
    assert decompressed(kind, data, 100, 17) == DATA[:99990]


def test_frames_that_zstd_skips_are_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (9).to_bytes(4, "little") + b"something"
    data = skipped + COMPRESS["zstd"](b"abc") + skipped + COMPRESS["zstd"](b"def") + skipped
    assert decompressed("zstd", data) == b"abcdef"
    assert detect(data[:6]) == "zstd"


def test_zeros_after_gzip_are_padding() -> None:
    assert decompressed("gzip", COMPRESS["gzip"](b"abc") + bytes(100_000)) == b"abc"


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_a_stream_that_stops_is_an_error_wherever_it_stops(kind: str) -> None:
    data = COMPRESS[kind](DATA[:20_000])
    for length in [1, 5, 10, 20, len(data) // 2, len(data) - 9, len(data) - 1]:
        with pytest.raises(ImageFormatError, match=f"the stream: .*{kind}"):
            decompressed(kind, data[:length])


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_rubbish_after_a_stream_is_an_error(kind: str) -> None:
    with pytest.raises(ImageFormatError):
        decompressed(kind, COMPRESS[kind](b"abc") + b"rubbish")


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_changed_byte_is_an_error(kind: str) -> None:
    data = bytearray(COMPRESS[kind](DATA[:20_000]))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(ImageFormatError):
        decompressed(kind, bytes(data))


@given(st.sampled_from(["gzip", "zstd", "bzip2", "xz"]), st.data())
@settings(max_examples=200, deadline=None)
def test_changed_streams_never_break_the_decompressor(kind: str, data: st.DataObject) -> None:
    changed = bytearray(COMPRESS[kind](DATA[:3000]))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        decompressed(kind, bytes(changed), 1000, data.draw(st.integers(1, 4000)))
    except ImageFormatError:
        pass


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_a_bomb_takes_little_memory(kind: str) -> None:
    size = 200 << 20
    bomb = COMPRESS[kind](bytes(size))
    assert len(bomb) < 1 << 20
    source = io.BytesIO(bomb)
    tracemalloc.start()
    try:
        read = decompressor(kind, source.read, "it")
        total = 0
        while chunk := read(1 << 16):
            total += len(chunk)
        assert total == size
        assert tracemalloc.get_traced_memory()[1] < 70 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=2000), st.lists(st.integers(1, 300), min_size=1), st.integers(1, 50))
@settings(deadline=None)
def test_buffered_reading_changes_nothing(data: bytes, sizes: list[int], piece: int) -> None:
    buffered = Buffered(io.BytesIO(data).read, piece)
    out = b""
    for size in itertools.cycle(sizes):
        chunk = buffered.exactly(size)
        out += chunk
        assert buffered.position == len(out)
        if len(chunk) < size:
            break
    assert out == data
