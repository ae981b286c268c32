"""From the bytes of a file to statements: one per instruction, not yet understood.

    file       = directives { comment | blank line | statement }
    statement  = name { flag } arguments { here-document }

A line that ends in the escape character (and blanks) continues on the next one; comments and blank
lines between the two are dropped. Bytes that are not UTF-8 survive as surrogate escapes
(PEP 383), so that a here-document's file keeps them.
"""

from __future__ import annotations

import re

from builder.dockerfile import golang
from builder.dockerfile.arguments import Arguments, read_arguments, split_line
from builder.dockerfile.directives import Directive, DirectiveReader
from builder.dockerfile.errors import DockerfileError, SourceRange
from builder.dockerfile.heredocs import Heredoc, heredocs_of_line
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_LINE = 65535
"""Bytes in one physical line, the reference's limit."""
_DEEPEST_ONBUILD = 2
"""`ONBUILD ONBUILD` is refused later; the line still is cut up to there."""
_MAY_HAVE_HEREDOC = ("run", "copy", "add")
_CONTINUED = {
    escape: re.compile(rf"(?:(?<=[^{re.escape(escape)}])|\A){re.escape(escape)}[ \t]*\Z")
    for escape in ("\\", "`")
}


class Statement(Record):
    """One instruction as text, cut into its parts.

    Attributes:
        name: the instruction as written ("RUN", "run", "Foo").
        flags: `--name=value` words, unquoted.
        arguments: by the instruction's shape.
        nested: the statement after ONBUILD.
        text: the logical line: continuations joined, comments dropped, here-documents left out.
        heredocs: in order.
        range: lines, here-documents included.
        comments: texts of the comment lines above, the oldest first.
    """

    name: str
    flags: tuple[str, ...]
    arguments: Arguments
    nested: Statement | None
    text: str
    heredocs: tuple[Heredoc, ...]
    range: SourceRange
    comments: tuple[str, ...]


class Statements(Record):
    """A whole file.

    Attributes:
        statements: in order; at least one.
        lines: physical lines without their ends, for excerpts.
        directives: by name.
        escape: the escape character.
        empty_continuations: (last line, logical text) of every statement with a blank line
            inside a continuation.
    """

    statements: tuple[Statement, ...]
    lines: Sequence[str]
    directives: Mapping[str, Directive]
    escape: str
    empty_continuations: tuple[tuple[int, str], ...]


def read_statements(source: bytes | str, filename: str) -> Statements:
    """Cut a file into statements.

    Raises DockerfileError for a file without instructions, a line that is too long, a bad
    directive, an unterminated here-document, and the errors of `read_arguments`.
    """
    text = source.decode("utf-8", "surrogateescape") if isinstance(source, bytes) else source
    # Only "\n" ends a line: str.splitlines would also cut at form feeds and U+2028.
    physical = [line + "\n" for line in text.removeprefix("\ufeff").split("\n")]
    physical[-1] = physical[-1][:-1]
    if not physical[-1]:
        physical.pop()
    shown = tuple(line.rstrip("\r\n") for line in physical)
    try:
        return _Reader(physical, shown).read()
    except DockerfileError as error:
        raise error.within(filename, shown) from None


class _Reader:
    def __init__(self, physical: Sequence[str], shown: Sequence[str]) -> None:
        self._physical = physical
        self._shown = shown
        self._next = 0  # index of the next physical line, hence the number of the last one read
        self._escape = "\\"
        self._directives = DirectiveReader()
        self._empty_continuations: list[tuple[int, str]] = []

    def read(self) -> Statements:
        statements: list[Statement] = []
        comments: list[str] = []
        while self._next < len(self._physical):
            line = self._take().rstrip("\r\n").lstrip(golang.SPACE)
            if not self._directives.ended:
                directive = self._directives.read(line, self._next)
                if directive:
                    if directive.name == "escape":
                        self._escape = directive.value
                    continue
            if line.startswith("#"):
                comment = line[1:].strip(golang.SPACE)
                comments = [*comments, comment] if comment else []
            elif line:
                statements.append(self._statement(line, tuple(comments)))
                comments = []
        if not statements:
            raise DockerfileError(
                "file with no instructions", phase="lines", hint="a Dockerfile begins with FROM"
            )
        return Statements(
            tuple(statements),
            self._shown,
            self._directives.found,
            self._escape,
            tuple(self._empty_continuations),
        )

    def _take(self) -> str:
        line = self._physical[self._next]
        self._next += 1
        if len(line) > LONGEST_LINE // 4 and (
            len(line.removesuffix("\n").encode("utf-8", "surrogateescape")) > LONGEST_LINE
        ):
            raise DockerfileError(
                f"dockerfile line greater than max allowed size of {LONGEST_LINE}",
                SourceRange(self._next, self._next),
                phase="lines",
                hint="continue it on further lines with an escape character",
            )
        return line

    def _statement(self, first: str, comments: tuple[str, ...]) -> Statement:
        start = self._next
        line = self._logical_line(first)
        try:
            statement = self._understand(line)
            heredocs = self._heredocs(statement)
        except DockerfileError as error:
            raise error.at(SourceRange(start, self._next)) from None
        return statement.replace(
            heredocs=heredocs, range=SourceRange(start, self._next), comments=comments
        )

    def _logical_line(self, first: str) -> str:
        continued = _CONTINUED[self._escape]
        parts: list[str] = []
        has_empty = False
        line = first
        while True:
            match = continued.search(line)
            parts.append(line[: match.start()] if match else line)
            if not match:
                break
            while self._next < len(self._physical):
                line = self._take().rstrip("\r\n")
                stripped = line.lstrip(golang.SPACE)
                if stripped and not stripped.startswith("#"):
                    break
                has_empty = has_empty or not stripped
            else:
                break
        text = "".join(parts)
        if has_empty:
            self._empty_continuations.append((self._next, text))
        return text

    def _understand(self, line: str, depth: int = 0) -> Statement:
        split = split_line(line, self._escape)
        nested = None
        if split.name.lower() == "onbuild" and depth < _DEEPEST_ONBUILD:
            nested = self._understand(split.rest, depth + 1) if split.rest else None
            arguments = Arguments(())
        else:
            arguments = read_arguments(split.name, split.rest, self._escape)
        return Statement(
            split.name, split.flags, arguments, nested, line, (), SourceRange(0, 0), ()
        )

    def _heredocs(self, statement: Statement) -> tuple[Heredoc, ...]:
        carrier = statement.nested or statement
        if carrier.name.lower() not in _MAY_HAVE_HEREDOC or carrier.arguments.is_json:
            return ()
        if "<<" not in statement.text:
            return ()
        return tuple(self._body(heredoc) for heredoc in heredocs_of_line(statement.text))

    def _body(self, heredoc: Heredoc) -> Heredoc:
        lines: list[str] = []
        while self._next < len(self._physical):
            line = self._take()
            end = line.rstrip("\r\n")
            if (end.lstrip("\t") if heredoc.chomp else end) == heredoc.name:
                return heredoc.replace(body="".join(lines))
            lines.append(line)
        raise DockerfileError(
            "unterminated heredoc",
            near=f"<<{'-' * heredoc.chomp}",
            phase="lines",
            hint=f"end it with a line that holds only {heredoc.name}",
        )
