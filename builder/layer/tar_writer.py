"""Writes tar: ustar headers, PAX records (POSIX pax, "Extended Header") for what does not fit.

The bytes depend on the entries alone: no names of users, no times but mtime, no fields of GNU's.
Names that are ASCII or not UTF-8 at all stand in the ustar fields as they are where they fit; other
names, long ones, large numbers and extended attributes (SCHILY.xattr.*) become PAX records. Written
by hand, since `tarfile` takes 150 us for each file where this takes ten.
"""

from __future__ import annotations

import os

from builder.layer import entry as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from builder.layer.entry import Entry

BLOCK = 512
_BUFFER = 256 << 10
_CHUNK = 1 << 20

TYPE_FLAGS = {
    kinds.FILE: b"0",
    kinds.HARDLINK: b"1",
    kinds.SYMLINK: b"2",
    kinds.CHARACTER_DEVICE: b"3",
    kinds.BLOCK_DEVICE: b"4",
    kinds.DIRECTORY: b"5",
    kinds.FIFO: b"6",
}
_LARGEST_7 = 0o7777777
_LARGEST_11 = 0o77777777777
_HEADER = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0        %b%bustar\00000%b%07o\0%07o\0%b"
_PADDING = bytes(BLOCK)
_NO_OWNER_NAMES = bytes(64)


class TarWriter:
    """A tar stream into `sink`, a function that takes pieces of it."""

    def __init__(self, sink: Callable[[bytes | bytearray], Any]) -> None:
        """Write nothing yet."""
        self._sink = sink
        self._buffer = bytearray()

    def add(self, entry: Entry) -> None:
        """Append an entry with its content.

        Raises ValueError for what tar has no form for, OSError when the content cannot be read or
        is shorter than the entry's size.
        """
        size = entry.size if entry.kind == kinds.FILE else 0
        records = _pax_records(entry, size)
        if records:
            self._add_pax(entry.name, records)
        self._buffer += _header(entry, size)
        if size:
            self._add_content(entry, size)
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def finish(self) -> None:
        """Write the end of the archive: two zero blocks."""
        self._buffer += bytes(2 * BLOCK)
        self._flush()

    def _add_pax(self, name: bytes, records: dict[bytes, bytes]) -> None:
        body = b"".join(_record(key, records[key]) for key in sorted(records))
        last = name.rpartition(b"/")[2].decode("ascii", "replace").replace("\ufffd", "?")
        self._buffer += _block(
            f"PaxHeaders.0/{last[:80]}".encode(), 0o644, 0, 0, len(body), 0, b"x"
        )
        self._buffer += body + _PADDING[: -len(body) % BLOCK]

    def _add_content(self, entry: Entry, size: int) -> None:
        content = entry.content
        if isinstance(content, bytes):
            if len(content) != size:
                raise ValueError(f"entry {entry.name!r}: size is not that of its content")
            self._append(content)
        else:
            source = content()
            if isinstance(source, int):
                try:
                    self._copy(entry, lambda count: os.read(source, count), size)
                finally:
                    os.close(source)
            else:
                self._copy(entry, source.read, size)
        self._buffer += _PADDING[: -size % BLOCK]

    def _copy(self, entry: Entry, read: Callable[[int], bytes], left: int) -> None:
        while left:
            chunk = read(min(left, _CHUNK))
            if not chunk:
                raise OSError(
                    0, f"the file became {left} bytes shorter while it was read", entry.name
                )
            self._append(chunk)
            left -= len(chunk)

    def _append(self, data: bytes) -> None:
        if len(data) >= _BUFFER:
            self._flush()
            self._sink(data)
        else:
            self._buffer += data
            if len(self._buffer) >= _BUFFER:
                self._flush()

    def _flush(self) -> None:
        if self._buffer:
            self._sink(self._buffer)
            self._buffer = bytearray()


