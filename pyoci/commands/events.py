"""``pyoci events``."""

from __future__ import annotations

from pyoci.errors import UsageError
from pyoci.lifecycle.events import events, stats
from pyoci.spec.json_text import encode
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

# Seconds in the units of Go's time.ParseDuration; the longer names first.
UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Write a container's events as JSON, one a line; with --stats what it uses now."""
    entry = Entry(settings.root, arguments[0])
    interval = seconds(options.get("interval") or "5s")
    if options.get("stats"):
        event = {"type": "stats", "id": entry.id, "data": stats(entry)}
        invocation.write(encode(event) + "\n")
        return 0
    for event in events(entry, interval):
        invocation.write(encode(event) + "\n")
    return 0


def seconds(text: str) -> float:
    """Read a duration as Go programs write it: ``5s``, ``100ms``, ``1m30s``.

    Raises UsageError when it is none, or not longer than nothing.
    """
    total = 0.0
    rest = text.removeprefix("+").removeprefix("-")
    while rest and rest != "0":
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = next((unit for unit in UNITS if rest.startswith(unit)), "")
        if not unit or number.count(".") > 1 or number.strip(".") == "":
            raise UsageError(
                f"invalid value {text!r} for flag --interval",
                subject="--interval",
                hint="give a duration such as 5s, 500ms or 1m30s",
            )
        total += float(number) * UNITS[unit]
        rest = rest[len(unit) :]
    if total <= 0 or text.startswith("-"):
        raise UsageError(
            "duration interval must be greater than 0",
            subject="--interval",
            hint="give a duration such as 5s",
        )
    return total
