"""Annotations ``org.systemd.property.NAME``: properties of the scope, in the caller's own words.

Their values are in GVariant's text format (glib, "GVariant Text Format"), as in runc::

    'text'  "text"          s         true false              b
    12  -3                  i         1.5                     d
    uint64 12               t         int16, byte, double …   the named type
    ['a', 'b']              as        @as []                  an array that tells its type itself
    {'a': 1}                a{si}     <'text'>                v

A list takes its type from its first element, numbers in it from each other. Times that systemd
documents as ``…Sec`` are ``…USec`` on D-Bus: they are taken in seconds and converted.
"""

from __future__ import annotations

from pyoci.cgroup.dbus_message import split
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup.systemd_properties import Property

PREFIX = "org.systemd.property."
TYPES = {
    "boolean": "b",
    "byte": "y",
    "int16": "n",
    "uint16": "q",
    "int32": "i",
    "uint32": "u",
    "handle": "h",
    "int64": "x",
    "uint64": "t",
    "double": "d",
    "string": "s",
    "objectpath": "o",
    "signature": "g",
}
# type -> least and greatest value
RANGES = {
    "y": (0, (1 << 8) - 1),
    "n": (-(1 << 15), (1 << 15) - 1),
    "q": (0, (1 << 16) - 1),
    "i": (-(1 << 31), (1 << 31) - 1),
    "u": (0, (1 << 32) - 1),
    "h": (0, (1 << 32) - 1),
    "x": (-(1 << 63), (1 << 63) - 1),
    "t": (0, (1 << 64) - 1),
}
ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
CODE_LENGTHS = {"u": 4, "U": 8}
SECOND = 1_000_000  # in microseconds


class _Malformed(Exception):  # noqa: N818 -- never leaves this module
    """What is wrong with a value."""


def annotated_properties(annotations: dict[str, str]) -> list[Property]:
    """Give the properties that annotations ask for; raises CgroupError for what is none."""
    properties: list[Property] = []
    for key, text in annotations.items():
        if not key.startswith(PREFIX):
            continue
        pointer = f"/annotations/{key.replace('~', '~0').replace('/', '~1')}"
        name = key[len(PREFIX) :]
        if len(name) < 3 or not (name.isascii() and name.isalpha()):
            raise CgroupError(
                f"{pointer}: {name!r} is no name of a property: three letters or more, no others",
                subject=pointer,
                hint="such as org.systemd.property.TimeoutStopUSec",
            )
        try:
            signature, value = parse(text)
            if name.endswith("Sec") and name[-4:-3].islower():
                signature, value = _microseconds(signature, value)
                name = f"{name[:-3]}USec"
        except _Malformed as error:
            raise CgroupError(
                f"{pointer}: {text!r} is no value: {error}",
                subject=pointer,
                hint="write it as D-Bus tools do: 'text', true, uint64 5, ['a', 'b']",
            ) from None
        properties.append((name, signature, value))
    return properties


def _microseconds(signature: str, value: Any) -> tuple[str, Any]:
    if signature not in RANGES and signature != "d":
        raise _Malformed("a time is a number of seconds")
    microseconds = int(value * SECOND)
    if not 0 <= microseconds < 1 << 64:
        raise _Malformed("a time is not negative, nor longer than 2**64 microseconds")
    return "t", microseconds


def parse(text: str) -> tuple[str, Any]:
    """Read a whole value; gives its D-Bus type and itself, as `dbus_message` writes it."""
    reader = _Reader(text)
    node = reader.value()
    if reader.peek():
        raise _Malformed(f"{text[reader.at :]!r} follows it")
    signature = _type(node)
    if signature is None:
        raise _Malformed("an empty list needs its type: @as []")
    return signature, _build(node, signature)


