"""Rules for JSON values: what a member of config.json may be, as data.

A rule is a pair: the function that checks a value, and what it needs to know for that. `shapes` is
built of them. The functions raise Fault; where the value stands is found out only then, while the
exception passes through the objects and arrays around it, so that a right configuration pays for
no pointers.

Members that are null are taken out: null is the same as absent (as in the Go types that engines
write config.json from), and what reads the configuration later need not know of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    Notes = list[str]
    Rule = tuple[Callable[[Any, Any, Notes], None], Any]

U16 = (0, (1 << 16) - 1)
U32 = (0, (1 << 32) - 1)
U64 = (0, (1 << 64) - 1)
I64 = (-(1 << 63), (1 << 63) - 1)
# -1 is "unlimited"; other negative numbers mean nothing.
LIMIT = (-1, (1 << 63) - 1)
# 4294967295 is "do not change" to setresuid(2): the program would keep the runtime's user.
ID = (0, (1 << 32) - 2)


class Fault(Exception):  # noqa: N818 -- `check` turns it into a SpecError
    """A value that breaks a rule; ``path`` leads to it, innermost member first."""

    def __init__(self, message: str, hint: str | None = None, *path: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = list(path)

    def pointer(self, start: str = "") -> str:
        """Give the JSON pointer (RFC 6901) of the value, below ``start``."""
        steps = [step.replace("~", "~0").replace("/", "~1") for step in reversed(self.path)]
        return start + "".join(f"/{step}" for step in steps)


class Shape:
    """What an object may hold.

    ``members`` are the rules by name; ``required`` the names that have to be there; ``whole``
    checks what concerns several members, after each of them has passed.
    """

    __slots__ = ("members", "required", "whole")

    def __init__(
        self,
        members: dict[str, Rule],
        required: tuple[str, ...] = (),
        whole: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.members = members
        self.required = required
        self.whole = whole


def object_of(value: Any, shape: Shape, notes: Notes) -> None:
    """Check an object; the names of members that the shape does not know go to ``notes``."""
    if type(value) is not dict:
        raise Fault(f"must be an object, not {kind(value)}")
    for name in shape.required:
        if value.get(name) is None:
            raise Fault("is missing", None, name)
    members = shape.members
    nulls = False
    name = ""
    try:
        for name, member in value.items():
            if member is None:
                nulls = True
            elif (rule := members.get(name)) is not None:
                rule[0](member, rule[1], notes)
            else:
                notes.append(name)
    except Fault as fault:
        fault.path.append(name)
        raise
    if nulls:
        drop_nulls(value)
    if shape.whole is not None:
        shape.whole(value)


def list_of(value: Any, rule: Rule, notes: Notes) -> None:
    """Check an array whose items follow one rule."""
    if type(value) is not list:
        raise Fault(f"must be an array, not {kind(value)}")
    function, argument = rule
    passed = 0
    try:
        for item in value:
            function(item, argument, notes)
            passed += 1
    except Fault as fault:
        fault.path.append(str(passed))
        raise


def map_of(value: Any, rule: Rule, notes: Notes) -> None:
    """Check an object with free member names, whose values follow one rule."""
    if type(value) is not dict:
        raise Fault(f"must be an object, not {kind(value)}")
    function, argument = rule
    nulls = False
    name = ""
    try:
        for name, member in value.items():
            if not name or "\0" in name:
                raise Fault("the member's name is empty or holds a NUL character")
            if member is None:
                nulls = True
            else:
                function(member, argument, notes)
    except Fault as fault:
        fault.path.append(name)
        raise
    if nulls:
        drop_nulls(value)


def drop_nulls(value: dict[str, Any]) -> None:
    """Take the null members out of an object."""
    for name in [name for name, member in value.items() if member is None]:
        del value[name]


def text(value: Any, _: object, notes: Notes) -> None:  # noqa: ARG001
    """Check a string; NUL cannot be said to the kernel."""
    if type(value) is not str:
        raise Fault(f"must be a string, not {kind(value)}")
    if "\0" in value:
        raise Fault(f"{kind(value)} holds a NUL character", "remove it")


def texts(value: Any, _: object, notes: Notes) -> None:
    """Check an array of strings."""
    if type(value) is not list:
        raise Fault(f"must be an array of strings, not {kind(value)}")
    try:
        if "\0" not in "".join(value):
            return
    except TypeError:
        pass
    list_of(value, (text, None), notes)


def absolute(value: Any, _: object, notes: Notes) -> None:
    """Check an absolute path."""
    text(value, None, notes)
    if not value.startswith("/"):
        raise Fault(f"must be an absolute path, not {kind(value)}", "begin it with /")


def absolutes(value: Any, _: object, notes: Notes) -> None:
    """Check an array of absolute paths."""
    list_of(value, (absolute, None), notes)


def optional_absolute(value: Any, _: object, notes: Notes) -> None:
    """Check an absolute path; the empty string is none at all."""
    if value != "":
        absolute(value, None, notes)


def boolean(value: Any, _: object, notes: Notes) -> None:  # noqa: ARG001
    """Check for true or false."""
    if value is not True and value is not False:
        raise Fault(f"must be true or false, not {kind(value)}")


def integer(value: Any, bounds: tuple[int, int], notes: Notes) -> None:  # noqa: ARG001
    """Check an integer; ``bounds`` are its least and greatest values."""
    if type(value) is not int:
        raise Fault(f"must be an integer, not {kind(value)}")
    if not bounds[0] <= value <= bounds[1]:
        raise Fault(f"must be an integer from {bounds[0]} to {bounds[1]}, not {value:.0f}")


def word(value: Any, words: Collection[str], notes: Notes) -> None:
    """Check for one of a few words."""
    text(value, None, notes)
    if value not in words:
        raise Fault(f"{kind(value)} is unknown", one_of(value, words))


def optional_word(value: Any, words: Collection[str], notes: Notes) -> None:
    """Check for one of a few words; the empty string is none at all."""
    if value != "":
        word(value, words, notes)


def words(value: Any, known: Collection[str], notes: Notes) -> None:
    """Check an array of known words."""
    list_of(value, (word, known), notes)


def anything(value: Any, _: object, notes: Notes) -> None:
    """Accept a value that this runtime does not look at (other platforms' objects)."""


def refused(value: Any, why: str, notes: Notes) -> None:  # noqa: ARG001
    """Refuse a property that cannot be applied, unless it is empty (runtime.md, Create)."""
    if value:
        raise Fault(f"cannot be applied: {why}", "remove it from the configuration")


def one_of(value: str, known: Collection[str]) -> str:
    """Give the hint for a word that is not known."""
    from pyoci.spec.suggest import did_you_mean

    return did_you_mean(value, known) or f"one of {', '.join(sorted(known))}"


def kind(value: object) -> str:
    """Say what a value is, for messages: its type, and the value itself if it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= 60 else f"{value[:57]}..."
        return '"' + "".join(c if c.isprintable() else "?" for c in shown) + '"'
    if isinstance(value, int | float):
        return f"{value:.17g}" if isinstance(value, float) else f"{value}"[:40]
    return "an array" if isinstance(value, list) else "an object"
