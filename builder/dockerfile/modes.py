"""`--chmod`: an octal number up to 07777, or a symbolic mode as chmod(1) reads it.

    symbolic = clause { "," clause }
    clause   = { "u" | "g" | "o" | "a" } action { action }
    action   = ("+" | "-" | "=") { "r" | "w" | "x" | "X" | "s" | "t" | "u" | "g" | "o" }

The grammar is BSD's setmode(3), with umask 0.
"""

from __future__ import annotations

from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.record import Record

_SETUID, _SETGID, _STICKY = 0o4000, 0o2000, 0o1000
_USER, _GROUP, _OTHER = 0o700, 0o070, 0o007
_WHO = {
    "u": _SETUID | _USER,
    "g": _SETGID | _GROUP,
    "o": _OTHER,
    "a": _SETUID | _SETGID | _USER | _GROUP | _OTHER,
}
_PERMISSIONS = {"r": 0o444, "w": 0o222, "x": 0o111}
_SHIFTS = {"u": 6, "g": 3, "o": 0}


class _Action(Record):
    """One step of a symbolic mode: on the bits of `who`, `operator` applies `bits`.

    `bits` are literal; `copied` is the class ("u", "g", "o") whose bits are copied instead;
    `conditional` is the X of `+X`.
    """

    operator: str
    who: int
    bits: int = 0
    copied: str = ""
    conditional: bool = False


class FileMode(Record):
    """A parsed `--chmod`: `octal`, or the actions of a symbolic mode."""

    text: str
    octal: int | None
    actions: tuple[_Action, ...] = ()

    def apply(self, mode: int, *, is_directory: bool) -> int:
        """The permission bits (07777) that a file of the given mode gets."""
        if self.octal is not None:
            return self.octal
        before = mode = mode & 0o7777
        for action in self.actions:
            mode = _apply(action, mode, before, is_directory=is_directory)
        return mode


def parse_mode(text: str) -> FileMode:
    """Parse the value of `--chmod`. Raises DockerfileError."""
    if text[:1].isdigit():
        if text.strip("01234567") or len(text) > 16 or int(text, 8) > 0o7777:
            raise DockerfileError(
                f"invalid chmod parameter: '{text}'."
                " it should be octal string and between 0 and 07777",
                near=text,
            )
        return FileMode(text, int(text, 8))
    actions = []
    for clause in text.split(","):
        rest = clause.lstrip("ugoa")
        who = 0
        for letter in clause[: len(clause) - len(rest)]:
            who |= _WHO[letter]
        if not rest:
            raise _bad(text)
        while rest:
            operator, rest = rest[0], rest[1:]
            if operator not in "+-=":
                raise _bad(text)
            permissions = rest[: len(rest) - len(rest.lstrip("rwxXstugo"))]
            rest = rest[len(permissions) :]
            actions += _actions(operator, who, permissions)
    return FileMode(text, None, tuple(actions))


def _bad(text: str) -> DockerfileError:
    return DockerfileError(
        "invalid syntax",
        near=f"--chmod={text}",
        hint="write an octal mode (0644) or a symbolic one (u=rwX,go=rX)",
    )


def _actions(operator: str, who: int, permissions: str) -> list[_Action]:
    """The steps of one action; a copied class acts where it stands among the letters."""
    others_only = who != 0 and not who & ~_OTHER
    scope = who or _WHO["a"]
    actions: list[_Action] = []
    bits = 0
    conditional = False
    for letter in permissions:
        if letter in _SHIFTS:
            actions += _literal(operator, scope, bits, conditional)
            actions.append(_Action(operator, scope, copied=letter))
            bits, conditional = 0, False
        elif letter in _PERMISSIONS:
            bits |= _PERMISSIONS[letter]
        elif letter == "X" and operator == "-":
            bits |= 0o111
        elif letter == "X":
            conditional = True
        elif letter == "s" and not others_only:
            bits |= _SETUID | _SETGID
        elif letter == "t" and not others_only:
            bits |= _STICKY
            scope |= _STICKY
    if operator == "=" and not actions and not bits:
        actions.append(_Action("=", scope))
    return actions + _literal(operator, scope, bits, conditional)


def _literal(operator: str, scope: int, bits: int, conditional: bool) -> list[_Action]:
    actions = [_Action(operator, scope, bits & scope)] if bits else []
    if conditional:
        actions.append(_Action("+", scope, 0o111 & scope, conditional=True))
    return actions


def _apply(action: _Action, mode: int, before: int, *, is_directory: bool) -> int:
    bits = action.bits
    if action.conditional and not (is_directory or before & 0o111):
        return mode
    if action.copied:
        triplet = mode >> _SHIFTS[action.copied] & 0o7
        bits = triplet * 0o111 & action.who
    if action.operator == "-":
        return mode & ~bits
    if action.operator == "=":
        mode &= ~(action.who & (0o777 if action.copied else 0o7777))
    return mode | bits
