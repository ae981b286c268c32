"""Options of the commands that read a Dockerfile."""

from __future__ import annotations

import os
import sys

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LARGEST_STDIN = 16 << 20

dockerfile_option: Callable[[Any], Any] = click.option(
    "-f",
    "--file",
    "dockerfile",
    default="",
    metavar="FILE",
    help="The Dockerfile, - for standard input [default: CONTEXT/Dockerfile].",
)
build_args_option: Callable[[Any], Any] = click.option(
    "--build-arg", "build_args", multiple=True, metavar="K[=V]", help="Value of an ARG."
)


def read_standard_input() -> bytes:
    """A Dockerfile. Raises click.UsageError."""
    data = sys.stdin.buffer.read(_LARGEST_STDIN + 1)
    if len(data) > _LARGEST_STDIN:
        raise click.UsageError(f"the Dockerfile has more than {_LARGEST_STDIN} bytes")
    return data


def read_build_args(texts: tuple[str, ...]) -> dict[str, str]:
    """Values by name; a bare name takes the environment's, when it is set there.

    Raises click.UsageError.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise click.UsageError(f"--build-arg {text!r} has no name")
        if equals:
            values[name] = value
        elif name in os.environ:
            values[name] = os.environ[name]
    return values
