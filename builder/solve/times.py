"""Times of image configurations: RFC 3339, in UTC."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def show_time(seconds: int) -> str:
    """`2024-05-01T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def parse_time(text: Any) -> int | None:
    """Whole seconds since 1970 of an RFC 3339 time; None for anything else."""
    from datetime import datetime

    if not isinstance(text, str) or len(text) > 40:
        return None
    # Go writes nanoseconds; fromisoformat takes microseconds at most.
    head, dot, rest = text.partition(".")
    if dot:
        zone = rest.lstrip("0123456789")
        text = head + zone
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return int(found.timestamp()) if found.tzinfo else None
