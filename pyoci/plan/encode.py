"""Plan → bytes that the init decodes.

Layout, all integers little-endian::

    plan    magic "pyociPL1" · u32 number of records · u32 bytes in all (this header included)
    record  u32 operation code · u32 bytes of payload · payload
    int     u64 (two's complement)
    str     u32 length · bytes · NUL      (the length leaves the NUL out; no NUL inside)
    bytes   u32 length · bytes
    list    u32 number of strings · that many str

Text is encoded as the file system encoding with surrogateescape, so that any path the kernel can
name passes through unharmed.
"""

from __future__ import annotations

from pyoci.errors import SpecError
from pyoci.plan.operations import CODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyoci.plan.operations import Operation, Value

MAGIC = b"pyociPL1"
_U64 = (1 << 64) - 1


def _text(value: str, operation: Operation) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise SpecError(
            f"{operation.pointer or operation.name}: the text {value!r} holds a NUL character",
            subject=operation.pointer,
            hint="remove the NUL: the kernel's interfaces cannot express it",
        )
    return len(data).to_bytes(4, "little") + data + b"\0"


def _field(value: Value, operation: Operation) -> bytes:
    if isinstance(value, int):
        return (value & _U64).to_bytes(8, "little")
    if isinstance(value, str):
        return _text(value, operation)
    if isinstance(value, bytes):
        return len(value).to_bytes(4, "little") + value
    return len(value).to_bytes(4, "little") + b"".join(_text(item, operation) for item in value)


def encode(operations: Iterable[Operation]) -> bytes:
    """Give the bytes of a plan.

    Raises SpecError when a text holds a NUL character, naming the place in config.json.
    """
    records = []
    count = 0
    for operation in operations:
        payload = b"".join([_field(value, operation) for value in operation.values])
        records.append(
            CODES[operation.name].to_bytes(4, "little") + len(payload).to_bytes(4, "little")
        )
        records.append(payload)
        count += 1
    body = b"".join(records)
    return MAGIC + count.to_bytes(4, "little") + (16 + len(body)).to_bytes(4, "little") + body
