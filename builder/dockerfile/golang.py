"""How Go's standard library reads and writes values.

The Dockerfile language was born in a Go program, and several of its rules are Go's: what a blank
is (`unicode.IsSpace`), durations of HEALTHCHECK (`time.ParseDuration`), booleans
(`strconv.ParseBool`), quoted text in an image's history (`strconv.Quote`, `fmt` verbs). Names
follow the Go functions.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Characters of unicode.IsSpace. Python's str.isspace also has U+001C to U+001F."""

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_UNITS = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
MAX_INT64 = 2**63 - 1


def parse_bool(text: str) -> bool | None:
    """strconv.ParseBool; None where Go returns an error."""
    return _BOOLEANS.get(text)


def parse_int(text: str) -> int | None:
    """strconv.Atoi: an optional sign and decimal digits, within 64 bits; None for anything else."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19:
        return None
    value = int(text)
    return value if -MAX_INT64 - 1 <= value <= MAX_INT64 else None


def quote(text: str) -> str:
    """strconv.Quote, the %q verb: text in double quotes with Go's escapes."""
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif char.isprintable():
            out.append(char)
        elif "\udc80" <= char <= "\udcff":  # a byte that was not UTF-8 (surrogateescape)
            out.append(f"\\x{ord(char) - 0xDC00:02x}")
        elif ord(char) < 0x80:
            out.append(f"\\x{ord(char):02x}")
        elif ord(char) < 0x10000:
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(f"\\U{ord(char):08x}")
    return '"' + "".join(out) + '"'


def quote_list(words: Iterable[str]) -> str:
    """The %q verb on a list: `["a" "b"]`."""
    return "[" + " ".join(quote(word) for word in words) + "]"


def show_list(words: Iterable[str]) -> str:
    """The %v verb on a list: `[a b]`."""
    return "[" + " ".join(words) + "]"


def parse_duration(text: str) -> int:
    """time.ParseDuration: nanoseconds.

    Raises ValueError with Go's message.
    """
    bad = ValueError(f"time: invalid duration {quote(text)}")
    rest = text.lstrip("+-") if text[:1] in ("+", "-") and text[1:2] not in ("+", "-") else text
    sign = -1 if text.startswith("-") else 1
    if rest == "0":
        return 0
    if not rest:
        raise bad
    total = 0
    while rest:
        part = _DURATION_PART.match(rest)
        whole, fraction, unit = part.groups() if part else ("", None, "")
        if not (whole or fraction) or len(whole) > 19:
            raise bad
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        scale = _UNITS[unit]
        total += int(whole or "0") * scale
        if fraction:
            digits = fraction[:18]
            total += int(digits) * scale // 10 ** len(digits)
        if total > MAX_INT64:
            raise bad
        rest = rest[part.end() :] if part else ""
    return sign * total


def show_duration(nanoseconds: int) -> str:
    """time.Duration.String: `1m30s`, `1.5s`, `250ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    value = abs(nanoseconds)
    for unit in ("ns", "µs", "ms"):
        if value < _UNITS[unit] * 1000:
            return sign + _decimal(value, _UNITS[unit]) + unit
    minutes, rest = divmod(value, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, _UNITS["s"]) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _decimal(value: int, scale: int) -> str:
    whole, rest = divmod(value, scale)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(scale)) - 1).rstrip('0')}"


def clean_path(path: str) -> str:
    """path.Clean: like posixpath.normpath, but two leading slashes become one."""
    import posixpath

    cleaned = posixpath.normpath(path) if path else "."
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def join_path(*parts: str) -> str:
    """path.Join: empty parts are ignored, no part starts afresh at the root."""
    kept = [part for part in parts if part]
    return clean_path("/".join(kept)) if kept else ""
