"""Wildcards in paths: Go's filepath.Match, and `**` for any number of directories.

    pattern = { "*" | "?" | "[" ["^"] { char | char "-" char } "]" | "\\" char | char }

`*`, `?` and classes never match a slash. Patterns become regular expressions in which every star
but the last of a component is atomic: the first place where the text after a star fits is taken
and never given up. That is enough for these patterns, and no pattern takes exponential time.
"""

from __future__ import annotations

import re

_CACHE: dict[tuple[str, bool], re.Pattern[str]] = {}
_CACHE_SIZE = 512


class BadPattern(ValueError):  # noqa: N818
    """A pattern with an unclosed class, an empty class or a trailing backslash."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"syntax error in pattern {pattern!r}")


def match(pattern: str, name: str) -> bool:
    """Whether the whole name matches; `**` is the same as `*`. Raises BadPattern."""
    return compiled(pattern, deep=False).fullmatch(name) is not None


def match_deep(pattern: str, name: str) -> bool:
    """The same, but `**` at the start of a component takes any number of directories."""
    return compiled(pattern, deep=True).fullmatch(name) is not None


def compiled(pattern: str, *, deep: bool) -> re.Pattern[str]:
    """The regular expression (for `fullmatch`) of a pattern. Raises BadPattern."""
    key = pattern, deep
    found = _CACHE.get(key)
    if found is None:
        if len(_CACHE) >= _CACHE_SIZE:
            _CACHE.clear()
        text = _deep(pattern) if deep else "/".join(map(_component, _split(pattern)))
        found = _CACHE[key] = re.compile(text, re.DOTALL)
    return found


def _deep(pattern: str) -> str:
    # Runs of components between the `**`. Each run but the last is put at its first place.
    runs: list[list[str]] = [[]]
    for component in _split(pattern):
        while component.startswith("**"):
            component = component[2:]
            runs.append([])
            if not component:
                break
        else:
            runs[-1].append(_component(component))
    first, *others = ["/".join(run) for run in runs]
    if not others:
        return first
    out = first + "/" * bool(first)
    for run in others[:-1]:
        if run:
            out += f"(?>(?:[^/]*/)*?{run}/)"
    return out + (f"(?:[^/]*/)*?{others[-1]}" if others[-1] else ".*")


def _split(pattern: str) -> list[str]:
    """Split at slashes; one inside a class can match nothing and does not count."""
    parts, start, position = [], 0, 0
    while position < len(pattern):
        char = pattern[position]
        if char == "[":
            position = class_expression(pattern, position + 1)[1]
            continue
        if char == "/":
            parts.append(pattern[start:position])
            start = position + 1
        position += 2 if char == "\\" else 1
    if position > len(pattern):
        raise BadPattern(pattern)
    return [*parts, pattern[start:]]


def _component(component: str) -> str:
    chunks = [""]
    position = 0
    while position < len(component):
        char = component[position]
        position += 1
        if char == "*":
            chunks.append("")
        elif char == "?":
            chunks[-1] += "[^/]"
        elif char == "[":
            text, position = class_expression(component, position)
            chunks[-1] += text
        elif char == "\\":
            chunks[-1] += re.escape(component[position])
            position += 1
        else:
            chunks[-1] += re.escape(char)
    first, *others = chunks
    if not others:
        return first
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in others[:-1] if chunk)
    return f"{first}{middle}[^/]*{others[-1]}"


def class_expression(pattern: str, position: int) -> tuple[str, int]:
    """The class whose bracket stands before position, as a regular expression, and its end."""
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[str] = []
    first = True
    while first or not pattern.startswith("]", position):
        first = False
        low, position = _class_char(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _class_char(pattern, position + 1)
        if low <= high:  # an empty range is no error, it matches nothing
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    if ranges:
        return f"(?!/)[{'^' * negated}{''.join(ranges)}]", position + 1
    return ("[^/]" if negated else "(?!)"), position + 1


def _class_char(pattern: str, position: int) -> tuple[str, int]:
    char = pattern[position : position + 1]
    if char in ("-", "]"):
        raise BadPattern(pattern)
    if char == "\\":
        position += 1
        char = pattern[position : position + 1]
    if not char:
        raise BadPattern(pattern)
    return char, position + 1
