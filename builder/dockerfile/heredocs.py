"""Here-documents: `RUN <<EOF`, `COPY <<file.txt <<"other" /dir/`.

    word = [digits] "<<" ["-"] blanks name       (name may be quoted, then it may hold blanks)

Any quote in the name turns expansion of the body off, as in a shell.
https://docs.docker.com/reference/dockerfile/#here-documents
"""

from __future__ import annotations

import re

from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode, process_words
from builder.dockerfile.record import Record

_FORM = re.compile(r"(\d*)<<(-?)\s*([^<]*)\Z")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
_LINE = Mode(keep_quotes=True, keep_escapes=True, keep_undefined=True)
_NAME = Mode(keep_undefined=True)
_NAME_WITH_QUOTES = Mode(keep_undefined=True, keep_quotes=True)


class Heredoc(Record):
    """A here-document.

    Attributes:
        name: the terminator, without quotes; for COPY and ADD also the file's name.
        expand: whether variables in the body are expanded.
        chomp: `<<-`: leading tabs do not count.
        descriptor: the number before `<<` (0 when there is none).
        body: the lines up to the terminator, line ends included, tabs not yet removed.
    """

    name: str
    expand: bool
    chomp: bool = False
    descriptor: int = 0
    body: str = ""

    @property
    def text(self) -> str:
        """The body, without leading tabs for `<<-`."""
        return _LEADING_TABS.sub("", self.body) if self.chomp else self.body


def parse_heredoc(word: str) -> Heredoc | None:
    """The here-document a word announces (without its body); None when it announces none.

    Raises DockerfileError for an unbalanced quote in the name.
    """
    match = _FORM.match(word)
    if match is None or not match[3]:
        return None
    names = process_words(match[3], {}, _NAME)
    if len(names) != 1:
        return None
    quoted = process_words(match[3], {}, _NAME_WITH_QUOTES)
    name = names[0]
    expand = _quotes(name) == _quotes(quoted[0] if quoted else name)
    return Heredoc(name, expand, match[2] == "-", int(match[1][-9:] or "0"))


def heredocs_of_line(line: str) -> list[Heredoc]:
    """The here-documents that one logical line announces, in order.

    A line the shell lexer cannot split announces none: it is for the shell to complain.
    """
    try:
        words = process_words(line, {}, _LINE)
    except DockerfileError:
        return []
    return [heredoc for word in words if (heredoc := parse_heredoc(word))]


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
