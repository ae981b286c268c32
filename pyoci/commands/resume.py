"""``pyoci resume``."""

from __future__ import annotations

from pyoci.lifecycle.pause import resume
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation,  # noqa: ARG001
    settings: Settings,
    options: dict[str, Any],  # noqa: ARG001
    arguments: list[str],
) -> int:
    """Let the processes of a paused container run again."""
    resume(Entry(settings.root, arguments[0]))
    return 0
