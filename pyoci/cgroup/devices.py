"""Device rules (linux.resources.devices): the defaults, and what an ordered list comes down to.

The spec's list is ordered allow and deny rules of which the last that matches decides, for each of
r, w and m by itself, from "nothing allowed". A v1 device cgroup knows only "all but these" or "none
but these" (Documentation/admin-guide/cgroup-v1/devices.rst), systemd only the latter, so
`DeviceList` works out that form, and says when a list has none. v2 needs none of this: see
`device_bpf`.
"""

from __future__ import annotations

from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Key = tuple[str, int | None, int | None]
    Fields = tuple[bool, tuple[str, ...], Key, str]

POINTER = "/linux/resources/devices"
ANY = None
KINDS = ("b", "c")

# (type, major, minor, access): what every container may use whatever its list says, as in runc.
DEFAULT_DEVICES = (
    ("c", ANY, ANY, "m"),  # mknod of any device does not let it be opened
    ("b", ANY, ANY, "m"),
    ("c", 1, 3, "rwm"),  # null
    ("c", 1, 5, "rwm"),  # zero
    ("c", 1, 7, "rwm"),  # full
    ("c", 1, 8, "rwm"),  # random
    ("c", 1, 9, "rwm"),  # urandom
    ("c", 5, 0, "rwm"),  # tty
    ("c", 5, 2, "rwm"),  # ptmx
    ("c", 136, ANY, "rwm"),  # pts/*
)


def default_device_rules() -> list[dict[str, Any]]:
    """Give the rules that runc adds after those of the spec: null, zero, …, ptmx, mknod of any."""
    rules: list[dict[str, Any]] = []
    for kind, major, minor, access in DEFAULT_DEVICES:
        rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        if major is not ANY:
            rule["major"] = major
        if minor is not ANY:
            rule["minor"] = minor
        rules.append(rule)
    return rules


