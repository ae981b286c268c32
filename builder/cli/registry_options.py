"""Options of every command that speaks to a registry."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

import click

from builder.cli.interruption import stopping_on_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from builder.execute.cancel import Cancellation
    from builder.progress import Display
    from builder.registry.options import Options

_OPTIONS = (
    click.option("--authfile", metavar="FILE", help="Where credentials are kept."),
    click.option(
        "--creds",
        metavar="NAME[:PASSWORD]",
        help="Credentials for this command alone; the password is better left to be asked for.",
    ),
    click.option("--cert-dir", metavar="DIR", help="Further certificates (*.crt, *.cert, *.key)."),
    click.option(
        "--tls-verify",
        type=bool,
        default=True,
        metavar="BOOL",
        help="Check the registry's certificate [default: true].",
    ),
    click.option("--plain-http", is_flag=True, help="Speak to the registry without TLS."),
)


def registry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; `options_of` reads them out of its keywords."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def transfer_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that transfers blobs its options, too."""
    command = click.option(
        "--progress",
        type=click.Choice(["auto", "plain", "tty", "quiet"]),
        default="auto",
        help="How progress is shown.",
    )(command)
    command = click.option(
        "--jobs", type=click.IntRange(1, 64), default=4, metavar="N", help="Blobs at once."
    )(command)
    command = click.option("-q", "--quiet", is_flag=True, help="Print results only.")(command)
    return registry_options(command)


def chunk_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that pushes its option."""
    return click.option(
        "--chunk-size",
        type=click.IntRange(0, 65536),
        default=0,
        metavar="MIB",
        help="Send blobs in pieces of this size, where something on the way limits requests.",
    )(command)


def options_of(given: dict[str, Any], cancellation: Cancellation | None = None) -> Options:
    """What the command line says about registries. Raises click.UsageError."""
    from builder.registry.credential_program import Credentials
    from builder.registry.options import Options

    credentials = None
    if given.get("creds"):
        name, colon, password = given["creds"].partition(":")
        if not colon:
            password = click.prompt("Password", hide_input=True, err=True)
        credentials = Credentials(name, password, source="--creds")
    return Options(
        environ=os.environ,
        authfile=given.get("authfile"),
        credentials=credentials,
        plain_http=bool(given.get("plain_http")),
        tls_verify=given.get("tls_verify", True),
        cert_dir=given.get("cert_dir"),
        jobs=given.get("jobs", 4),
        chunk_size=given.get("chunk_size", 0) << 20,
        cancellation=cancellation,
        warn=lambda text: click.echo(text, err=True),
    )


@contextmanager
def transferring(given: dict[str, Any]) -> Iterator[tuple[Options, Display]]:
    """The options and the display of a command that transfers blobs, until it ends or is stopped.

    Raises click.UsageError.
    """
    from builder.progress import new_display

    with stopping_on_signals() as cancellation:
        options = options_of(given, cancellation)
        kind = "quiet" if given.get("quiet") else given.get("progress", "auto")
        display = new_display(kind, sys.stderr, os.environ)
        try:
            yield options, display
        finally:
            display.close()
