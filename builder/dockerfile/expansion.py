"""Variable expansion: `$name`, `${name}`, `${name:-word}` and their kin.

    word      = { "'" text "'" | '"' { text | variable } '"' | escape char | variable | text }
    variable  = "$" name | "${" name "}"
              | "${" name [":"] ("-" | "+" | "?") word "}"
              | "${" name ("#" | "##" | "%" | "%%") pattern "}"
              | "${" name ("/" | "//") pattern "/" replacement "}"
    name      = letters, digits, "_" | digits | one of @*#?-$!0

Words and patterns are expanded themselves. Single quotes keep everything; in double quotes the
escape character works only before `"`, `$` and itself.
https://docs.docker.com/reference/dockerfile/#environment-replacement
"""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.globs import Glob
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPECIAL_PARAMETERS = frozenset("@*#?-$!0")
_DEEPEST = 64
"""Levels of `${a:-${b:-...}}`; a stack overflow is not an error message."""
LONGEST_GROWTH = 1 << 20
"""Characters a word may grow by. `ENV A=$A$A` repeated doubles the value with every line."""


class Expansion(Record):
    """A word after expansion.

    Attributes:
        text: the word, quotes and escapes removed (unless the mode keeps them).
        words: the same, split at unquoted blanks: those of the source and those that came in
            through an unquoted variable.
        used: names of variables that were looked up and are set.
        undefined: names that were looked up and are not set.
    """

    text: str
    words: tuple[str, ...]
    used: frozenset[str]
    undefined: frozenset[str]


class Mode(Record):
    """What expansion leaves in place.

    Attributes:
        escape: the escape character, backslash or backtick.
        keep_quotes: quotes stay in the result (their content is still protected).
        keep_escapes: escape characters stay in the result.
        quotes_are_text: quotes have no meaning at all (bodies of here-documents).
        keep_undefined: `$x` stays `$x` when x is not set.
    """

    escape: str = "\\"
    keep_quotes: bool = False
    keep_escapes: bool = False
    quotes_are_text: bool = False
    keep_undefined: bool = False


def process_word(word: str, env: Mapping[str, str], mode: Mode = Mode()) -> Expansion:  # noqa: B008
    """Expand the variables of word with the values of env.

    Raises DockerfileError for a malformed substitution, an unknown modifier, and
    `${name:?message}` of a variable that is not set.
    """
    if not _SIGNIFICANT.intersection(word) and mode.escape not in word:
        return Expansion(word, tuple(_split(word)), _NONE, _NONE)
    scanner = _Scanner(word, env, mode)
    try:
        text, words = scanner.until("", mode.keep_escapes)
    except _BadSubstitutionError as why:
        raise DockerfileError(
            f"failed to process {golang.quote(word)}: {why}", near=scanner.variable or word
        ) from None
    return Expansion(text, tuple(words), frozenset(scanner.used), frozenset(scanner.undefined))


def process_words(word: str, env: Mapping[str, str], mode: Mode = Mode()) -> tuple[str, ...]:  # noqa: B008
    """Expand and split at unquoted blanks. Raises as `process_word` does."""
    return process_word(word, env, mode).words


_SIGNIFICANT = frozenset("$'\"<")
_NONE: frozenset[str] = frozenset()


def _split(text: str) -> list[str]:
    words, current = [], ""
    for char in text:
        if char not in golang.SPACE:
            current += char
        elif current:
            words.append(current)
            current = ""
    return [*words, current] if current else words


class _BadSubstitutionError(Exception):
    """Why a word cannot be expanded."""


