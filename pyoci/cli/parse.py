"""Reads command lines as Go's flag package does, because engines write them for it.

``--flag=value``, ``--flag value``, ``-flag value`` and ``-f value`` are the same; a flag without
argument may be given one (``--flag=false``); ``--`` ends the flags. One thing differs from
argument parsers for people: ``-ab`` is one flag of two letters.
"""

from __future__ import annotations

from pyoci.cli.table import BOOL, COMMANDS, LIST, NUMBER, Command, Flag
from pyoci.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# strconv.ParseBool of Go.
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def parse_flags(
    flags: tuple[Flag, ...], words: list[str], *, interleaved: bool, command: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Split words into options and positional arguments.

    With ``interleaved`` flags may follow positional arguments (``kill ID --all``); without, the
    first positional argument ends them: what follows belongs to somebody else's command line.

    Raises UsageError.
    """
    options: dict[str, Any] = {}
    arguments: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            arguments += words[index:]
            break
        if word[:1] != "-" or word == "-" or (arguments and word[1:].isdigit()):
            arguments.append(word)
            if interleaved:
                continue
            arguments += words[index:]
            break
        name, equals, value = word[2 if word[1] == "-" else 1 :].partition("=")
        flag = _find(flags, name, word, command)
        if flag.kind == BOOL:
            options[flag.key] = _boolean(flag, value) if equals else True
            continue
        if not equals:
            if index == len(words):
                raise UsageError(
                    f"flag needs an argument: --{flag.name}",
                    subject=f"--{flag.name}",
                    hint=f"--{flag.name} {flag.argument}",
                )
            value = words[index]
            index += 1
        if flag.kind == LIST:
            options.setdefault(flag.key, []).append(value)
        else:
            options[flag.key] = _number(flag, value) if flag.kind == NUMBER else value
    return options, arguments


def find_command(name: str) -> Command:
    """Give a command of the table; raises UsageError with the nearest name."""
    command = COMMANDS.get(name)
    if command is None:
        from pyoci.cli.suggest import nearest

        meant = nearest(name, list(COMMANDS))
        raise UsageError(
            f"unknown command {name!r}",
            subject=name,
            hint=f"did you mean {meant!r}?" if meant else "pyoci --help lists the commands",
        )
    return command


def check_arguments(command: Command, arguments: list[str]) -> None:
    """Raise UsageError unless a command has as many positional arguments as it takes."""
    count = len(arguments)
    if count < command.minimum or (command.maximum is not None and count > command.maximum):
        if command.minimum == command.maximum:
            rule = f"exactly {command.minimum} argument(s)"
        elif count < command.minimum:
            rule = f"a minimum of {command.minimum} argument(s)"
        else:
            rule = f"a maximum of {command.maximum} argument(s)"
        raise UsageError(
            f'"pyoci {command.name}" requires {rule}',
            hint=f"pyoci {command.name} {command.arguments}".rstrip(),
        )


def _find(flags: tuple[Flag, ...], name: str, word: str, command: str | None) -> Flag:
    for flag in flags:
        if name and name in (flag.name, flag.short):
            return flag
    from pyoci.cli.suggest import flag_hint

    raise UsageError(
        f"flag provided but not defined: {word.partition('=')[0]}",
        subject=word.partition("=")[0],
        hint=flag_hint(flags, name, command),
    )


def _boolean(flag: Flag, value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise UsageError(
        f"invalid boolean value {value!r} for --{flag.name}",
        subject=f"--{flag.name}",
        hint="true or false",
    )


def _number(flag: Flag, value: str) -> int:
    digits = value[1:] if value[:1] == "-" else value
    # int() alone would take other scripts' digits, spaces and underscores.
    if digits.isascii() and digits.isdigit() and len(digits) < 19:
        return int(value)
    raise UsageError(
        f"invalid value {value!r} for flag --{flag.name}",
        subject=f"--{flag.name}",
        hint="it takes a decimal number",
    )
