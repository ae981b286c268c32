"""Values of images as text for people: sizes, times, tables, and nothing that moves the cursor."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ("kB", "MB", "GB", "TB")
_AGES = ((31536000, "year"), (2592000, "month"), (604800, "week"), (86400, "day"), (3600, "hour"))


def printable(text: str) -> str:
    """The text with control characters, which a hostile image may hold, made visible."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return {"\n": " ", "\t": " "}.get(char) or ascii(char)[1:-1]


def size_text(size: int) -> str:
    """Bytes with three digits and a decimal unit, `12.3MB`."""
    if size < 1000:
        return f"{size}B"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        if value < 999.5 or unit == _UNITS[-1]:
            break
    return f"{value:.3g}{unit}"


def age_text(created: str, now: float) -> str:
    """How long ago an RFC 3339 time was, `3 days ago`; "" when it is none."""
    from datetime import UTC, datetime

    # Go writes nanoseconds; datetime takes no more than six digits before Python 3.11.
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(now - moment.timestamp())
    for length, name in (*_AGES, (60, "minute"), (1, "second")):
        if seconds >= length:
            count = seconds // length
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, three blanks apart, the last one as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )
    return "".join(f"{line}\n" for line in lines)


def shortened(text: str, width: int) -> str:
    """The text, cut with an ellipsis when it is longer than width."""
    return text if len(text) <= width else text[: width - 1] + "…"
