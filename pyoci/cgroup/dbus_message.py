"""D-Bus messages as bytes: the wire format of the D-Bus specification, as far as systemd needs it.

Always little-endian when writing, either byte order when reading. What arrives comes from systemd
or the bus, which are trusted with more than this; lengths are checked all the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE = range(1, 9)
FIELD_TYPES = {
    PATH: "o",
    INTERFACE: "s",
    MEMBER: "s",
    ERROR_NAME: "s",
    REPLY_SERIAL: "u",
    DESTINATION: "s",
    SENDER: "s",
    SIGNATURE: "g",
}
FIXED_HEADER = 16
LARGEST = 1 << 27  # bytes in a message, by the specification
DEEPEST = 64

# type code -> size and alignment, signed
NUMBERS = {
    "y": (1, False),
    "b": (4, False),
    "n": (2, True),
    "q": (2, False),
    "i": (4, True),
    "u": (4, False),
    "x": (8, True),
    "t": (8, False),
    "d": (8, False),
    "h": (4, False),
}
ALIGNMENT = {"s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8, "{": 8}


class Message:
    """One message: its kind, serial number, header fields and body."""

    __slots__ = ("body", "fields", "kind", "serial")

    def __init__(
        self, kind: int, serial: int, fields: dict[int, Any], body: list[Any] | None = None
    ) -> None:
        self.kind = kind
        self.serial = serial
        self.fields = fields
        self.body = body or []

    def encode(self) -> bytes:
        """Give the bytes; the body has the types of the SIGNATURE field."""
        body = bytearray()
        for code, value in zip(split(self.fields.get(SIGNATURE, "")), self.body, strict=True):
            _put(body, code, value)
        head = bytearray(b"l")
        head += bytes((self.kind, 0, 1))
        head += len(body).to_bytes(4, "little") + self.serial.to_bytes(4, "little")
        fields = [(code, (FIELD_TYPES[code], value)) for code, value in self.fields.items()]
        _put(head, "a(yv)", fields)
        _pad(head, 8)
        return bytes(head + body)


def message_size(data: bytes) -> int:
    """Say how many bytes the message is that starts with (at least) these; 0: too few to say.

    Raises ValueError for what is no message.
    """
    if len(data) < FIXED_HEADER:
        return 0
    order = _order(data)
    body = int.from_bytes(data[4:8], order)
    fields = int.from_bytes(data[12:16], order)
    size = (FIXED_HEADER + fields + 7) // 8 * 8 + body
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes")
    return size


def decode(data: bytes) -> Message:
    """Take a whole message apart; raises ValueError when it is malformed."""
    reader = Reader(data, _order(data))
    reader.at = 8
    serial = reader.take("u")
    fields = {code: value for code, value in reader.take("a(yv)") if code in FIELD_TYPES}
    reader.align(8)
    signature = fields.get(SIGNATURE, "")
    body = [reader.take(code) for code in split(signature)]
    return Message(data[1], serial, fields, body)


def _order(data: bytes) -> Any:
    if data[:1] not in (b"l", b"B"):
        raise ValueError("no byte order mark")
    return "little" if data[:1] == b"l" else "big"


def split(signature: str) -> list[str]:
    """Split a signature into complete types: ``sa(sv)`` is ``s`` and ``a(sv)``."""
    types = []
    while signature:
        size = _type_size(signature, 0)
        types.append(signature[:size])
        signature = signature[size:]
    return types


def _type_size(signature: str, depth: int) -> int:
    if not signature or depth > DEEPEST:
        raise ValueError("an incomplete signature")
    first = signature[0]
    if first == "a":
        return 1 + _type_size(signature[1:], depth + 1)
    closing = {"(": ")", "{": "}"}.get(first)
    if closing is None:
        if first not in NUMBERS and first not in ALIGNMENT:
            raise ValueError(f"type {first!r} in a signature")
        return 1
    at = 1
    while signature[at : at + 1] != closing:
        at += _type_size(signature[at:], depth + 1)
    return at + 1


def _pad(data: bytearray, alignment: int) -> None:
    data += bytes(-len(data) % alignment)


def _alignment(code: str) -> int:
    return NUMBERS[code[0]][0] if code[0] in NUMBERS else ALIGNMENT[code[0]]


def _put(data: bytearray, code: str, value: Any) -> None:
    """Append a value of a complete type; variants are (signature, value)."""
    _pad(data, _alignment(code))
    first = code[0]
    if first == "d":
        from _struct import pack

        data += pack("<d", value)
    elif first in NUMBERS:
        size, signed = NUMBERS[first]
        data += int(value).to_bytes(size, "little", signed=signed)
    elif first in "so":
        text = value.encode("utf-8", "surrogateescape")
        data += len(text).to_bytes(4, "little") + text + b"\0"
    elif first == "g":
        data += bytes((len(value),)) + value.encode("ascii") + b"\0"
    elif first == "v":
        _put(data, "g", value[0])
        _put(data, value[0], value[1])
    elif first == "a":
        start = len(data)
        data += bytes(4)
        _pad(data, _alignment(code[1:]))
        content = len(data)
        for item in value:
            _put(data, code[1:], item)
        data[start : start + 4] = (len(data) - content).to_bytes(4, "little")
    else:
        for inner, item in zip(split(code[1:-1]), value, strict=True):
            _put(data, inner, item)


class Reader:
    """Reads values one after the other; every one may raise ValueError."""

    __slots__ = ("at", "data", "order")

    def __init__(self, data: bytes, order: Any) -> None:
        self.data = data
        self.order = order
        self.at = 0

    def align(self, alignment: int) -> None:
        """Skip padding."""
        self.at += -self.at % alignment

    def take(self, code: str, depth: int = 0) -> Any:
        """Read a value of a complete type; a variant gives its value alone."""
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
        self.align(_alignment(code))
        first = code[0]
        if first == "d":
            from _struct import unpack

            value: float = unpack("<d" if self.order == "little" else ">d", self._bytes(8))[0]
            return value
        if first in NUMBERS:
            size, signed = NUMBERS[first]
            return int.from_bytes(self._bytes(size), self.order, signed=signed)
        if first in "so":
            text = self._bytes(self.take("u"))
            self._bytes(1)
            return text.decode("utf-8", "surrogateescape")
        if first == "g":
            text = self._bytes(self.take("y"))
            self._bytes(1)
            return text.decode("ascii", "replace")
        if first == "v":
            (inner,) = split(self.take("g"))
            return self.take(inner, depth + 1)
        if first == "a":
            size = self.take("u")
            self.align(_alignment(code[1:]))
            end = self.at + size
            if end > len(self.data):
                raise ValueError("an array longer than the message")
            items = []
            while self.at < end:
                items.append(self.take(code[1:], depth + 1))
            return items
        return tuple(self.take(inner, depth + 1) for inner in split(code[1:-1]))

    def _bytes(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise ValueError("a value longer than the message")
        part = self.data[self.at : end]
        self.at = end
        return part
