"""A live display: finished steps scroll away above, running ones are redrawn in place below.

A running step shows its time and the last lines of its output. Lines are cut to the terminal's
width, so that every one is one row and the block can be overwritten; on a very small terminal
only the steps themselves are shown.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from builder.progress.plain import TAIL, one_line
from builder.progress.text import Lines, duration, fitted, width, without_colours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

_INTERVAL = 0.15
_SHOWN_OUTPUT = 6
_NARROW, _LOW = 40, 10
_BOLD, _FAINT, _GREEN, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"


class TerminalDisplay:
    """Writes to a terminal."""

    def __init__(
        self,
        stream: TextIO,
        *,
        size: Callable[[], tuple[int, int]] | None = None,
        colours: bool = True,
        redraw: bool = True,
    ) -> None:
        """`size` gives columns and rows; without `redraw` only events draw (for tests)."""
        self._stream = stream
        self._size = size or self._terminal_size
        self._colours = colours
        self._lock = threading.RLock()
        self._running: list[TerminalLine] = []
        self._drawn = 0
        self._count = 0
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._write(_HIDE_CURSOR)
        if redraw:
            self._thread = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._thread.start()

    def _terminal_size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return 80, 24
        return columns or 80, rows or 24

    def begin(self, label: str, title: str) -> TerminalLine:
        """See `Display`."""
        with self._lock:
            self._count += 1
            line = TerminalLine(self, f"[{label}] {one_line(title)}")
            self._running.append(line)
            return line

    def note(self, text: str) -> None:
        """See `Display`."""
        self.scroll([without_colours(text)])

    def close(self) -> None:
        """See `Display`."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._erase()
            self._write(_SHOW_CURSOR)

    def scroll(self, lines: Sequence[str], line: TerminalLine | None = None) -> None:
        """Write lines that stay, above the running steps; `line` runs no more."""
        with self._lock:
            self._erase()
            if line is not None and line in self._running:
                self._running.remove(line)
            self._write("".join(f"{text}\n" for text in lines))
            self._draw()

    def _tick(self) -> None:
        while not self._closed.wait(_INTERVAL):
            with self._lock:
                self._erase()
                self._draw()

    def _erase(self) -> None:
        if self._drawn:
            self._write(f"\r\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _draw(self) -> None:
        columns, rows = self._size()
        block: list[str] = []
        room = rows - 2
        is_small = columns < _NARROW or rows < _LOW
        visible = [line for line in self._running if line.is_visible]
        for line in visible[: max(room, 1)]:
            block.append(self.row(f"=> {line.name}", duration(line.elapsed), _BOLD, columns))
        if not is_small:
            block = self._with_output(visible, block, room, columns)
        if len(visible) > room:
            block[-1:] = [self.row(f"   and {len(visible) - room + 1} more", "", _FAINT, columns)]
        if block:
            self._write(_WRAP_OFF + "".join(f"{row}\n" for row in block) + _WRAP_ON)
        self._drawn = len(block)

    def _with_output(
        self, visible: Sequence[TerminalLine], block: list[str], room: int, columns: int
    ) -> list[str]:
        """The rows of steps with the end of their output, as far as there is room."""
        spare = room - len(block)
        rows: list[str] = []
        for line, row in zip(visible, block):
            rows.append(row)
            lines = list(line.tail())[-min(_SHOWN_OUTPUT, max(spare, 0)) :] if spare > 0 else []
            spare -= len(lines)
            for text in lines:
                rows.append(self.row(f"   | {without_colours(text)}", "", _FAINT, columns))
        return rows

    def row(self, left: str, right: str, style: str, columns: int | None = None) -> str:
        """A row with something at its right end."""
        columns = columns or self._size()[0]
        room = columns - width(right) - bool(right)
        if room < 8:
            left, right = fitted(left, columns), ""
        else:
            left = fitted(left, room)
        gap = " " * (columns - width(left) - width(right)) if right else ""
        if not self._colours:
            return left + gap + right
        return f"{style}{left}{_PLAIN}{gap}{right}"

    def finished(self, line: TerminalLine, right: str, *, style: str, extra: str = "") -> None:
        """Let a step scroll away."""
        columns = self._size()[0]
        rows = [self.row(f"=> {line.name}", right, style, columns)]
        if extra:
            rows.append(self.row(f"   {extra}", "", _FAINT, columns))
        self.scroll(rows, line)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class TerminalLine:
    """See `Line`."""

    def __init__(self, display: TerminalDisplay, name: str) -> None:
        self._display = display
        self.name = name
        self._start = time.monotonic()
        self._lines = Lines()
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._reason = ""
        self.is_visible = False

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._start

    def running(self, reason: str) -> None:
        """See `Line`."""
        self._reason = reason
        self._start = time.monotonic()
        self.is_visible = True

    def output(self, data: bytes) -> None:
        """See `Line`."""
        self._tail.extend(self._lines.feed(data))

    def cached(self) -> None:
        """See `Line`."""
        self._display.finished(self, "CACHED", style=_GREEN)

    def done(self, note: str = "") -> None:
        """See `Line`."""
        extra = "; ".join(filter(None, (self._reason, note)))
        self._display.finished(self, duration(self.elapsed), style=_PLAIN, extra=extra)

    def failed(self, what: str) -> None:
        """See `Line`."""
        self._tail.extend(self._lines.finish())
        self._display.finished(self, what, style=_RED)

    def tail(self) -> Sequence[str]:
        """See `Line`."""
        return tuple(self._tail)
