"""Plain text, for logs: a line when a step is over, its output as it comes.

#2 [build 2/5] COPY . /src  CACHED
#3 [build 3/5] RUN make  (1 file changed: a.c)
#3 0.214 cc -o a a.c
#3 [build 3/5] RUN make  1.2s
"""

from __future__ import annotations

import threading
import time
from collections import deque

from builder.progress.text import Lines, duration, fitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

TAIL = 10
_LONGEST_TITLE = 160


def one_line(title: str) -> str:
    """The title of a step on one line, not longer than makes sense."""
    first, _, rest = title.partition("\n")
    text = "".join(char if char.isprintable() else " " for char in first)
    return fitted(text + ("…" if rest.strip() else ""), _LONGEST_TITLE)


class PlainDisplay:
    """Writes to a stream that need not be a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._count = 0

    def begin(self, label: str, title: str) -> PlainLine:
        """See `Display`."""
        with self._lock:
            self._count += 1
            number = self._count
        return PlainLine(self, f"#{number}", f"[{label}] {one_line(title)}")

    def note(self, text: str) -> None:
        """See `Display`."""
        self.write([text])

    def close(self) -> None:
        """See `Display`."""
        self._stream.flush()

    def write(self, lines: Sequence[str]) -> None:
        """Write whole lines at once, so that steps do not mix within them."""
        text = "".join(f"{line}\n" for line in lines)
        with self._lock:
            self._stream.write(text)
            self._stream.flush()


class PlainLine:
    """See `Line`."""

    def __init__(self, display: PlainDisplay, number: str, name: str) -> None:
        self._display = display
        self._number = number
        self._name = name
        self._start = time.monotonic()
        self._lines = Lines()
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._reason = ""
        self._is_announced = False

    def running(self, reason: str) -> None:
        """See `Line`. Only RUN is announced before it is over: it may take long or be silent."""
        self._reason = f"  ({reason})" if reason else ""
        self._start = time.monotonic()
        if "] RUN " in self._name:
            self._is_announced = True
            self._display.write([f"{self._number} {self._name}{self._reason}"])

    def output(self, data: bytes) -> None:
        """See `Line`."""
        self._show(self._lines.feed(data))

    def _show(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        self._tail.extend(lines)
        prefix = f"{self._number} {time.monotonic() - self._start:.3f}"
        self._display.write([f"{prefix} {line}".rstrip() for line in lines])

    def cached(self) -> None:
        """See `Line`."""
        self._display.write([f"{self._number} {self._name}  CACHED"])

    def done(self, note: str = "") -> None:
        """See `Line`."""
        self._end(duration(time.monotonic() - self._start) + (f"  {note}" if note else ""))

    def failed(self, what: str) -> None:
        """See `Line`."""
        self._end(what)

    def _end(self, text: str) -> None:
        self._show(self._lines.finish())
        reason = "" if self._is_announced else self._reason
        self._display.write([f"{self._number} {self._name}  {text}{reason}"])

    def tail(self) -> Sequence[str]:
        """See `Line`."""
        return tuple(self._tail)
