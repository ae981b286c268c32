"""How the text after an instruction's name becomes arguments.

Five shapes (the table at the end of this module says which instruction has which):

    words       blank-separated
    string      everything, as one argument
    pairs       name=value words, quotes and escapes kept for expansion; or one `name rest of line`
    names       name or name=value words
    JSON or x   a JSON array of strings; where it is none, x
"""

from __future__ import annotations

import re

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BLANKS = re.compile(r"[\t\v\f\r ]+")


class Arguments(Record):
    """The arguments of one instruction; for pairs a flat list name, value, separator."""

    values: tuple[str, ...]
    is_json: bool = False


class SplitLine(Record):
    """A logical line: the instruction's name as written, its flags unquoted, the rest."""

    name: str
    flags: tuple[str, ...]
    rest: str


def split_line(line: str, escape: str) -> SplitLine:
    """Cut a logical line into name, flags and rest.

    Flags are the words after the name that begin with `--`, up to the first that does not; a
    bare `--` ends them. Quotes and escapes work inside a flag.
    """
    name, _, rest = _cut(line.strip(golang.SPACE))
    flags: list[str] = []
    position = 0
    while True:
        while position < len(rest) and rest[position] in golang.SPACE:
            position += 1
        if not rest.startswith("--", position):
            break
        word, was_quoted, position = _flag(rest, position, escape)
        if word == "--":
            break
        if word or was_quoted:
            flags.append(word)
    return SplitLine(name, tuple(flags), rest[position:].strip(golang.SPACE))


def _cut(text: str) -> tuple[str, str, str]:
    """Split at the first run of blanks: before, the blanks, after."""
    match = _BLANKS.search(text)
    return (text[: match.start()], match[0], text[match.end() :]) if match else (text, "", "")


def _flag(text: str, position: int, escape: str) -> tuple[str, bool, int]:
    """The word at position without its quotes, whether it had any, where it ends."""
    out: list[str] = []
    quote = ""
    was_quoted = False
    while position < len(text):
        char = text[position]
        if not quote and char in golang.SPACE:
            break
        position += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote, was_quoted = char, True
        elif char == escape:
            out.append(text[position : position + 1])
            position += 1
        else:
            out.append(char)
    return "".join(out), was_quoted, position


def split_quoted(text: str, escape: str) -> list[str]:
    """Blank-separated words; blanks in quotes or after an escape do not separate.

    Quotes and escapes stay in the words: expansion removes them.
    """
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char in golang.SPACE:
            if word:
                words.append("".join(word))
                word = []
            continue
        if char == escape and quote != "'":
            if position == len(text):  # an escape at the very end is dropped
                break
            char += text[position]
            position += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
    return [*words, "".join(word)] if word else words


def _words(_name: str, rest: str, _escape: str) -> Arguments:
    return Arguments(tuple(_BLANKS.split(rest)) if rest else ())


def _string(_name: str, rest: str, _escape: str) -> Arguments:
    return Arguments((rest,) if rest else ())


def _names(_name: str, rest: str, escape: str) -> Arguments:
    return Arguments(tuple(split_quoted(rest, escape)))


def _pairs(name: str, rest: str, escape: str) -> Arguments:
    words = split_quoted(rest, escape)
    if not words:
        return Arguments(())
    if "=" not in words[0]:
        key, blanks, value = _cut(rest)
        if not blanks:
            raise DockerfileError(
                f"{name.upper()} must have two arguments",
                near=rest,
                phase="lines",
                hint=f"write {name.upper()} {key}=value",
            )
        return Arguments((key, value, ""))
    values: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError(
                f"Syntax error - can't find = in {golang.quote(word)}."
                " Must be of the form: name=value",
                near=word,
                phase="lines",
                hint="quote a value that holds blanks",
            )
        values += key, value, equals
    return Arguments(tuple(values))


def _json(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None when the text is no JSON array."""
    rest = rest.lstrip(golang.SPACE)
    if not rest.startswith("["):
        return None
    import json

    try:
        # Numbers are only looked at to be refused: no need to convert a million digits.
        value = json.loads(rest, parse_int=len, parse_float=len, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if any(not isinstance(member, str) for member in value):
        raise DockerfileError(
            "when using JSON array syntax, arrays must be comprised of strings only",
            near=rest,
            phase="lines",
            hint="quote every member",
        )
    return tuple(_scalar_values(member) for member in value)


def _no_constant(text: str) -> None:
    """NaN and Infinity are Python's additions to JSON."""
    raise ValueError(text)


def _scalar_values(text: str) -> str:
    r"""Lone surrogates (`"\ud800"`) become U+FFFD, as RFC 8259 decoders in other languages do."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _json_or(fallback: Shape) -> Shape:
    def shape(name: str, rest: str, escape: str) -> Arguments:
        strings = _json(rest)
        return fallback(name, rest, escape) if strings is None else Arguments(strings, is_json=True)

    return shape


def _healthcheck(name: str, rest: str, escape: str) -> Arguments:
    """A type, then JSON or a string."""
    kind = rest.split(maxsplit=1)[0] if rest else ""
    if not kind:
        return Arguments(())
    command = _json_or(_string)(name, rest[len(kind) :].strip(golang.SPACE), escape)
    return Arguments((kind, *command.values), command.is_json)


def _ignored(_name: str, _rest: str, _escape: str) -> Arguments:
    return Arguments(())


if TYPE_CHECKING:
    Shape = Callable[[str, str, str], Arguments]

SHAPES: Mapping[str, Shape] = {
    "add": _json_or(_words),
    "arg": _names,
    "cmd": _json_or(_string),
    "copy": _json_or(_words),
    "entrypoint": _json_or(_string),
    "env": _pairs,
    "expose": _words,
    "from": _words,
    "healthcheck": _healthcheck,
    "label": _pairs,
    "maintainer": _string,
    "run": _json_or(_string),
    "shell": _json_or(_string),
    "stopsignal": _string,
    "user": _string,
    "volume": _json_or(_words),
    "workdir": _string,
}
"""The shape of every instruction's arguments; ONBUILD's is another instruction."""


def read_arguments(name: str, rest: str, escape: str) -> Arguments:
    """The arguments of the instruction `name`. An unknown instruction has none.

    Raises DockerfileError for `ENV name` without a value, a word without `=` among pairs, and a
    JSON array that holds something else than strings.
    """
    return SHAPES.get(name.lower(), _ignored)(name, rest, escape)
