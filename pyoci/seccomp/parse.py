"""A profile from config.json as rules: names, an encoded action, comparisons of arguments.

Everything that can be wrong with a profile by itself is found here, and named by its JSON pointer.
"""

from __future__ import annotations

from pyoci.errors import SeccompError
from pyoci.seccomp.tables import (
    ACTIONS,
    ARCHITECTURES,
    EPERM,
    ERRNO,
    NOTIFY,
    OPERATORS,
    TRACE,
    Architecture,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POINTER = "/linux/seccomp"
MAX_ERRNO = 4095  # include/linux/err.h; the kernel cuts larger ones down to it
_U64 = (1 << 64) - 1

# What the container's init still calls between loading the filter and the agent's having its
# listener: if these waited for the agent, both would wait for ever.
_NEEDED_BY_THE_LISTENER = ("capset", "close", "prctl", "sendmsg", "write")


class Comparison:
    """One element of ``args``: a comparison of one argument with 64-bit constants.

    ``operator`` is the profile's without its prefix; ``mask`` is all ones but for MASKED_EQ.
    """

    __slots__ = ("index", "mask", "operator", "value")

    def __init__(self, index: int, operator: str, value: int, mask: int = _U64) -> None:
        self.index = index
        self.operator = operator
        self.mask = mask
        # As libseccomp has it: bits outside the mask count in neither operand.
        self.value = value & mask

    def key(self) -> tuple[int, str, int, int]:
        """Give what makes two comparisons the same."""
        return self.index, self.operator, self.value, self.mask


class Rule:
    """One alternative: an action for system calls by name, when all its comparisons hold."""

    __slots__ = ("action", "comparisons", "names", "pointer")

    def __init__(
        self, names: list[str], action: int, comparisons: tuple[Comparison, ...], pointer: str
    ) -> None:
        self.names = names
        self.action = action
        self.comparisons = comparisons
        self.pointer = pointer


class Profile:
    """A checked profile; ``rules`` are in its order, without those that change nothing.

    ``names`` are all system calls that it speaks of, those of dropped rules too: what its author
    knew of.
    """

    __slots__ = ("architectures", "default", "names", "notify", "rules")

    def __init__(
        self,
        default: int,
        architectures: list[Architecture],
        rules: list[Rule],
        names: set[str],
        *,
        notify: bool,
    ) -> None:
        self.default = default
        self.architectures = architectures
        self.rules = rules
        self.names = names
        self.notify = notify


def parse_profile(profile: dict[str, Any]) -> Profile:
    """Check a ``linux.seccomp`` object and give its rules.

    Raises SeccompError with the JSON pointer of what is wrong.
    """
    default = _action(profile, "defaultAction", "defaultErrnoRet", POINTER)
    if default == NOTIFY:
        raise _error(
            "SCMP_ACT_NOTIFY cannot be the default action",
            f"{POINTER}/defaultAction",
            "name the system calls that the agent shall decide on in syscalls",
        )
    rules: list[Rule] = []
    names: set[str] = set()
    notify = False
    for index, entry in enumerate(_list(profile, "syscalls", POINTER)):
        pointer = f"{POINTER}/syscalls/{index}"
        if type(entry) is not dict:
            raise _error("the rule is no object", pointer, "give names and action")
        action = _action(entry, "action", "errnoRet", pointer)
        rule_names = _names(entry, pointer)
        if action == NOTIFY:
            notify = True
            _check_notify(rule_names, pointer)
        names.update(rule_names)
        alternatives = _alternatives(entry, pointer)
        # A rule that says what holds anyway is no rule: it must not compete with the others.
        if action != default:
            rules += (Rule(rule_names, action, each, pointer) for each in alternatives)
    if notify and not profile.get("listenerPath"):
        raise _error(
            "SCMP_ACT_NOTIFY is used, but there is no listenerPath",
            f"{POINTER}/listenerPath",
            "set it to the socket of the agent that decides",
        )
    return Profile(default, _architectures(profile), rules, names, notify=notify)


def _action(owner: dict[str, Any], member: str, errno_member: str, pointer: str) -> int:
    name = owner.get(member)
    action = ACTIONS.get(name) if type(name) is str else None
    if action is None:
        wrong = "is missing" if name is None else f"{name!r} is unknown"
        raise _error(
            f"the action {wrong}", f"{pointer}/{member}", f"use one of {', '.join(ACTIONS)}"
        )
    number = owner.get(errno_member)
    where = f"{pointer}/{errno_member}"
    if action not in (ERRNO, TRACE):
        if number is not None:
            raise _error(
                f"{errno_member} has no meaning for {name}",
                where,
                "leave it out: it is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE",
            )
        return action
    if number is None:
        return action | EPERM
    limit = MAX_ERRNO if action == ERRNO else 0xFFFF
    return action | _integer(number, limit, where)


def _names(entry: dict[str, Any], pointer: str) -> list[str]:
    names = entry.get("names")
    if type(names) is not list or not names:
        raise _error(
            "the rule names no system call", f"{pointer}/names", "give a list of at least one name"
        )
    for index, name in enumerate(names):
        if type(name) is not str or not name:
            raise _error(
                f"{name!r} is no name of a system call",
                f"{pointer}/names/{index}",
                "give names as in the kernel's tables, such as openat",
            )
    return names


def _check_notify(names: list[str], pointer: str) -> None:
    for index, name in enumerate(names):
        if name in _NEEDED_BY_THE_LISTENER:
            raise _error(
                f"SCMP_ACT_NOTIFY cannot be used for {name}: the runtime calls it before the agent "
                "has its listener",
                f"{pointer}/names/{index}",
                "leave it out of this rule",
            )


def _alternatives(entry: dict[str, Any], pointer: str) -> list[tuple[Comparison, ...]]:
    comparisons = [
        _comparison(argument, f"{pointer}/args/{index}")
        for index, argument in enumerate(_list(entry, "args", pointer))
    ]
    if len({each.index for each in comparisons}) == len(comparisons):
        return [tuple(comparisons)]
    # Two comparisons of one argument mean "or", and then all of the rule's do: what runc and crun
    # made of it before libseccomp could express anything else, and profiles rely on.
    return [(each,) for each in comparisons]


def _comparison(argument: Any, pointer: str) -> Comparison:
    if type(argument) is not dict:
        raise _error("the argument is no object", pointer, "give index, value and op")
    operator = argument.get("op")
    if operator not in OPERATORS:
        wrong = "is missing" if operator is None else f"{operator!r} is unknown"
        raise _error(f"the operator {wrong}", f"{pointer}/op", f"use one of {', '.join(OPERATORS)}")
    index = _integer(argument.get("index"), 5, f"{pointer}/index")
    value = _integer(argument.get("value"), _U64, f"{pointer}/value")
    second = argument.get("valueTwo")
    second = 0 if second is None else _integer(second, _U64, f"{pointer}/valueTwo")
    operator = operator.removeprefix("SCMP_CMP_")
    if operator == "MASKED_EQ":
        return Comparison(index, operator, second, mask=value)
    return Comparison(index, operator, value)


def _architectures(profile: dict[str, Any]) -> list[Architecture]:
    found = []
    for index, name in enumerate(_list(profile, "architectures", POINTER)):
        architecture = ARCHITECTURES.get(name) if type(name) is str else None
        if architecture is None:
            raise _error(
                f"the architecture {name!r} is unknown",
                f"{POINTER}/architectures/{index}",
                f"use one of {', '.join(ARCHITECTURES)}",
            )
        if architecture not in found:
            found.append(architecture)
    return found


def _list(owner: dict[str, Any], member: str, pointer: str) -> list[Any]:
    value = owner.get(member)
    if value is None:
        return []
    if type(value) is not list:
        raise _error(f"{member} is no list", f"{pointer}/{member}", "give a JSON array")
    return value


def _integer(value: Any, limit: int, pointer: str) -> int:
    # bool is an int to isinstance, and true is no number to JSON.
    if type(value) is not int or not 0 <= value <= limit:
        wrong = "is missing" if value is None else f"is {value!r}"
        raise _error(f"a number {wrong}", pointer, f"give a whole number from 0 to {limit}")
    return value


def _error(message: str, pointer: str, hint: str) -> SeccompError:
    return SeccompError(f"{pointer}: {message}", subject=pointer, hint=hint)