def _header(entry: Entry, size: int) -> bytes:
    """The ustar block; what went into PAX records is left out or cut here."""
    name, target, prefix = _tar_name(entry), entry.target, b""
    if _needs_pax(name):
        name = _ascii(name)[:100]
    elif len(name) > 100:
        prefix, name = _split(name)
    major, minor = (
        entry.device if entry.kind in (kinds.CHARACTER_DEVICE, kinds.BLOCK_DEVICE) else (0, 0)
    )
    if max(major, minor) > _LARGEST_7 or min(major, minor) < 0:
        raise ValueError(f"entry {entry.name!r}: device number {major}:{minor} is too large")
    return _block(
        name,
        entry.mode & 0o7777,
        entry.uid if entry.uid <= _LARGEST_7 else 0,
        entry.gid if entry.gid <= _LARGEST_7 else 0,
        size if size <= _LARGEST_11 else 0,
        entry.mtime if 0 <= entry.mtime <= _LARGEST_11 else 0,
        TYPE_FLAGS[entry.kind],
        _ascii(target)[:100] if _needs_pax_target(target) else target,
        major,
        minor,
        prefix,
    )


def _block(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    flag: bytes,
    target: bytes = b"",
    major: int = 0,
    minor: int = 0,
    prefix: bytes = b"",
) -> bytes:
    block = bytearray(
        _HEADER
        % (
            name.ljust(100, b"\0"),
            mode,
            uid,
            gid,
            size,
            mtime,
            flag,
            target.ljust(100, b"\0"),
            _NO_OWNER_NAMES,
            major,
            minor,
            prefix.ljust(167, b"\0"),
        )
    )
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_records(entry: Entry, size: int) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    name = _tar_name(entry)
    if not entry.name or b"\0" in name or b"\0" in entry.target:
        raise ValueError(f"entry {entry.name!r}: not a name")
    if _needs_pax(name):
        records[b"path"] = name
    if _needs_pax_target(entry.target):
        records[b"linkpath"] = entry.target
    for key, number, largest in (
        (b"uid", entry.uid, _LARGEST_7),
        (b"gid", entry.gid, _LARGEST_7),
        (b"size", size, _LARGEST_11),
    ):
        if number > largest:
            records[key] = b"%d" % number
        elif number < 0:
            raise ValueError(f"entry {entry.name!r}: {key.decode()} {number} is negative")
    if not 0 <= entry.mtime <= _LARGEST_11:
        records[b"mtime"] = b"%d" % entry.mtime
    for attribute, value in entry.xattrs.items():
        if b"=" in attribute or b"\0" in attribute:
            raise ValueError(f"entry {entry.name!r}: attribute {attribute!r} has no form in tar")
        records[b"SCHILY.xattr." + attribute] = value
    if any(not _is_utf8(records.get(key, b"")) for key in (b"path", b"linkpath")):
        records[b"hdrcharset"] = b"BINARY"
    return records


def _tar_name(entry: Entry) -> bytes:
    return entry.name + b"/" if entry.kind == kinds.DIRECTORY else entry.name


def _needs_pax(name: bytes) -> bool:
    if not name.isascii() and _is_utf8(name):
        return True
    return len(name) > 100 and not all(map(len, _split(name)))


def _needs_pax_target(target: bytes) -> bool:
    return len(target) > 100 or (not target.isascii() and _is_utf8(target))


def _split(name: bytes) -> tuple[bytes, bytes]:
    """A long name as the ustar fields prefix and name; one of them empty when it does not fit."""
    slash = name.rfind(b"/", 0, 156)
    if slash <= 0 or len(name) - slash - 1 > 100:
        return b"", name
    return name[:slash], name[slash + 1 :]


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value\\n`, the length counting its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %b=%b\n" % (length, key, value)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ascii(name: bytes) -> bytes:
    return name if name.isascii() else bytes(byte if byte < 0x80 else ord("?") for byte in name)
