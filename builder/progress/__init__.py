"""Showing a build while it goes on: plain lines, a live display on a terminal, or nothing.

display = new_display("auto", stream)
line = display.begin("build 2/5", "RUN make")
line.running("1 file changed: a.c");  line.output(b"...");  line.done()
"""

from __future__ import annotations

from builder.progress.choose import new_display
from builder.progress.display import Display, Line
from builder.progress.plain import PlainDisplay
from builder.progress.quiet import QuietDisplay
from builder.progress.terminal import TerminalDisplay

__all__ = [
    "Display",
    "Line",
    "PlainDisplay",
    "QuietDisplay",
    "TerminalDisplay",
    "new_display",
]