def effective_device_rules(resources: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the whole list for a container: its own rules, then the defaults."""
    return [*(resources.get("devices") or []), *default_device_rules()]


def rule_fields(rule: dict[str, Any], index: int) -> Fields:
    """Check a rule; give (allow, device types, key, access).

    Unset type is all types; unset or -1 major and minor are all numbers; unset access is rwm, an
    empty one nothing. Raises CgroupError with the rule's JSON pointer.
    """
    kind = rule.get("type") or "a"
    access = rule.get("access")
    access = "rwm" if access is None else access
    if kind not in ("a", "b", "c", "u") or set(access) - set("rwm"):
        raise CgroupError(
            f"{POINTER}/{index}: type {kind!r} must be one of a b c, access {access!r} of r w m",
            subject=f"{POINTER}/{index}",
        )
    kinds = KINDS if kind == "a" else ("c" if kind == "u" else kind,)
    numbers: list[int | None] = []
    for name in ("major", "minor"):
        number = rule.get(name)
        if number is None or number == -1:
            numbers.append(ANY)
        elif 0 <= number < 1 << 32:
            numbers.append(number)
        else:
            raise CgroupError(
                f"{POINTER}/{index}/{name} {number} is no device number",
                subject=f"{POINTER}/{index}/{name}",
            )
    return bool(rule.get("allow")), kinds, (kind, numbers[0], numbers[1]), access


class DeviceList:
    """A default answer and the exceptions from it: (type, major, minor) -> access letters.

    Raises CgroupError for a list that has no such form.
    """

    __slots__ = ("default", "exceptions")

    def __init__(self, rules: list[dict[str, Any]]) -> None:
        self.default = False
        self.exceptions: dict[Key, str] = {}
        fields = [rule_fields(rule, index) for index, rule in enumerate(rules)]
        if not self._follow(fields):
            self._divide(fields)
        self._complete()

    def _follow(self, fields: list[Fields]) -> bool:
        """Apply the rules one after the other; false when one makes a hole in an earlier one."""
        for allow, kinds, (_, major, minor), access in fields:
            if len(kinds) > 1 and major is ANY and minor is ANY and len(set(access)) == 3:
                self.default = allow
                self.exceptions.clear()
                continue
            for kind in kinds:
                key = (kind, major, minor)
                if allow != self.default:
                    self._add(key, access)
                elif not self._take(key, access):
                    return False
        return True

    def _add(self, key: Key, access: str) -> None:
        known = self.exceptions.get(key, "")
        both = "".join(letter for letter in "rwm" if letter in access + known)
        if both:
            self.exceptions[key] = both

    def _take(self, key: Key, access: str) -> bool:
        """Take access from the exceptions inside ``key``; false when one reaches out of it."""
        for other in list(self.exceptions):
            if not _overlap(key, other) or not set(self.exceptions[other]) & set(access):
                continue
            if not _covers(key, other):
                return False
            left = "".join(letter for letter in self.exceptions[other] if letter not in access)
            if left:
                self.exceptions[other] = left
            else:
                del self.exceptions[other]
        return True

    def _divide(self, fields: list[Fields]) -> None:
        """Find the form of any list that has one: look at every number that a rule names.

        All other numbers are alike: they are the number ANY of the tables here.
        """
        problem: tuple[str, Key] | None = None
        for default in (False, True):
            self.default = default
            self.exceptions = {}
            problem = None
            for kind in KINDS:
                for letter in "rwm":
                    hole = self._cover(kind, letter, fields)
                    problem = problem or (hole and (letter, hole))
            if problem is None:
                return
        assert problem is not None
        raise CgroupError(
            f"{POINTER} allows and denies {problem[0]} for parts of a wildcard, at "
            f"{_text(problem[1])}: neither a v1 device cgroup nor systemd can express that",
            subject=POINTER,
            hint="list the devices one by one instead of a wildcard, or use cgroup v2",
        )

    def _cover(self, kind: str, letter: str, fields: list[Fields]) -> Key | None:
        """Make exceptions for one type and letter; give the key that none can be made for."""
        rules = [
            (allow, key[1], key[2])
            for allow, kinds, key, access in fields
            if kind in kinds and letter in access
        ]
        majors = {ANY, *(major for _, major, _ in rules)}
        minors = {ANY, *(minor for _, _, minor in rules)}
        marked = {
            (major, minor)
            for major in majors
            for minor in minors
            if _last(rules, major, minor) != self.default
        }
        if len(marked) == len(majors) * len(minors):
            self._add((kind, ANY, ANY), letter)
            return None
        rows = {major for major in majors if all((major, minor) in marked for minor in minors)}
        columns = {minor for minor in minors if all((major, minor) in marked for major in majors)}
        # The row or column of the number ANY would be the whole table, which is not marked.
        if ANY in rows or ANY in columns:
            return (kind, ANY, ANY)
        for major in rows:
            self._add((kind, major, ANY), letter)
        for minor in columns:
            self._add((kind, ANY, minor), letter)
        for major, minor in marked:
            if major in rows or minor in columns:
                continue
            if major is ANY or minor is ANY:
                return (kind, major, minor)
            self._add((kind, major, minor), letter)
        return None

    def _complete(self) -> None:
        """Let a narrow exception say all that is allowed: v1 wants all letters in a single one."""
        if self.default:
            return
        wide = [key for key in self.exceptions if ANY in key]
        for outer in wide:
            for key in self.exceptions:
                if key != outer and _covers(outer, key):
                    self._add(key, self.exceptions[outer])

    def writes(self) -> list[tuple[str, str]]:
        """Give (file, content) in order, for a v1 device cgroup."""
        if self.default:
            first, file = ("devices.allow", "a"), "devices.deny"
        else:
            first, file = ("devices.deny", "a"), "devices.allow"
        return [
            first,
            *((file, f"{_text(key)} {access}") for key, access in self.exceptions.items()),
        ]


def transition(old: DeviceList, new: DeviceList) -> list[tuple[str, str]]:
    """Give the writes that make one list of a v1 device cgroup the other.

    As few as possible, and so ordered that what both lists allow is allowed all the time. Between
    "all but these" and "none but these" there is no such way: that begins with all or nothing.
    """
    if old.default != new.default:
        return new.writes()
    add, take = (
        ("devices.deny", "devices.allow") if new.default else ("devices.allow", "devices.deny")
    )
    adding = [
        (add, f"{_text(key)} {more}")
        for key, access in new.exceptions.items()
        if (more := _without(access, old.exceptions.get(key, "")))
    ]
    taking = [
        (take, f"{_text(key)} {less}")
        for key, access in old.exceptions.items()
        if (less := _without(access, new.exceptions.get(key, "")))
    ]
    return [*taking, *adding] if new.default else [*adding, *taking]


def _without(letters: str, others: str) -> str:
    return "".join(letter for letter in letters if letter not in others)


def _last(rules: list[tuple[bool, int | None, int | None]], major: Any, minor: Any) -> bool:
    """Give the answer of the last rule that matches a device."""
    for allow, its_major, its_minor in reversed(rules):
        if its_major in (ANY, major) and its_minor in (ANY, minor):
            return allow
    return False


def _covers(outer: Key, inner: Key) -> bool:
    return outer[0] == inner[0] and outer[1] in (ANY, inner[1]) and outer[2] in (ANY, inner[2])


def _overlap(one: Key, two: Key) -> bool:
    return (
        one[0] == two[0]
        and (one[1] is ANY or two[1] is ANY or one[1] == two[1])
        and (one[2] is ANY or two[2] is ANY or one[2] == two[2])
    )


def _text(key: Key) -> str:
    kind, major, minor = key
    return f"{kind} {'*' if major is ANY else major}:{'*' if minor is ANY else minor}"
