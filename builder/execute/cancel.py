"""Stopping a build from outside: one switch that every worker looks at and can wait for."""

from __future__ import annotations

import os
import threading


class Cancelled(Exception):  # noqa: N818 -- not a failure: somebody asked for it
    """The build was stopped while this work was under way."""


class Cancellation:
    """The switch. `descriptor` becomes readable when it is thrown, for poll(2)."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.descriptor, self._writer = os.pipe()

    def cancel(self) -> None:
        """Stop the build. Safe to repeat, and to call from any thread."""
        if not self._event.is_set():
            self._event.set()
            os.write(self._writer, b"!")

    @property
    def is_cancelled(self) -> bool:
        """Whether the build is being stopped."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, at most until the build is being stopped."""
        self._event.wait(seconds)

    def check(self) -> None:
        """Raises Cancelled when the build is being stopped."""
        if self._event.is_set():
            raise Cancelled

    def close(self) -> None:
        """Give the descriptors back; nobody may use the switch any more."""
        os.close(self.descriptor)
        os.close(self._writer)
