"""When a request is tried again, and how long to wait before: longer each time, or as told."""

from __future__ import annotations

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import httpx

    from builder.registry.options import Options

PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses that another attempt may not meet again."""
_FIRST = 0.25
_LONGEST = 15.0
LONGEST_TOLD = 120.0
"""Seconds of Retry-After that are waited for; more is left to the person."""


def told_delay(answer: httpx.Response) -> float | None:
    """Seconds of Retry-After (RFC 9110, 10.2.3): a number or a date; None when it has none."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError, TypeError):
        return None


def own_delay(attempt: int) -> float:
    """Seconds before the attempt after the given one (from 1), spread so that clients part."""
    longest = min(_FIRST * (1 << (attempt - 1)), _LONGEST)
    return longest * random.uniform(0.75, 1.25)


def wait(seconds: float, options: Options) -> None:
    """Wait, at most until the command is being stopped. Raises Cancelled."""
    if options.cancellation is None:
        time.sleep(seconds)
    else:
        options.cancellation.wait(seconds)
        options.cancellation.check()
