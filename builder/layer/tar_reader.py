"""Reads tar as a stream: ustar, PAX (global headers too), GNU long names, base-256 numbers.

For hostile input: nothing is trusted before it is checked, a header's extensions are bounded,
content is never held. What cannot be kept exactly is refused rather than guessed: sparse files,
volumes of archives, types that nobody knows. What is read are names as the archive has them;
`builder.layer.names` says which of them may be used.
"""

from __future__ import annotations

from builder.errors import ImageFormatError
from builder.layer import entry as kinds
from builder.layer.decompression import Buffered
from builder.layer.entry import Entry
from builder.layer.names import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 512
_LARGEST_EXTENSION = 1 << 20
_LARGEST_SIZE = (1 << 63) - 1
_ZERO = bytes(BLOCK)
_KINDS = {
    b"0": kinds.FILE,
    b"\0": kinds.FILE,
    b"7": kinds.FILE,
    b"1": kinds.HARDLINK,
    b"2": kinds.SYMLINK,
    b"3": kinds.CHARACTER_DEVICE,
    b"4": kinds.BLOCK_DEVICE,
    b"5": kinds.DIRECTORY,
    b"6": kinds.FIFO,
}
_REFUSED = {
    b"S": "a sparse file",
    b"M": "the continuation of a file from another volume",
    b"D": "a directory of an incremental archive",
}
_XATTR = b"SCHILY.xattr."


