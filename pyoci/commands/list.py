"""``pyoci list``."""

from __future__ import annotations

from pyoci.commands.state import describe
from pyoci.errors import PyociError, UsageError, reason
from pyoci.lifecycle.report import owner_name
from pyoci.spec.json_text import encode
from pyoci.state.store import Entry, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def run(
    invocation: Invocation,
    settings: Settings,
    options: dict[str, Any],
    arguments: list[str],  # noqa: ARG001
) -> int:
    """List the containers below the state root."""
    rows = []
    for container_id in _ids(settings):
        entry = Entry(settings.root, container_id)
        try:
            state = entry.read()
        except PyociError as error:
            settings.warn(str(error))
            continue
        row = describe(entry, state)
        row["owner"] = owner_name(state.owner) or f"#{state.owner}"
        rows.append(row)
    if options.get("quiet"):
        invocation.write("".join(f"{row['id']}\n" for row in rows))
        return 0
    form = options.get("format") or "table"
    if form == "json":
        invocation.write(encode(rows or None))
        return 0
    if form != "table":
        raise UsageError(f"invalid format option: {form}", hint="use table or json")
    invocation.write(_table(rows))
    return 0


def _ids(settings: Settings) -> list[str]:
    try:
        return entries(settings.root)
    except FileNotFoundError:
        if settings.root_is_default:
            return []
        raise PyociError(
            f"the state root {settings.root} does not exist",
            subject=settings.root,
            hint="check --root",
        ) from None
    except OSError as error:
        raise PyociError(
            f"cannot read the state root {settings.root}: {reason(error)}",
            subject=settings.root,
        ) from None


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [list(_COLUMNS)]
    for row in rows:
        lines.append([str(row[name.lower()]) for name in _COLUMNS])
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "".join(
        "   ".join(cell.ljust(width + 0) for cell, width in zip(line, widths)).rstrip() + "\n"
        for line in lines
    )
