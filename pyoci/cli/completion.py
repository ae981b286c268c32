"""``pyoci completion SHELL``: what a shell needs to complete command lines, from the table."""

from __future__ import annotations

from pyoci.cli.table import BOOL, COMMANDS, GLOBAL_FLAGS, Command, Flag
from pyoci.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyoci.invocation import Invocation, Settings

_BASH = """\
# bash completion for pyoci
_pyoci()
{{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command= flags= valued='{valued}' ids= i
    local -a given=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ "|$valued|" == *"|${{COMP_WORDS[i]}}|"* ]]; then
            given+=("${{COMP_WORDS[i]}}" "${{COMP_WORDS[i + 1]}}")
            ((i++))
        elif [[ ${{COMP_WORDS[i]}} == -* ]]; then
            given+=("${{COMP_WORDS[i]}}")
        else
            command=${{COMP_WORDS[i]}}
            break
        fi
    done
    COMPREPLY=()
    case $command in
        '')
            flags='{flags}'
            [[ $word == -* ]] || flags='{commands}'
            ;;
{cases}
        *) return ;;
    esac
    case "$command $before" in
{choices}
    esac
    # Files, which readline completes by itself.
    [[ "|$valued|" == *"|$before|"* ]] && return
    if [[ $command && $word != -* ]]; then
        [[ $ids ]] || return
        flags=$(pyoci "${{given[@]}}" list --quiet 2>/dev/null)
    fi
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
}}
complete -o default -F _pyoci pyoci
"""

_ZSH = """\
#compdef pyoci
_pyoci_ids() {{
    compadd -- ${{(f)"$(pyoci list --quiet 2>/dev/null)"}}
}}
_pyoci() {{
    local context state state_descr line
    typeset -A opt_args
    _arguments -S -C \\
{flags}
        '1:command:->command' \\
        '*::argument:->argument'
    case $state in
        command)
            local -a commands=(
{commands}
            )
            _describe command commands
            ;;
        argument)
            case $line[1] in
{cases}
            esac
            ;;
    esac
}}
_pyoci "$@"
"""

_FISH = """\
# fish completion for pyoci
complete -c pyoci -f
"""


_NEW_IDS = ("create", "run", "restore")


def run(
    invocation: Invocation,
    settings: Settings,  # noqa: ARG001
    options: dict[str, Any],  # noqa: ARG001
    arguments: list[str],
) -> int:
    """Write the script of a shell."""
    script = SHELLS.get(arguments[0])
    if script is None:
        raise UsageError(
            f"no completion for the shell {arguments[0]!r}",
            subject=arguments[0],
            hint=" or ".join(SHELLS),
        )
    invocation.write(script())
    return 0


def _commands() -> list[Command]:
    return [command for command in COMMANDS.values() if not command.hidden]


def _visible(flags: tuple[Flag, ...]) -> list[Flag]:
    return [flag for flag in flags if not flag.hidden]


def _names(flag: Flag) -> list[str]:
    return [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]


def _choices(flag: Flag) -> list[str]:
    """Give the values of a flag that takes one of a few words."""
    values = flag.argument.split("|")
    return values if len(values) > 1 and flag.argument == flag.argument.lower() else []


def _takes_id(command: Command) -> bool:
    """Say whether a command wants the ID of a container that exists."""
    return command.arguments.startswith("ID") and command.name not in _NEW_IDS


def bash() -> str:
    """Give the script for bash."""

    def valued(flags: list[Flag]) -> str:
        return "|".join(name for flag in flags if flag.kind != BOOL for name in _names(flag))

    def words(flags: list[Flag]) -> str:
        return " ".join(f"--{flag.name}" for flag in flags)

    cases = []
    choices = []

    def choose(command: str, flags: list[Flag]) -> None:
        for flag in flags:
            if _choices(flag):
                patterns = "|".join(f'"{command} {name}"' for name in _names(flag))
                values = " ".join(_choices(flag))
                choices.append(
                    f"        {patterns})\n"
                    f"            COMPREPLY=($(compgen -W '{values}' -- \"$word\"))\n"
                    f"            return\n            ;;"
                )

    choose("", _visible(GLOBAL_FLAGS))
    for command in _commands():
        flags = _visible(command.flags)
        ids = " ids=1" if _takes_id(command) else ""
        cases.append(
            f"        {command.name}) flags='{words(flags)}' valued='{valued(flags)}'{ids} ;;"
        )
        choose(command.name, flags)
    return _BASH.format(
        valued=valued(_visible(GLOBAL_FLAGS)),
        flags=words(_visible(GLOBAL_FLAGS)),
        commands=" ".join(command.name for command in _commands()),
        cases="\n".join(cases),
        choices="\n".join(choices),
    )


def zsh() -> str:
    """Give the script for zsh, to be called ``_pyoci``."""

    def quoted(text: str) -> str:
        for character in "\\[]:":
            text = text.replace(character, f"\\{character}")
        return text.replace("'", "'\\''")

    def argument(flag: Flag) -> str:
        if flag.kind == BOOL:
            return ""
        chosen = _choices(flag)
        return f":{quoted(flag.argument)}:" + (f"({' '.join(chosen)})" if chosen else "_files")

    def specs(flags: tuple[Flag, ...], indent: str) -> str:
        return "\n".join(
            f"{indent}'{'*' if flag.kind == 'list' else ''}{name}"
            f"[{quoted(flag.help)}]{argument(flag)}' \\"
            for flag in _visible(flags)
            for name in _names(flag)
        )

    cases = []
    for command in _commands():
        indent = " " * 20
        rest = "'*:argument:_files'"
        positional = f"'1:ID:_pyoci_ids' {rest}" if _takes_id(command) else rest
        cases.append(
            f"                {command.name})\n                    _arguments -S \\\n"
            f"{specs(command.flags, indent + '    ')}\n{indent}    {positional}\n{indent};;"
        )
    return _ZSH.format(
        flags=specs(GLOBAL_FLAGS, " " * 8),
        commands="\n".join(
            f"                '{command.name}:{quoted(command.summary)}'" for command in _commands()
        ),
        cases="\n".join(cases),
    )


def fish() -> str:
    """Give the script for fish."""

    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def line(condition: str, flag: Flag) -> str:
        short = f" -s {flag.short}" if flag.short else ""
        takes = ""
        if flag.kind != BOOL:
            chosen = _choices(flag)
            takes = f" -x -a {quoted(' '.join(chosen))}" if chosen else " -r -F"
        names = f"-l {flag.name}{short}"
        return f"complete -c pyoci -n {condition} {names}{takes} -d {quoted(flag.help)}"

    lines = [line("__fish_use_subcommand", flag) for flag in _visible(GLOBAL_FLAGS)]
    for command in _commands():
        lines.append(
            f"complete -c pyoci -n __fish_use_subcommand -a {command.name} "
            f"-d {quoted(command.summary)}"
        )
        condition = quoted(f"__fish_seen_subcommand_from {command.name}")
        if _takes_id(command):
            lines.append(f"complete -c pyoci -n {condition} -a '(pyoci list --quiet 2>/dev/null)'")
        lines += [line(condition, flag) for flag in _visible(command.flags)]
    return _FISH + "\n".join(lines) + "\n"


SHELLS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
