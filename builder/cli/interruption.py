"""Stopping a command in good order: what it has begun is ended or undone."""

from __future__ import annotations

import signal
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from builder.execute.cancel import Cancellation


@contextmanager
def stopping_on_signals() -> Iterator[Cancellation]:
    """A cancellation that Ctrl-C and SIGTERM throw; what was stopped ends as interrupted."""
    from builder.execute.cancel import Cancellation, Cancelled

    cancellation = Cancellation()

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        cancellation.cancel()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancellation
    except Cancelled:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        cancellation.close()
