"""Patterns of `${name#p}`, `${name%p}` and `${name/p/r}`: `*` and `?`, backslash escapes.

A pattern is cut at its stars into segments of fixed length. A star takes any text, so the first
place where each segment in turn fits gives the shortest match, and the last place of the last
segment gives the longest: no backtracking, whatever the pattern, hence no pattern that hangs a
build.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ANY = None
_LONGEST_PATTERN = 1024


class Glob:
    """A compiled pattern.

    Raises ValueError for a backslash before anything but `*`, `?`, backslash, `}` and `/`.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > _LONGEST_PATTERN:
            raise ValueError(f"longer than {_LONGEST_PATTERN} characters")
        self._segments = _segments(pattern)
        self._compiled = [_compile(segment) for segment in self._segments]

    def prefix_end(self, value: str, *, longest: bool) -> int:
        """Length of the shortest or longest prefix of value that matches; -1 for none."""
        span = self._span_at(value, 0, longest=longest)
        return span[1] if span else -1

    def suffix_start(self, value: str, *, longest: bool) -> int:
        """Where the shortest or longest suffix of value that matches starts; -1 for none."""
        mirrored = object.__new__(Glob)
        mirrored._segments = [segment[::-1] for segment in self._segments[::-1]]
        mirrored._compiled = [_compile(segment) for segment in mirrored._segments]
        length = mirrored.prefix_end(value[::-1], longest=longest)
        return -1 if length < 0 else len(value) - length

    def replace(self, value: str, replacement: str, *, every: bool) -> str:
        """Value with the first (or every) longest match replaced."""
        if len(self._segments) == 1:
            return self._compiled[0].sub(lambda _: replacement, value, count=0 if every else 1)
        first = self._compiled[0].search(value)
        span = self._span_at(value, first.start(), longest=True) if first else None
        # After the longest match of a pattern with a star there is no room for a second one.
        return value[: span[0]] + replacement + value[span[1] :] if span else value

    def count(self, value: str) -> int:
        """How many matches `replace` with every=True replaces, at most."""
        if len(self._segments) > 1:
            return 1
        return sum(1 for _ in self._compiled[0].finditer(value))

    def _span_at(self, value: str, start: int, *, longest: bool) -> tuple[int, int] | None:
        """Start and end of the match that begins at start."""
        first = self._compiled[0].match(value, start)
        if first is None:
            return None
        end = first.end()
        for compiled in self._compiled[1:]:
            found = compiled.search(value, end)
            if found is None:
                return None
            earliest, end = end, found.end()
        if longest and len(self._segments) > 1:
            end = self._last_end(value, earliest)
        return start, end

    def _last_end(self, value: str, earliest: int) -> int:
        segment, compiled = self._segments[-1], self._compiled[-1]
        if _ANY not in segment:
            text = "".join(char for char in segment if char is not None)
            return value.rindex(text, earliest) + len(text)
        position = len(value) - len(segment)
        while not compiled.match(value, position):
            position -= 1
        return position + len(segment)


def _segments(pattern: str) -> list[list[str | None]]:
    segments: list[list[str | None]] = [[]]
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            segments.append([])
        elif char == "?":
            segments[-1].append(_ANY)
        elif char == "\\":
            escaped = pattern[position : position + 1]
            if escaped not in ("}", "/", "*", "?", "\\"):
                raise ValueError(f"invalid escape '\\{escaped}'")
            segments[-1].append(escaped)
            position += 1
        else:
            segments[-1].append(char)
    return segments


def _compile(segment: Sequence[str | None]) -> re.Pattern[str]:
    return re.compile(
        "".join("." if char is None else re.escape(char) for char in segment), re.DOTALL
    )