class TarReader:
    """Iterates over a tar stream's entries; `read` gives the content of the one at hand.

    The entries' `content` is empty: content not read is skipped.
    """

    def __init__(self, read: Callable[[int], bytes], what: str) -> None:
        """`read` gives at most that many bytes, b"" at the end; `what` names it in errors."""
        self._stream = Buffered(read)
        self._what = what
        self._left = 0
        self._padding = 0
        self._globals: dict[bytes, bytes] = {}

    def __iter__(self) -> Iterator[Entry]:
        """Raises ImageFormatError, and what the stream's read raises."""
        while (entry := self._next()) is not None:
            yield entry

    def read(self, size: int) -> bytes:
        """At most size bytes of the content of the entry last given; b"" at its end.

        Raises ImageFormatError when the archive stops before it.
        """
        if not self._left or size == 0:
            return b""
        chunk = self._stream.read(min(size, self._left))
        if not chunk:
            raise self._malformed("it stops in the middle of a file")
        self._left -= len(chunk)
        return chunk

    def drain(self) -> None:
        """Read the rest of the stream, after the end of the archive."""
        while self._stream.read(1 << 20):
            pass

    def _next(self) -> Entry | None:
        records: dict[bytes, bytes] = {}
        long_name = long_target = None
        while True:
            self._skip()
            block = self._stream.exactly(BLOCK)
            if not block or block == _ZERO:
                self._end(block, extended=bool(records or long_name or long_target))
                return None
            if len(block) < BLOCK:
                raise self._malformed("it stops in the middle of a header")
            self._check_sum(block)
            flag = block[156:157]
            if flag in (b"x", b"X"):
                records = self._pax(self._extension(block))
            elif flag == b"g":
                self._globals = _merged(self._globals, self._pax(self._extension(block)))
            elif flag == b"L":
                long_name = self._extension(block).rstrip(b"\0")
            elif flag == b"K":
                long_target = self._extension(block).rstrip(b"\0")
            elif flag == b"V":
                self._left = self._number(block[124:136], "size")
                self._padding = -self._left % BLOCK
            else:
                return self._entry(block, _merged(self._globals, records), long_name, long_target)

    def _end(self, block: bytes, *, extended: bool) -> None:
        if extended:
            raise self._malformed("an extended header is followed by no file")
        if block:
            second = self._stream.exactly(BLOCK)
            if second and second != _ZERO:
                raise self._malformed("a block of zeros in the middle")

    def _entry(
        self,
        block: bytes,
        records: dict[bytes, bytes],
        long_name: bytes | None,
        long_target: bytes | None,
    ) -> Entry:
        flag = block[156:157]
        name = records.get(b"path") or long_name or _ustar_name(block)
        kind = _KINDS.get(flag)
        if kind is None:
            which = _REFUSED.get(flag, f"of the unknown type {flag!r}")
            raise self._malformed(f"{shown(name)} is {which}, which layers cannot have")
        if any(key.startswith(b"GNU.sparse.") for key in records):
            raise self._malformed(f"{shown(name)} is a sparse file, which layers cannot have")
        if kind == kinds.FILE and name.endswith(b"/"):
            # Archives older than ustar have no type for directories.
            kind = kinds.DIRECTORY
        size = self._decimal(records, b"size", block[124:136])
        target = records.get(b"linkpath") or long_target or block[157:257].partition(b"\0")[0]
        is_device = kind in (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE)
        if b"\0" in name or b"\0" in target:
            raise self._malformed(f"the name {shown(name)} has a NUL in it")
        if not name or (not target and kind in (kinds.SYMLINK, kinds.HARDLINK)):
            raise self._malformed(f"a {kind} without a name or target")
        # Other types have no content, whatever their headers say: as all readers have it.
        self._left = size if kind == kinds.FILE else 0
        self._padding = -self._left % BLOCK
        return Entry(
            name,
            kind,
            mode=self._number(block[100:108], "mode") & 0o7777,
            uid=self._decimal(records, b"uid", block[108:116]),
            gid=self._decimal(records, b"gid", block[116:124]),
            mtime=self._time(records, block[136:148]),
            size=self._left,
            target=target if kind in (kinds.SYMLINK, kinds.HARDLINK) else b"",
            device=(
                self._number(block[329:337], "device"),
                self._number(block[337:345], "device"),
            )
            if is_device
            else (0, 0),
            xattrs={
                key[len(_XATTR) :]: value
                for key, value in records.items()
                if key.startswith(_XATTR) and len(key) > len(_XATTR)
            },
        )

    def _skip(self) -> None:
        while self._left:
            self.read(1 << 20)
        while self._padding:
            chunk = self._stream.read(self._padding)
            if not chunk:
                raise self._malformed("it stops in the middle of a file")
            self._padding -= len(chunk)

    def _extension(self, block: bytes) -> bytes:
        size = self._number(block[124:136], "size")
        if not 0 <= size <= _LARGEST_EXTENSION:
            raise self._malformed(f"an extended header of {size} bytes")
        data = self._stream.exactly(size + -size % BLOCK)
        if len(data) < size + -size % BLOCK:
            raise self._malformed("it stops in the middle of an extended header")
        return data[:size]

    def _pax(self, data: bytes) -> dict[bytes, bytes]:
        records: dict[bytes, bytes] = {}
        position = 0
        while position < len(data):
            space = data.find(b" ", position, position + 9)
            digits = data[position:space] if space >= 0 else b""
            end = position + int(digits) if digits.isdigit() else 0
            key, equals, value = data[space + 1 : end - 1].partition(b"=")
            if (
                not (space < end <= len(data))
                or data[end - 1 : end] != b"\n"
                or not (equals and key)
            ):
                raise self._malformed("a damaged extended header")
            records[key] = value
            position = end
        return records

    def _check_sum(self, block: bytes) -> None:
        digits = block[148:156].strip(b" \0")
        stored = int(digits, 8) if digits and not digits.strip(b"01234567") else -1
        total = sum(block) - sum(block[148:156]) + 8 * 0x20
        if stored == total:
            return
        # Some old programs summed signed characters.
        signed = total - 256 * sum(
            1 for i, byte in enumerate(block) if byte > 127 and not 148 <= i < 156
        )
        if stored != signed:
            raise self._malformed("a header's checksum is wrong: damaged, or not a tar archive")

    def _number(self, field: bytes, what: str) -> int:
        """Octal digits, or base-256 when the first bit is set (GNU)."""
        if field[0] & 0x80:
            value = int.from_bytes(field, "big")
            if field[0] & 0x40:
                number = value - (1 << (8 * len(field)))
            else:
                number = value - (1 << (8 * len(field) - 1))
            if not -_LARGEST_SIZE <= number <= _LARGEST_SIZE:
                raise self._malformed(f"a header's {what} is out of range")
            return number
        digits = field.strip(b" \0")
        if not digits:
            return 0
        if digits.strip(b"01234567"):
            raise self._malformed(f"a header's {what} is not a number")
        return int(digits, 8)

    def _decimal(self, records: dict[bytes, bytes], key: bytes, field: bytes) -> int:
        text = records.get(key)
        if not text:
            number = self._number(field, key.decode())
        elif text.isdigit() and len(text) < 20:
            number = int(text)
        else:
            number = -1
        if not 0 <= number <= _LARGEST_SIZE:
            raise self._malformed(f"a header's {key.decode()} is out of range")
        return number

    def _time(self, records: dict[bytes, bytes], field: bytes) -> int:
        """Whole seconds, rounded down."""
        text = records.get(b"mtime")
        if not text:
            return self._number(field, "mtime")
        sign = -1 if text.startswith(b"-") else 1
        whole, _, fraction = text.removeprefix(b"-").partition(b".")
        if not (whole.isdigit() and len(whole) < 20) or fraction.strip(b"0123456789"):
            raise self._malformed("a header's mtime is not a number")
        seconds = sign * int(whole)
        return seconds - 1 if sign < 0 and fraction.strip(b"0") else seconds

    def _malformed(self, why: str) -> ImageFormatError:
        return ImageFormatError(
            f"reading {self._what}: {why} (at byte {self._stream.position})", subject=self._what
        )


def _ustar_name(block: bytes) -> bytes:
    name = block[0:100].partition(b"\0")[0]
    if block[257:263] != b"ustar\0":
        # GNU keeps times where ustar has the prefix.
        return name
    # star keeps times at its end.
    length = 131 if block[508:512] == b"tar\0" else 155
    prefix = block[345 : 345 + length].partition(b"\0")[0]
    return prefix + b"/" + name if prefix else name


def _merged(lower: dict[bytes, bytes], upper: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Records of a file over those of the archive; an empty value takes a record away."""
    if not upper:
        return lower
    if not lower:
        return upper
    return {key: value for key, value in {**lower, **upper}.items() if value}
