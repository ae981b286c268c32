"""Nothing but what a failure needs: the last lines of each step's output."""

from __future__ import annotations

from collections import deque

from builder.progress.plain import TAIL
from builder.progress.text import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class QuietDisplay:
    """Shows nothing."""

    def begin(self, label: str, title: str) -> QuietLine:  # noqa: ARG002
        """See `Display`."""
        return QuietLine()

    def note(self, text: str) -> None:
        """See `Display`."""

    def close(self) -> None:
        """See `Display`."""


class QuietLine:
    """See `Line`."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._tail: deque[str] = deque(maxlen=TAIL)

    def running(self, reason: str) -> None:
        """See `Line`."""

    def output(self, data: bytes) -> None:
        """See `Line`."""
        self._tail.extend(self._lines.feed(data))

    def cached(self) -> None:
        """See `Line`."""

    def done(self, note: str = "") -> None:
        """See `Line`."""

    def failed(self, what: str) -> None:  # noqa: ARG002
        """See `Line`."""
        self._tail.extend(self._lines.finish())

    def tail(self) -> Sequence[str]:
        """See `Line`."""
        return tuple(self._tail)
