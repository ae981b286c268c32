"""Several blobs at once, each with a line on the display; the first failure stops the others."""

from __future__ import annotations

import threading
import time

from builder.execute.cancel import Cancelled
from builder.progress.text import size as size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from builder.descriptor import Descriptor
    from builder.progress import Display, Line
    from builder.registry.options import Options

_INTERVAL = 1.0


class Transfer:
    """One blob on its way."""

    def __init__(self, blob: Descriptor, line: Line, check: Callable[[], None]) -> None:
        self.blob = blob
        self._line = line
        self._check = check
        self._done = 0
        self._start = self._shown = time.monotonic()

    def progress(self, count: int) -> None:
        """So many bytes more, or less. Raises Cancelled when the command is being stopped."""
        self._check()
        self._done += count
        now = time.monotonic()
        if now - self._shown >= _INTERVAL:
            self._shown = now
            self._line.output(f"{size_text(self._done)} of {size_text(self.blob.size)}\n".encode())

    def skipped(self) -> None:
        """It is there already."""
        self._line.cached()

    def finished(self, note: str = "") -> None:
        """It is there now."""
        seconds = time.monotonic() - self._start
        rate = f"{size_text(int(self.blob.size / seconds))}/s" if seconds > 0.1 else ""
        self._line.done(note or rate)

    def begin(self, reason: str) -> None:
        """Its transfer begins."""
        self._start = self._shown = time.monotonic()
        self._line.running(reason)

    def failed(self, error: BaseException) -> None:
        """It ended in an error."""
        self._line.failed("CANCELED" if isinstance(error, Cancelled) else "ERROR")


def transfer_all(
    blobs: Sequence[Descriptor],
    work: Callable[[Transfer], None],
    *,
    label: str,
    display: Display,
    options: Options,
) -> None:
    """Do `work` for every blob, as many at once as the options say.

    Raises the first error that one of them raises, when all have stopped.
    """
    stopped = threading.Event()
    errors: list[BaseException] = []
    todo = iter(enumerate(blobs, 1))
    lock = threading.Lock()

    def check() -> None:
        options.check()
        if stopped.is_set():
            raise Cancelled

    def run() -> None:
        while True:
            with lock:
                following = next(todo, None)
            if following is None or stopped.is_set():
                return
            number, blob = following
            title = f"{blob.digest.algorithm}:{blob.digest.short} {size_text(blob.size)}"
            transfer = Transfer(blob, display.begin(f"{label} {number}/{len(blobs)}", title), check)
            try:
                check()
                work(transfer)
            except BaseException as error:
                transfer.failed(error)
                errors.append(error)
                stopped.set()
                return

    threads = [
        threading.Thread(target=run, name=f"blob-{number}")
        for number in range(min(max(options.jobs, 1), len(blobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stopped.set()
        for thread in threads:
            thread.join()
        raise
    # That others were stopped because of the first error is no news.
    errors.sort(key=lambda error: isinstance(error, Cancelled))
    if errors:
        raise errors[0]
