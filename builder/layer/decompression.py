"""Decompressing what somebody else compressed, in bounded memory: gzip, zstd, bzip2, xz.

A few bytes can stand for gigabytes, so every read gives at most what was asked for (zstd: what its
input of one KiB can come to, 32 MiB). Streams of several members or frames are one stream; a stream
that stops in the middle is an error.
"""

from __future__ import annotations

from builder.errors import ImageFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Read = Callable[[int], bytes]

_INPUT = 64 << 10
_ZSTD_INPUT = 1 << 10
_LZMA_MEMORY = 256 << 20

_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_SKIPPABLE = (0x50, b"\x2a\x4d\x18")
MAGIC_LENGTH = 6


def detect(start: bytes) -> str:
    """The compression that a stream's first MAGIC_LENGTH bytes tell: "none" when they tell none."""
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    if len(start) >= 4 and start[0] & 0xF0 == _SKIPPABLE[0] and start[1:4] == _SKIPPABLE[1]:
        return "zstd"
    return "none"


def decompressor(kind: str, read: Read, what: str) -> Read:
    """A function like `read` that gives the decompressed stream; `what` names it in errors.

    It raises ImageFormatError for a damaged stream, and what read raises.
    """
    if kind == "none":
        return read
    form = {"gzip": _gzip, "zstd": _zstd, "bzip2": _bzip2, "xz": _xz}[kind]()
    if kind == "zstd":
        # It is fed in very small pieces.
        read = Buffered(read, _INPUT).read
    return _Stream(read, form, kind, what).read


def detecting_decompressor(read: Read, what: str) -> Read:
    """The same with the compression told from the stream's first bytes."""
    start = b""
    while len(start) < MAGIC_LENGTH and (more := read(MAGIC_LENGTH - len(start))):
        start += more

    def replayed(size: int) -> bytes:
        nonlocal start
        if start:
            chunk, start = start[:size], start[size:]
            return chunk
        return read(size)

    return decompressor(detect(start), replayed, what)


class _Format:
    """What a kind of compression needs: new decoders, and the errors they raise."""

    def __init__(self, new: Callable[[], Any], *errors: type[Exception]) -> None:
        self.new = new
        self.errors = errors


def _gzip() -> _Format:
    import zlib

    return _Format(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), zlib.error)


def _bzip2() -> _Format:
    import bz2

    return _Format(bz2.BZ2Decompressor, OSError, ValueError)


def _xz() -> _Format:
    import lzma

    return _Format(
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY), lzma.LZMAError
    )


def _zstd() -> _Format:
    import zstandard

    return _Format(lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError)


class _Stream:
    """Members or frames one after the other, each with a decoder of its own."""

    def __init__(self, read: Read, form: _Format, kind: str, what: str) -> None:
        self._source = read
        self._form = form
        self._kind = kind
        self._what = what
        self._decoder: Any = None
        self._input = b""
        self._output = b""
        self._position = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """At most size bytes; b"" at the end."""
        while self._position == len(self._output) and not self._ended:
            self._position = 0
            self._output = self._fill(size)
        chunk = self._output[self._position : self._position + size]
        self._position += len(chunk)
        return chunk

    def _fill(self, size: int) -> bytes:
        if not self._input and (self._decoder is None or self._wants_input()):
            self._input = self._source(_ZSTD_INPUT if self._kind == "zstd" else _INPUT)
            if not self._input:
                self._end()
                return b""
        if self._decoder is None:
            if self._kind == "gzip" and not self._input.strip(b"\0"):
                # Tapes and some tools pad with zeros.
                self._input = b""
                return b""
            self._decoder = self._form.new()
        given, self._input = self._input, b""
        try:
            if self._kind == "zstd":
                out = self._decoder.decompress(given)
            else:
                out = self._decoder.decompress(given, size)
        except self._form.errors as error:
            raise ImageFormatError(
                f"reading {self._what}: damaged {self._kind} stream: {error}", subject=self._what
            ) from None
        if self._decoder.eof:
            self._input = self._decoder.unused_data
            self._decoder = None
        elif self._kind == "gzip":
            self._input = self._decoder.unconsumed_tail
        return bytes(out)

    def _wants_input(self) -> bool:
        return bool(getattr(self._decoder, "needs_input", True))

    def _end(self) -> None:
        if self._decoder is not None:
            raise ImageFormatError(
                f"reading {self._what}: the {self._kind} stream stops in the middle",
                subject=self._what,
            )
        self._ended = True


class Buffered:
    """Gives a reader's bytes in any size, reading large pieces: for many small reads.

    Attributes:
        position: bytes given so far.
    """

    def __init__(self, read: Read, piece: int = 256 << 10) -> None:
        self._source = read
        self._piece = piece
        self._data = b""
        self._at = 0
        self.position = 0

    def read(self, size: int) -> bytes:
        """At most size bytes, fewer only where a piece ends; b"" at the end."""
        if self._at == len(self._data):
            if size >= self._piece:
                chunk = self._source(size)
                self.position += len(chunk)
                return chunk
            self._data, self._at = self._source(self._piece), 0
        chunk = self._data[self._at : self._at + size]
        self._at += len(chunk)
        self.position += len(chunk)
        return chunk

    def exactly(self, size: int) -> bytes:
        """size bytes, or what is left when that is less."""
        chunk = self.read(size)
        if len(chunk) == size or not chunk:
            return chunk
        parts = [chunk]
        size -= len(chunk)
        while size and (chunk := self.read(size)):
            parts.append(chunk)
            size -= len(chunk)
        return b"".join(parts)
