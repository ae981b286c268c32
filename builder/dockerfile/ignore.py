"""`.dockerignore`: which files of a context are left out; also COPY --exclude.

    line     = blank | "#" comment | ["!"] pattern
    pattern  = filepath.Match, where "**" stands for any number of directories

The last matching pattern decides; "!" brings files back; a pattern that matches a directory covers
everything below it; patterns are anchored at the root of the context (unlike .gitignore's).
https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import re

from builder.dockerfile import golang, wildcard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_SPECIAL = frozenset("*?[]\\")


class Pattern:
    """One pattern. `text` is its cleaned form without `!`."""

    def __init__(self, text: str, *, is_exception: bool) -> None:
        """Raises ValueError for a pattern that cannot be understood."""
        wildcard.compiled(text, deep=False)
        self.text = text
        self.is_exception = is_exception
        self._match = _matcher(text)

    def matches(self, path: str) -> bool:
        """Whether the pattern matches exactly this path."""
        return self._match(path)

    def could_match_below(self, directory: str) -> bool:
        """Whether some path below the directory can match; may err towards True."""
        wanted = self.text.split("/")
        for i, part in enumerate(directory.split("/")):
            if i >= len(wanted):
                return False
            if "**" in wanted[i] or "[" in wanted[i]:
                return True
            if not wildcard.match(wanted[i], part):
                return False
        return True


class IgnoreRules:
    """Compiled patterns.

    Attributes:
        patterns: as text, in order, `!` included.
        has_exceptions: whether any begins with `!`.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Compile patterns. Raises ValueError naming the one that is wrong."""
        self._patterns: list[Pattern] = []
        self._directories: dict[str, tuple[bool, ...]] = {}
        for text in patterns:
            pattern = text.strip(golang.SPACE)
            if not pattern:
                continue
            pattern = golang.clean_path(pattern)
            is_exception = pattern.startswith("!")
            if pattern == "!":
                raise ValueError('illegal exclusion pattern: "!"')
            self._patterns.append(Pattern(pattern.removeprefix("!"), is_exception=is_exception))
        self.has_exceptions = any(pattern.is_exception for pattern in self._patterns)
        self.patterns: Sequence[str] = tuple(
            "!" * pattern.is_exception + pattern.text for pattern in self._patterns
        )

    @classmethod
    def parse(cls, text: bytes | str) -> IgnoreRules:
        """Read the content of a `.dockerignore`.

        Raises ValueError naming the pattern that is wrong.
        """
        return cls(read_patterns(text))

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def matches(self, path: str) -> bool:
        """Whether a path (relative to the context, with slashes) is left out."""
        ignored = False
        parent, slash, _ = path.rpartition("/")
        by_parent = self._matched(parent) if slash else None
        for i, pattern in enumerate(self._patterns):
            if pattern.is_exception == ignored and (
                (by_parent and by_parent[i]) or pattern.matches(path)
            ):
                ignored = not pattern.is_exception
        return ignored

    def _matched(self, directory: str) -> tuple[bool, ...]:
        """For each pattern, whether it matches the directory or one above it."""
        found = self._directories.get(directory)
        if found is None:
            parent, slash, _ = directory.rpartition("/")
            above = self._matched(parent) if slash else (False,) * len(self._patterns)
            found = tuple(
                known or pattern.matches(directory) for known, pattern in zip(above, self._patterns)
            )
            self._directories[directory] = found
        return found

    def may_contain_included(self, directory: str) -> bool:
        """Whether a walk must look into a directory: something below may not be left out.

        True for every directory that is not ignored; for an ignored one when a later `!` pattern
        could match below it.
        """
        if not self.matches(directory):
            return True
        return any(
            pattern.is_exception and pattern.could_match_below(directory)
            for pattern in self._patterns
        )


def read_patterns(text: bytes | str) -> list[str]:
    """The patterns of a `.dockerignore`, cleaned; comments and blank lines left out."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if line.startswith("#"):
            continue
        pattern = line.strip(golang.SPACE)
        is_exception = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip(golang.SPACE)
        if pattern:
            pattern = golang.clean_path(pattern)
            if len(pattern) > 1:
                pattern = pattern.removeprefix("/")
        if pattern or is_exception:
            patterns.append("!" * is_exception + pattern)
    return patterns


def _matcher(text: str) -> Callable[[str], bool]:
    """How to match a pattern: by comparison where that is enough.

    `**` differs from a shell's in three ways that files rely on: `dir/**` does not match `dir`
    itself, `**name` matches whatever ends in name, `pre**` whatever begins with pre.
    """
    if not _SPECIAL.intersection(text):
        return text.__eq__
    if text.startswith("**") and not _SPECIAL.intersection(text[2:]):
        suffix = text[2:]
        bare = suffix.removeprefix("/") if suffix.startswith("/") else None
        return lambda path: path.endswith(suffix) or path == bare
    if text.endswith("**") and not _SPECIAL.intersection(text[:-2]):
        prefix = text[:-2]
        return lambda path: path.startswith(prefix)
    if re.search(r"[^/]\*\*", text.replace("\\*", "\\")):
        expression = re.compile(_loose_expression(text), re.DOTALL)
    else:
        expression = wildcard.compiled(text, deep=True)
    return lambda path: expression.fullmatch(path) is not None


def _loose_expression(text: str) -> str:
    """A pattern with `**` in the middle of a component: `a**b` matches `ab` and `ax/y/b`."""
    out = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "*" and text.startswith("*", position):
            position += 1
            position += text.startswith("/", position)
            out += ".*" if position == len(text) else "(?:.*/)?"
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[":
            members, position = wildcard.class_expression(text, position)
            out += members
        elif char == "\\" and position < len(text):
            out += re.escape(text[position])
            position += 1
        else:
            out += re.escape(char)
    return out
