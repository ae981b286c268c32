"""'Did you mean': the closest of the known names."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FARTHEST = 2
"""Edits at which a word is no longer taken for a misspelling (the reference's limit)."""


def did_you_mean(word: str, known: Iterable[str], *, ignore_case: bool = False) -> str:
    """The known name at most two edits from word, or "" when there is none or word is known.

    With ignore_case the answer takes the case of word (`Form` → `FROM` stays as listed).
    """
    wanted = word.lower() if ignore_case else word
    best, distance = "", _FARTHEST + 1
    for name in known:
        candidate = name.lower() if ignore_case else name
        if candidate == wanted:
            return ""
        edits = _edits(wanted, candidate, distance)
        if edits < distance:
            best, distance = candidate, edits
    if ignore_case and word == word.upper() and word != word.lower():
        return best.upper()
    return best


def _edits(one: str, other: str, enough: int) -> int:
    """Levenshtein distance; any number >= enough when it is at least that."""
    if abs(len(one) - len(other)) >= enough:
        return enough
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            previous, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, previous + (left != right)),
            )
    return row[-1]
