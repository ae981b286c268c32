"""What the solver tells a display. Every method may be called from any thread."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol
else:
    Protocol = object


class Line(Protocol):
    """One step."""

    def running(self, reason: str) -> None:
        """It was not in the cache, for a reason, and is being executed."""

    def output(self, data: bytes) -> None:
        """Its process wrote something."""

    def cached(self) -> None:
        """It was in the cache."""

    def done(self, note: str = "") -> None:
        """It was executed."""

    def failed(self, what: str) -> None:
        """It ended in an error (`ERROR`) or was stopped (`CANCELED`)."""

    def tail(self) -> Sequence[str]:
        """The last lines of its output."""


class Display(Protocol):
    """A whole build."""

    def begin(self, label: str, title: str) -> Line:
        """A step comes up: its place (`build 2/5`) and its instruction."""

    def note(self, text: str) -> None:
        """Something to know, on a line of its own."""

    def close(self) -> None:
        """The build is over; nothing is shown any more."""
