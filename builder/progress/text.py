"""What processes write, made fit to be shown: whole lines, nothing that moves the cursor.

A step's output is hostile: an escape sequence could retitle the terminal or hide what happened.
Colours stay.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(
    r"\x1b\[[0-9;:]*m"  # colours, kept
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|$)"  # strings: titles, hyperlinks, device control
    r"|\x1b[ -/]*[0-~]?"
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
LONGEST_LINE = 16 << 10


class Lines:
    """Splits a stream of bytes into lines as they should be shown."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that data completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = [shown(line) for line in whole]
        while len(self._rest) > LONGEST_LINE:
            lines.append(shown(self._rest[:LONGEST_LINE]))
            self._rest = self._rest[LONGEST_LINE:]
        return lines

    def finish(self) -> list[str]:
        """What is left when the stream ends without a line end."""
        rest, self._rest = self._rest, b""
        return [shown(rest)] if rest else []


def shown(line: bytes) -> str:
    """A line as it would stand on a terminal: what came after the last carriage return."""
    text = line.decode("utf-8", "replace").rstrip("\r")
    text = text.rpartition("\r")[2] if "\r" in text else text
    text = _ESCAPE.sub(lambda m: m[0] if _COLOUR.fullmatch(m[0]) else "", text)
    text = "".join(c for c in text if c >= " " or c in "\t\x1b")
    text = text.translate(_INVISIBLE)
    return text + "\x1b[0m" if "\x1b" in text else text


_INVISIBLE = {
    **dict.fromkeys(range(0x7F, 0xA0)),
    **dict.fromkeys((0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069)),
}
"""DEL, C1 controls, and the marks that change the direction of text."""


def without_colours(text: str) -> str:
    """Without the sequences that `shown` leaves in."""
    return _COLOUR.sub("", text)


def width(text: str) -> int:
    """Columns of a terminal that a text without escape sequences takes."""
    return sum(_columns(char) for char in text)


def fitted(text: str, columns: int) -> str:
    """A text without escape sequences, cut to that many columns with an ellipsis."""
    text = text.expandtabs(8)
    if width(text) <= columns:
        return text
    kept = ""
    left = columns - 1
    for char in text:
        left -= _columns(char)
        if left < 0:
            break
        kept += char
    return kept + "…" if columns > 0 else ""


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def duration(seconds: float) -> str:
    """`0.3s`, `12.0s`, `2m 05s`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest:02d}s"


def size(count: int) -> str:
    """`512 B`, `1.5 kB`, `12.3 MB`: powers of 1000, as image sizes are given."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    units = ["kB", "MB", "GB", "TB"]
    value /= 1000
    while value >= 999.95 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.1f} {units[0]}"
