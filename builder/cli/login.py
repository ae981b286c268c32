"""`pyoci-builder login`: credentials for a registry, tried and kept."""

from __future__ import annotations

import os
import sys

import click

from builder.cli.registry_options import options_of, registry_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST_PASSWORD = 64 << 10


@click.command("login", short_help="Keep credentials for a registry.")
@click.argument("host", metavar="[HOST]", default="docker.io")
@click.option("-u", "--username", metavar="NAME", help="Else it is asked for.")
@click.option("-p", "--password", metavar="TEXT", help="Visible to others: better be asked for it.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@registry_options
def command(
    host: str,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    **given: Any,
) -> None:
    """Log in to the registry HOST, by default Docker Hub, and keep the credentials.

    They are tried first. They are kept where the Docker client keeps them, in a credential program
    when its configuration names one, or in --authfile.
    """
    from builder.registry.connection import Connection
    from builder.registry.credential_changes import remember
    from builder.registry.credential_program import Credentials
    from builder.registry.reference import Reference

    if password is not None and password_stdin:
        raise click.UsageError("--password and --password-stdin exclude each other")
    if password_stdin and not username:
        raise click.UsageError("--password-stdin needs --username")
    reference = Reference.of_host(host)
    if not username:
        username = click.prompt("Username", err=True)
    if password_stdin:
        password = sys.stdin.read(_LONGEST_PASSWORD).rstrip("\r\n")
    if password is None:
        password = click.prompt("Password", hide_input=True, err=True)
    if not password:
        raise click.UsageError("the password is empty")
    credentials = Credentials(username or "", password, source="the command line")
    options = options_of(given).replace(credentials=credentials)
    with Connection(reference.host, reference.api_host, options) as connection:
        connection.request(
            "GET",
            connection.url(""),
            f"logging in to {reference.host}",
            scopes=(),
            expected=(200,),
        ).close()
    place = remember(reference.host, credentials, os.environ, given.get("authfile"))
    click.echo(f"logged in to {reference.host} as {username}, kept in {place}")