class _Reader:
    """Reads the text into nodes: (kind, content, type that is named or None)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def peek(self) -> str:
        """Give the next character that is no space; empty at the end."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def expect(self, character: str) -> None:
        if self.peek() != character:
            found = self.peek() or "the end"
            raise _Malformed(f"{character!r} is expected where {found!r} is")
        self.at += 1

    def value(self) -> Node:
        self.depth += 1
        if self.depth > 32:
            raise _Malformed("it is nested too deeply")
        first = self.peek()
        if first in ("'", '"'):
            node: Node = ("string", self._string(), None)
        elif first == "[":
            node = ("array", self._sequence("[", "]"), None)
        elif first == "{":
            node = ("dictionary", self._dictionary(), None)
        elif first == "<":
            self.at += 1
            node = ("variant", self.value(), None)
            self.expect(">")
        elif first == "@":
            self.at += 1
            signature = self._signature()
            kind, content, _ = self.value()
            node = (kind, content, signature)
        else:
            node = self._word_or_number()
        self.depth -= 1
        return node

    def _word_or_number(self) -> Node:
        self.peek()
        start = self.at
        while self.text[self.at : self.at + 1].isalnum() or self.text[self.at : self.at + 1] in (
            *"+-._",
        ):
            self.at += 1
        word = self.text[start : self.at]
        if word in ("true", "false"):
            return ("boolean", word == "true", None)
        if word in TYPES:
            kind, content, _ = self.value()
            return (kind, content, TYPES[word])
        if not word:
            raise _Malformed(f"{self.text[start : start + 1] or 'nothing'!r} begins no value")
        return ("number", word, None)

    def _string(self) -> str:
        quote = self.text[self.at]
        self.at += 1
        found = ""
        while (character := self.text[self.at : self.at + 1]) != quote:
            self.at += 1
            if not character:
                raise _Malformed("a string does not end")
            if character == "\\":
                character = self._escape()
            found += character
        self.at += 1
        return found

    def _escape(self) -> str:
        character = self.text[self.at : self.at + 1]
        self.at += 1
        length = CODE_LENGTHS.get(character)
        if length is None:
            return ESCAPES.get(character, character)
        digits = self.text[self.at : self.at + length]
        self.at += length
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise _Malformed(f"\\{character}{digits} is no character") from None

    def _signature(self) -> str:
        start = self.at
        while (character := self.text[self.at : self.at + 1]) and not character.isspace():
            self.at += 1
        signature = self.text[start : self.at]
        try:
            if len(split(signature)) == 1:
                return signature
        except ValueError:
            pass
        raise _Malformed(f"@{signature} is no type")

    def _sequence(self, first: str, last: str) -> list[Node]:
        self.expect(first)
        items = []
        while self.peek() != last:
            items.append(self.value())
            if self.peek() != last:
                self.expect(",")
        self.at += 1
        return items

    def _dictionary(self) -> list[tuple[Node, Node]]:
        self.expect("{")
        items = []
        while self.peek() != "}":
            key = self.value()
            self.expect(":")
            items.append((key, self.value()))
            if self.peek() != "}":
                self.expect(",")
        self.at += 1
        return items


if TYPE_CHECKING:
    Node = tuple[str, Any, str | None]


def _type(node: Node) -> str | None:
    """Give the type that a value names, or that it has by its form; None for an empty list."""
    kind, content, named = node
    if named is not None:
        return named
    if kind == "number":
        return "d" if any(letter in content for letter in ".e") else "i"
    if kind == "array":
        inner = _common(content)
        return None if inner is None else f"a{inner}"
    if kind == "dictionary":
        key = _common([key for key, _ in content])
        value = _common([value for _, value in content])
        return None if key is None or value is None else f"a{{{key}{value}}}"
    return {"string": "s", "boolean": "b", "variant": "v"}[kind]


def _common(nodes: list[Node]) -> str | None:
    """Give the type of a list's elements: the one that is named, or that all of them have."""
    named = [node[2] for node in nodes if node[2] is not None]
    types = {_type(node) for node in nodes} - {None}
    if named:
        return named[0]
    return "d" if types == {"d", "i"} else min(types, default=None, key=str)


def _build(node: Node, signature: str) -> Any:
    """Give the value of a node as one of a type; raises _Malformed when it is none of it."""
    kind, content, named = node
    if named is not None and named != signature:
        raise _Malformed(f"a {named} stands where a {signature} has to")
    if kind == "number" and (signature in RANGES or signature == "d"):
        return _number(content, signature)
    if kind == "string" and signature in ("s", "o", "g"):
        return content
    if kind == "boolean" and signature == "b":
        return content
    if kind == "variant" and signature == "v":
        inner = _type(content)
        if inner is None:
            raise _Malformed("an empty list needs its type: @as []")
        return (inner, _build(content, inner))
    if kind == "array" and signature[0] == "a" and signature[1] != "{":
        return [_build(item, signature[1:]) for item in content]
    if kind == "dictionary" and signature.startswith("a{"):
        key, value = split(signature[2:-1])
        return [(_build(one, key), _build(two, value)) for one, two in content]
    raise _Malformed(f"a {kind} is not of type {signature}")


def _number(text: str, signature: str) -> int | float:
    try:
        if signature == "d":
            return float(text)
        digits = text.lstrip("+-")
        hexadecimal = digits[:2].lower() == "0x"
        number = int(text, 16 if hexadecimal else 10)
    except ValueError:
        raise _Malformed(f"{text} is no number of type {signature}") from None
    least, greatest = RANGES[signature]
    if "_" in text or not text.isascii() or not least <= number <= greatest:
        raise _Malformed(f"{text} is not between {least} and {greatest}")
    return number
