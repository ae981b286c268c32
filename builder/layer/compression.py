"""How layers are compressed: the same bytes for the same input, however many threads help.

gzip: one member of raw deflate blocks of 1 MiB of input, each flushed to a byte boundary and begun
with the 32 KiB before it as dictionary, so that blocks can be compressed at the same time and the
result depends neither on the number of threads nor on how the input arrives. It does depend on
zlib's version and the level. zstd is the library's multi-threaded mode, whose output does not
depend on the number of threads as long as there is at least one. Identity across machines rests on
DiffIDs.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from dataclasses import dataclass
from queue import SimpleQueue

from builder.errors import BuilderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Protocol, Self

    class Compressor(Protocol):
        """Takes a stream, hands its compressed form to a sink."""

        def write(self, data: bytes | bytearray | memoryview) -> None:
            """Compress data."""

        def finish(self) -> None:
            """End the stream; nothing may be written after."""

        def __enter__(self) -> Self: ...

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...

    Sink = Callable[[bytes], Any]

BLOCK = 1 << 20
_WINDOW = 32 << 10
_LEVELS = {"none": (0, 0, 0), "gzip": (0, 9, 4), "zstd": (1, 22, 3)}
"""Lowest, highest and usual level, by kind. gzip's 4 is twice as fast as zlib's own default of 6
and gives 3 % more bytes, as many as other builders' layers have."""


class CompressionError(BuilderError):
    """A compression that is not supported, or a level it does not have."""

    code = "compression"


@dataclass(frozen=True, slots=True)
class Compression:
    """A kind, `gzip`, `zstd` or `none`, and its level. Raises CompressionError."""

    kind: str = "gzip"
    level: int = -1

    def __post_init__(self) -> None:
        limits = _LEVELS.get(self.kind)
        if limits is None:
            raise CompressionError(
                f"compression {self.kind!r} is not supported", hint="gzip, zstd and none are"
            )
        lowest, highest, usual = limits
        if self.level == -1:
            object.__setattr__(self, "level", usual)
        elif not lowest <= self.level <= highest:
            raise CompressionError(
                f"compression {self.kind} has no level {self.level}",
                hint=f"{lowest} to {highest}" if highest else "it has none",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """`kind` or `kind:level`. Raises CompressionError."""
        kind, colon, level = text.partition(":")
        if colon and not level.isdecimal():
            raise CompressionError(f"compression {text!r}: the level must be a number")
        return cls(kind, int(level) if colon else -1)

    def __str__(self) -> str:
        return f"{self.kind}:{self.level}" if self.kind != "none" else "none"


def compressor(compression: Compression, sink: Sink, threads: int = 0) -> Compressor:
    """Compress into sink, which is called in the caller's thread; threads 0: one per processor."""
    threads = threads or len(os.sched_getaffinity(0))
    if compression.kind == "gzip":
        return _Gzip(compression.level, sink, threads)
    if compression.kind == "zstd":
        return _Zstd(compression.level, sink, threads)
    return _Stored(sink)


class _Stored:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._sink(bytes(data))

    def finish(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


class _Zstd(_Stored):
    def __init__(self, level: int, sink: Sink, threads: int) -> None:
        super().__init__(sink)
        import zstandard

        # No content size in the header: it is not known when the header is written.
        self._stream = zstandard.ZstdCompressor(
            level=level, threads=threads, write_checksum=True, write_content_size=False
        ).compressobj()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if out := self._stream.compress(data):
            self._sink(out)

    def finish(self) -> None:
        self._sink(self._stream.flush())


class _Block:
    """A block on its way through a thread."""

    def __init__(self, data: bytes, dictionary: bytes, level: int, last: bool) -> None:
        self._data = data
        self._dictionary = dictionary
        self._level = level
        self._last = last
        self._out: bytes | BaseException = b""
        self._done = threading.Lock()
        self._done.acquire()

    def work(self) -> None:
        try:
            stream = zlib.compressobj(
                self._level, zlib.DEFLATED, -zlib.MAX_WBITS, 8, zlib.Z_DEFAULT_STRATEGY,
                *([self._dictionary] if self._dictionary else []),
            )  # fmt: skip
            mode = zlib.Z_FINISH if self._last else zlib.Z_SYNC_FLUSH
            self._out = stream.compress(self._data) + stream.flush(mode)
        except BaseException as error:
            self._out = error
        self._data = b""
        self._done.release()

    def result(self) -> bytes:
        self._done.acquire()
        if isinstance(self._out, BaseException):
            raise self._out
        return self._out


class _Gzip(_Stored):
    """RFC 1952. No name, no time; operating system 255 "unknown", as Go writes it."""

    def __init__(self, level: int, sink: Sink, threads: int) -> None:
        super().__init__(sink)
        self._level = level
        self._buffer = bytearray()
        self._dictionary = b""
        self._crc = 0
        self._size = 0
        self._pending: list[_Block] = []
        self._jobs: SimpleQueue[_Block | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._most_threads = threads
        extra_flags = {9: 2, 1: 4}.get(level, 0)
        sink(struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, extra_flags, 255))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._buffer += data
        if len(self._buffer) < BLOCK:
            return
        whole = len(self._buffer) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            self._give(bytes(self._buffer[start : start + BLOCK]), last=False)
        del self._buffer[:whole]

    def finish(self) -> None:
        rest = bytes(self._buffer)
        if self._threads:
            self._give(rest, last=True)
        else:
            # A small layer is not worth a thread.
            block = _Block(rest, self._dictionary, self._level, last=True)
            block.work()
            self._pending.append(block)
        while self._pending:
            self._sink(self._pending.pop(0).result())
        self._sink(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))

    def _give(self, data: bytes, *, last: bool) -> None:
        block = _Block(data, self._dictionary, self._level, last)
        self._dictionary = data[-_WINDOW:]
        if len(self._threads) < self._most_threads:
            thread = threading.Thread(target=self._serve, name="gzip", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._jobs.put(block)
        self._pending.append(block)
        # Enough for every thread to find work, few enough to bound the memory.
        while len(self._pending) > 2 * self._most_threads:
            self._sink(self._pending.pop(0).result())

    def _serve(self) -> None:
        while block := self._jobs.get():
            block.work()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []
