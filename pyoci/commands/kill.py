"""``pyoci kill``."""

from __future__ import annotations

from pyoci.lifecycle.kill import kill
from pyoci.spec.tables.signals import signal_number
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
    """Send a signal to a container, SIGTERM by default."""
    number = signal_number(arguments[1] if len(arguments) > 1 else "SIGTERM")
    kill(Entry(settings.root, arguments[0]), number, everybody=bool(options.get("all")))
    return 0
