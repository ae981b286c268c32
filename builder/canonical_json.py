"""JSON of manifests, configs and payloads: strict in, always the same bytes out.

`encode` writes what Go's encoding/json writes for the same members in the same order, so that our
documents are byte for byte those that other tools would make. `decode` takes hostile input:
duplicate members (two readers could see two documents), NaN, deep nesting are refused.
"""

from __future__ import annotations

import json
import re

from builder.errors import ImageFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 64
"""Nesting that no image document comes near."""

# Go escapes these so that JSON can stand inside HTML and JavaScript.
_GO_ESCAPES = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_SURROGATES = re.compile("[\ud800-\udfff]")


def encode(document: Any) -> bytes:
    """The compact JSON of a document, members in the order given.

    Half surrogate pairs (bytes of the command line that are not UTF-8) become U+FFFD, as in Go.
    Raises ValueError for NaN and infinities, TypeError for what JSON has no form for.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # None of these characters can stand outside a string.
    return _SURROGATES.sub("\ufffd", text.translate(_GO_ESCAPES)).encode()


def decode(data: bytes, what: str) -> Any:
    """Parse a JSON document; `what` names it in errors.

    Raises ImageFormatError.
    """
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_constant=_refused_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise ImageFormatError(
            f"reading {what}: not UTF-8 (byte {error.start})", subject=what
        ) from None
    except RecursionError:
        raise ImageFormatError(f"reading {what}: nested too deeply", subject=what) from None
    except ValueError as error:
        raise ImageFormatError(f"reading {what}: not valid JSON: {error}", subject=what) from None
    if _deeper_than(document, DEEPEST):
        raise ImageFormatError(
            f"reading {what}: nested more than {DEEPEST} levels deep", subject=what
        )
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"member {twice!r} appears twice")
    return members


def _refused_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"number {text[:40]} is too large")
    return number


def _deeper_than(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        level = inner
        if not level:
            return False
    return True
