"""Draws the help of the program and of each command from the table, with click."""

from __future__ import annotations

import click

from pyoci.cli.parse import find_command
from pyoci.cli.table import BOOL, COMMANDS, GLOBAL_FLAGS, LIST, Command, Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

_WIDTH = 96


def run(
    invocation: Invocation,
    settings: Settings,  # noqa: ARG001
    options: dict[str, Any],  # noqa: ARG001
    arguments: list[str],
) -> int:
    """Write the help of a command, of the program when none is named."""
    invocation.write(command_help(find_command(arguments[0])) if arguments else program_help())
    return 0


def program_help() -> str:
    """Give the help of ``pyoci`` itself."""
    group = _Program(
        "pyoci",
        help="Run OCI containers: low-level runtime for podman, Docker, containerd and Kubernetes.",
        params=[_option(flag) for flag in GLOBAL_FLAGS],
        add_help_option=False,
        subcommand_metavar="COMMAND [ARGUMENT…]",
        epilog="pyoci COMMAND --help tells about a command.",
    )
    for command in COMMANDS.values():
        group.add_command(
            click.Command(command.name, short_help=command.summary, hidden=command.hidden)
        )
    context = click.Context(group, info_name="pyoci", max_content_width=_WIDTH)
    return group.get_help(context) + "\n"


def command_help(command: Command) -> str:
    """Give the help of one command."""
    drawn = click.Command(
        command.name,
        help=command.summary,
        params=[_option(flag) for flag in command.flags],
        add_help_option=False,
        options_metavar="[OPTIONS]",
    )
    drawn.params += [_Arguments(command.arguments)] if command.arguments else []
    program = click.Context(click.Group("pyoci"), info_name="pyoci")
    context = click.Context(drawn, info_name=command.name, parent=program, max_content_width=_WIDTH)
    return drawn.get_help(context) + "\n"


class _Program(click.Group):
    """The program; its commands are listed in the table's order, that of a container's life."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)


class _Arguments(click.Argument):
    """The positional arguments, written in the usage line as the table has them."""

    def __init__(self, text: str) -> None:
        super().__init__(["arguments"], metavar=text, required=True)


def _option(flag: Flag) -> click.Option:
    names = [f"--{flag.name}"] + ([f"-{flag.short}"] if flag.short else [])
    return click.Option(
        names,
        is_flag=flag.kind == BOOL,
        multiple=flag.kind == LIST,
        metavar=flag.argument or None,
        help=flag.help,
        hidden=flag.hidden,
        expose_value=False,
    )
