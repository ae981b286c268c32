"""A result that one thread makes and others wait for.

concurrent.futures has the same and more, and takes a tenth of a cached build's time to import.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.solve.results import Result


class Pending:
    """The result of a node, or the error it ended in."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: Result | None = None
        self._error: BaseException | None = None

    def set_result(self, result: Result) -> None:
        """It is made."""
        self._result = result
        self._done.set()

    def set_error(self, error: BaseException) -> None:
        """It cannot be made."""
        self._error = error
        self._done.set()

    def get(self) -> Result:
        """Wait for it. Raises the error that it ended in."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result
