"""Did you mean …? Loaded only when there is an error to report."""

from __future__ import annotations

from difflib import get_close_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that one was probably meant to be, whatever its case."""
    by_case = {name.lower(): name for name in known}
    found = get_close_matches(word[:64].lower(), by_case, n=1, cutoff=0.75)
    return by_case[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Give the question, None when nothing known is close."""
    found = closest(word, known)
    return f"did you mean {found}?" if found else None
