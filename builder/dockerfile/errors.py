"""Where something stands in a Dockerfile, and the error that shows it.

A DockerfileError prints as a compiler's message does:

    Dockerfile:3:1: unknown instruction: FORM (did you mean FROM?)
       3 | FORM alpine
         | ^~~~
"""

from __future__ import annotations

from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN_LINES = 4
_SHOWN_WIDTH = 200


class SourceRange(Record):
    """Lines `start` to `end`, counted from 1, both included."""

    start: int
    end: int

    def __str__(self) -> str:
        return str(self.start) if self.start == self.end else f"{self.start}-{self.end}"


class DockerfileError(Exception):
    """A Dockerfile (or the way it is built) is wrong.

    Attributes:
        message: what is wrong, in the words of the reference implementation where it has some,
            with the suggestion at its end.
        suggestion: the name that was probably meant, or "".
        phase: "lines" (splitting the file), "instruction" (one instruction's grammar) or
            "conversion" (meaning: variables, stages, options that may hold variables).
        filename: as given to `parse`.
        range: lines of the instruction at fault; None when no line is.
        columns: first column (from 1) and the one after the last of the word at fault, in the
            line `line`; None when the whole instruction is meant.
        hint: what to do about it, or "".
    """

    def __init__(
        self,
        message: str,
        range: SourceRange | None = None,  # noqa: A002
        *,
        near: str = "",
        suggestion: str = "",
        phase: str = "conversion",
        hint: str = "",
    ) -> None:
        if suggestion:
            message += f" (did you mean {suggestion}?)"
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion
        self.phase = phase
        self.range = range
        self.near = near
        self.hint = hint
        self.filename = "Dockerfile"
        self.lines: Sequence[str] = ()
        self.line = range.start if range else 0
        self.columns: tuple[int, int] | None = None

    @property
    def reference_message(self) -> str:
        """The message with the prefix that BuildKit puts before errors of an instruction."""
        if self.phase == "instruction" and self.range:
            return f"dockerfile parse error on line {self.range.start}: {self.message}"
        return self.message

    def within(self, filename: str, lines: Sequence[str]) -> DockerfileError:
        """Tell the error which file it is about, so that it can show the line. Returns itself.

        An error that already knows its file keeps it.
        """
        if not self.lines:
            self.filename, self.lines = filename, lines
            self._find_columns()
        return self

    def at(self, range: SourceRange) -> DockerfileError:  # noqa: A002
        """Give the error its place when whoever raised it did not know it. Returns itself."""
        if self.range is None:
            self.range, self.line = range, range.start
        return self

    def _find_columns(self) -> None:
        if self.range is None:
            return
        for number in range(self.range.start, min(self.range.end, len(self.lines)) + 1):
            column = self.lines[number - 1].find(self.near) if self.near else -1
            if column >= 0:
                self.line, self.columns = number, (column + 1, column + 1 + len(self.near))
                return

    def __str__(self) -> str:
        if self.range is None:
            text = f"{self.filename}: {self.message}"
        elif self.columns:
            text = f"{self.filename}:{self.line}:{self.columns[0]}: {self.message}"
        else:
            text = f"{self.filename}:{self.line}: {self.message}"
        if self.hint:
            text += f"; {self.hint}"
        return "\n".join([text, *self.excerpt()])

    def excerpt(self) -> list[str]:
        """The source lines at fault, each with its number, and the caret line."""
        if self.range is None or not self.lines:
            return []
        if self.columns:
            first = last = self.line
        else:
            first = self.range.start
            last = min(self.range.end, first + _SHOWN_LINES - 1, len(self.lines))
        shown = []
        for number in range(first, last + 1):
            source = self.lines[number - 1]
            start, end = self.columns or _extent(source)
            # A tab moves the caret as far as it moves the text, whatever the terminal's stops.
            indent = "".join("\t" if char == "\t" else " " for char in source[: start - 1])
            if len(source) > _SHOWN_WIDTH:
                cut = max(0, start - _SHOWN_WIDTH // 2)
                source, indent = source[cut : cut + _SHOWN_WIDTH], indent[cut:]
                end = min(end, cut + _SHOWN_WIDTH + 1)
            shown.append(f"{number:>4} | {_printable(source)}")
            if self.columns or number == first:
                shown.append("     | " + indent + "^" + "~" * max(0, end - start - 1))
        if not self.columns and last < self.range.end:
            shown.append("     | ...")
        return shown


def _extent(source: str) -> tuple[int, int]:
    """Columns of the text of a line, without the blanks around it."""
    stripped = source.strip()
    start = source.find(stripped) + 1
    return start, start + len(stripped)


def _printable(source: str) -> str:
    """A hostile file does not get to move the terminal's cursor."""
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in source)