class _Words:
    """Collects words; text that was quoted or escaped is never a word's end."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._parts: list[str] = []

    def add(self, text: str) -> None:
        for char in text:
            if char not in golang.SPACE:
                self._parts.append(char)
            else:
                self._end()

    def add_whole(self, text: str) -> None:
        self._parts.append(text)

    def _end(self) -> None:
        word = "".join(self._parts)
        if word:
            self.words.append(word)
            self._parts.clear()

    def finish(self) -> list[str]:
        self._end()
        return self.words


class _Scanner:
    """Recursive descent over one word."""

    def __init__(self, source: str, env: Mapping[str, str], mode: Mode) -> None:
        self.source = source
        self.env = env
        self.mode = mode
        self.used: set[str] = set()
        self.undefined: set[str] = set()
        self.variable = ""
        self._position = 0
        self._depth = 0
        self._room = len(source) + LONGEST_GROWTH
        self._keep_escapes = mode.keep_escapes

    # Characters. "" stands for the end of the source.

    def _peek(self) -> str:
        return self.source[self._position : self._position + 1]

    def _next(self) -> str:
        char = self._peek()
        self._position += 1
        return char

    # Grammar.

    def until(self, stop: str, keep_escapes: bool) -> tuple[str, list[str]]:
        """Everything up to the stop character (consumed), or to the end when stop is ""."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _BadSubstitutionError(f"substitutions nested more than {_DEEPEST} deep")
        outer, self._keep_escapes = self._keep_escapes, keep_escapes
        out: list[str] = []
        words = _Words()
        while True:
            char = self._peek()
            if char == stop:
                self._next()
                break
            if not char:
                raise _BadSubstitutionError(
                    f"unexpected end of statement while looking for matching {stop}"
                )
            if char == "$":
                piece = self._variable()
                self._take_room(piece)
                words.add(piece)
            elif char == "'" and not self.mode.quotes_are_text:
                piece = self._single_quoted()
                words.add_whole(piece)
            elif char == '"' and not self.mode.quotes_are_text:
                piece = self._double_quoted()
                words.add_whole(piece)
            elif char == "<":
                piece = self._less_than()
                words.add_whole(piece)
            elif char == self.mode.escape:
                piece = self._escaped()
                words.add_whole(piece)
            else:
                piece = self._next()
                words.add(piece)
            out.append(piece)
        self._depth -= 1
        self._keep_escapes = outer
        return "".join(out), words.finish()

    def _take_room(self, piece: str) -> None:
        self._room -= len(piece)
        if self._room < 0:
            raise _BadSubstitutionError(f"the result is over {LONGEST_GROWTH} characters longer")

    def _escaped(self) -> str:
        """escape char: the character alone; an escape at the very end is dropped."""
        escape, char = self._next(), self._next()
        return escape + char if self._keep_escapes else char

    def _less_than(self) -> str:
        """`<<` keeps the blanks after it: they belong to a here-document's word."""
        start = self._position
        self._next()
        if self._peek() == "<":
            self._next()
            while self._peek() and self._peek() in "\t\r ":
                self._next()
        return self.source[start : self._position]

    def _single_quoted(self) -> str:
        start = self._position
        end = self.source.find("'", start + 1)
        if end < 0:
            raise _BadSubstitutionError(
                "unexpected end of statement while looking for matching single-quote"
            )
        self._position = end + 1
        return (
            self.source[start : end + 1] if self.mode.keep_quotes else self.source[start + 1 : end]
        )

    def _double_quoted(self) -> str:
        quote = self._next() if self.mode.keep_quotes else self._next() and ""
        out = [quote]
        while True:
            char = self._peek()
            if not char:
                raise _BadSubstitutionError(
                    "unexpected end of statement while looking for matching double-quote"
                )
            if char == '"':
                self._next()
                return "".join([*out, quote])
            if char == "$":
                piece = self._variable()
                self._take_room(piece)
                out.append(piece)
                continue
            self._next()
            if char == self.mode.escape:
                following = self._peek()
                if self._keep_escapes:
                    out.append(char)
                if not following:
                    continue
                if following in ('"', "$", self.mode.escape):
                    char = self._next()
                elif self._keep_escapes:
                    continue
            out.append(char)

    def _variable(self) -> str:
        start = self._position
        self._next()
        try:
            if self._peek() != "{":
                name = self._name()
                if not name:
                    return "$"
                value = self._value(name)
                return f"${name}" if value is None and self.mode.keep_undefined else value or ""
            self._next()
            return self._braced()
        except _BadSubstitutionError:
            if not self.variable:
                end = self.source.find("}", start)
                self.variable = self.source[start : end + 1 if end >= 0 else None]
            raise

    def _name(self) -> str:
        start = self._position
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._next()
        elif first and first in _SPECIAL_PARAMETERS:
            self._next()
        else:
            while (char := self._peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
                self._next()
        return self.source[start : self._position]

    def _value(self, name: str) -> str | None:
        value = self.env.get(name)
        (self.undefined if value is None else self.used).add(name)
        return value

    def _braced(self) -> str:
        """What follows `${`."""
        if not self._peek():
            raise _BadSubstitutionError("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise _BadSubstitutionError("syntax error: bad substitution")
        name = self._name()
        modifier = self._next()
        if modifier == "}":
            value = self._value(name)
            return f"${{{name}}}" if value is None and self.mode.keep_undefined else value or ""
        if modifier == "/":
            return self._replaced(name)
        colon = modifier == ":"
        if colon:
            modifier = self._next()
        if not modifier:
            raise _BadSubstitutionError("syntax error: missing '}'")
        if modifier in "#%" and not colon:
            return self._trimmed(name, modifier)
        if modifier not in "-+?":
            raise _BadSubstitutionError(
                f"unsupported modifier ({':' * colon}{modifier}) in substitution"
            )
        word = self._until_brace(keep_escapes=False)
        value = self._value(name)
        if value is None and self.mode.keep_undefined:
            return f"${{{name}{':' * colon}{modifier}{word}}}"
        absent = value is None or (colon and not value)
        if modifier == "+":
            return "" if absent else word
        if not absent:
            return value or ""
        if modifier == "-":
            return word
        state = "unset" if value is None else "empty"
        raise _BadSubstitutionError(f"{name}: {word or f'is not allowed to be {state}'}")

    def _until_brace(self, *, keep_escapes: bool) -> str:
        try:
            return self.until("}", keep_escapes)[0]
        except _BadSubstitutionError as why:
            if not self._peek() and "nested" not in str(why):
                raise _BadSubstitutionError("syntax error: missing '}'") from None
            raise

    def _trimmed(self, name: str, modifier: str) -> str:
        pattern = self._until_brace(keep_escapes=True)
        value = self._value(name)
        if value is None and self.mode.keep_undefined:
            return f"${{{name}{modifier}{pattern}}}"
        value = value or ""
        longest = pattern.startswith(modifier)
        if longest:
            pattern = pattern[1:]
        glob = _compile(pattern)
        if modifier == "#":
            end = glob.prefix_end(value, longest=longest)
            return value if end < 0 else value[end:]
        start = glob.suffix_start(value, longest=longest)
        return value if start < 0 else value[:start]

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self._next()
        try:
            pattern = self.until("/", True)[0]
        except _BadSubstitutionError:
            if not self._peek():
                raise _BadSubstitutionError("syntax error: missing '/' in ${}") from None
            raise
        replacement = self._until_brace(keep_escapes=True)
        value = self._value(name)
        if value is None and self.mode.keep_undefined:
            return f"${{{name}/{'/' * every}{pattern}/{replacement}}}"
        value = value or ""
        glob = _compile(pattern)
        if every and glob.count(value) * len(replacement) > self._room:
            raise _BadSubstitutionError(f"the result is over {LONGEST_GROWTH} characters longer")
        return glob.replace(value, replacement, every=every)


def _compile(pattern: str) -> Glob:
    try:
        return Glob(pattern)
    except ValueError as why:
        raise _BadSubstitutionError(f"invalid pattern ({pattern}) in substitution: {why}") from None
