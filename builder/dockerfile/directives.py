"""Parser directives: `# syntax=`, `# escape=`, `# check=` at the very top of the file.

    directive = "#" blanks name blanks "=" blanks value     (name in any case)

The first line that is anything else (an ordinary comment, a blank line, an unknown name) ends the
directives. https://docs.docker.com/reference/dockerfile/#parser-directives
"""

from __future__ import annotations

import re

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError, SourceRange
from builder.dockerfile.record import Record

_KNOWN = ("syntax", "escape", "check")
_FORM = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z", re.DOTALL)


class Directive(Record):
    """One directive: its name in lower case, its value, its line (from 1)."""

    name: str
    value: str
    line: int


class DirectiveReader:
    """Reads directives from the first lines of a file until one is not a directive."""

    def __init__(self, comment: str = "#") -> None:
        self.found: dict[str, Directive] = {}
        self.ended = False
        self._comment = comment

    def read(self, line: str, number: int) -> Directive | None:
        """The directive on a line (without line end and leading blanks), or None.

        Raises DockerfileError for a directive that was already given and for an escape
        character other than backslash and backtick.
        """
        if self.ended:
            return None
        match = None
        if line.startswith(self._comment):
            match = _FORM.match(line[len(self._comment) :].lstrip(golang.SPACE))
        name = match[1].lower() if match else ""
        if match is None or name not in _KNOWN:
            self.ended = True
            return None
        place = SourceRange(number, number)
        if name in self.found:
            raise DockerfileError(
                f"only one {name} parser directive can be used", place, near=line, phase="lines"
            )
        directive = Directive(name, match[2], number)
        if name == "escape" and directive.value not in ("\\", "`"):
            raise DockerfileError(
                f"invalid escape token '{directive.value}' does not match ` or \\",
                place,
                near=directive.value,
                phase="lines",
            )
        self.found[name] = directive
        return directive


def detect_syntax(text: str) -> str:
    """The frontend image a file asks for with its `syntax` directive, or "".

    Besides `# syntax=` this reads `// syntax=`, a JSON object with a member "syntax", and skips a
    first line `#!`, because another frontend's file need not look like a Dockerfile.
    """
    text = text.removeprefix("\ufeff")
    if text.startswith("#!"):
        text = text.partition("\n")[2]
    for comment in ("#", "//"):
        reader = DirectiveReader(comment)
        for number, line in enumerate(text.split("\n"), 1):
            try:
                reader.read(line.rstrip("\r"), number)
            except DockerfileError:
                break
            if reader.ended:
                break
        if "syntax" in reader.found:
            return reader.found["syntax"].value.partition(" ")[0]
    if text.lstrip().startswith("{"):
        import json

        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        syntax = value.get("syntax") if isinstance(value, dict) else None
        return syntax if isinstance(syntax, str) else ""
    return ""
