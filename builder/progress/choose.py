"""Which display a stream gets."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from builder.progress.display import Display

KINDS = ("auto", "plain", "tty", "quiet")


def new_display(kind: str, stream: TextIO, environ: Mapping[str, str]) -> Display:
    """A display of a kind: "auto" is live on a terminal and plain elsewhere and in CI."""
    if kind == "auto":
        is_dumb = environ.get("TERM", "dumb") == "dumb" or bool(environ.get("CI"))
        kind = "tty" if stream.isatty() and not is_dumb else "plain"
    if kind == "tty":
        from builder.progress.terminal import TerminalDisplay

        return TerminalDisplay(stream, colours="NO_COLOR" not in environ)
    if kind == "quiet":
        from builder.progress.quiet import QuietDisplay

        return QuietDisplay()
    from builder.progress.plain import PlainDisplay

    return PlainDisplay(stream)
