"""What registries say when they refuse (distribution-spec "Error Codes"), in one line."""

from __future__ import annotations

import json

from builder.images.text import printable
from builder.registry.errors import AuthenticationError, RegistryError
from builder.registry.retries import told_delay

TYPE_CHECKING = False
if TYPE_CHECKING:
    import httpx

_LONGEST = 200
_HINTS = {
    "DENIED": "log in as somebody who may do that",
    "MANIFEST_UNKNOWN": "is the tag right?",
    "NAME_UNKNOWN": "is the name right?",
    "TOOMANYREQUESTS": "wait, or log in: known users may ask more often",
}


def refusal(doing: str, answer: httpx.Response, body: bytes) -> RegistryError:
    """The error for an answer that nobody expected."""
    status = answer.status_code
    code, said = _first_error(body)
    what = f"{status} {answer.reason_phrase}".strip()
    if code or said:
        what = f"{what}: {': '.join(filter(None, (code, said)))}"
    hint = _HINTS.get(code)
    if status == 429 and (delay := told_delay(answer)):
        hint = f"try again in {delay:.0f} s"
    elif status == 413:
        hint = "send smaller pieces: --chunk-size 10"
    kind = AuthenticationError if status in (401, 403) else RegistryError
    return kind(f"{doing}: the registry answers {what}", status=status, hint=hint)


def told_warnings(answer: httpx.Response) -> list[str]:
    """The texts of `Warning: 299 - "..."` headers (distribution-spec "Warnings")."""
    found = []
    for value in answer.headers.get_list("Warning"):
        code, _, rest = value.strip().partition(" ")
        text = rest.partition('"')[2].rpartition('"')[0]
        if code == "299" and text:
            found.append(printable(text.replace('\\"', '"'))[:_LONGEST])
    return found


def _first_error(body: bytes) -> tuple[str, str]:
    try:
        first = json.loads(body)["errors"][0]
        code, said = str(first.get("code") or ""), str(first.get("message") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return "", ""
    return printable(code)[:40], printable(said)[:_LONGEST]
