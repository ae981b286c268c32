"""The wire format of protocol buffers, as far as CRIU's messages use it: varints and byte strings.

A message is a list of (field number, value) pairs; a repeated field occurs several times.
"""

from __future__ import annotations

from pyoci.errors import PyociError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Value = int | bytes

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5
_U64 = (1 << 64) - 1
_LONGEST_VARINT = 10


def encode(fields: Iterable[tuple[int, Value]]) -> bytes:
    """Give a message's bytes. Negative numbers are written with 64 bits, as the format wants it."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(_varint(number << 3 | VARINT) + _varint(int(value) & _U64))
        else:
            parts.append(_varint(number << 3 | BYTES) + _varint(len(value)) + value)
    return b"".join(parts)


def decode(data: bytes) -> list[tuple[int, Value]]:
    """Give a message's fields in order, without those of a fixed size: CRIU has none.

    Raises PyociError when the message is cut off or malformed.
    """
    fields: list[tuple[int, Value]] = []
    offset = 0
    while offset < len(data):
        key, offset = _read_varint(data, offset)
        kind = key & 7
        if kind == VARINT:
            value, offset = _read_varint(data, offset)
            fields.append((key >> 3, value))
            continue
        if kind == BYTES:
            length, offset = _read_varint(data, offset)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise _malformed()
        if offset + length > len(data):
            raise _malformed()
        if kind == BYTES:
            fields.append((key >> 3, data[offset : offset + length]))
        offset += length
    return fields


def signed(value: int) -> int:
    """Give the int32 that a varint stands for."""
    return value - (1 << 64) if value >> 63 else value


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _read_varint(data: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARINT):
        if offset + index >= len(data):
            break
        byte = data[offset + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value & _U64, offset + index + 1
    raise _malformed()


def _malformed() -> PyociError:
    return PyociError("CRIU sent a message that cannot be read")
