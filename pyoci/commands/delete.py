"""``pyoci delete``."""

from __future__ import annotations

from pyoci.lifecycle.delete import delete
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation,  # noqa: ARG001
    settings: Settings,
    options: dict[str, Any],
    arguments: list[str],
) -> int:
    """Remove a container and what create made for it."""
    entry = Entry(settings.root, arguments[0])
    for warning in delete(entry, force=bool(options.get("force"))):
        settings.warn(warning)
    return 0
