"""`pyoci-builder logout`: forget a registry's credentials."""

from __future__ import annotations

import os

import click


@click.command("logout", short_help="Forget the credentials for a registry.")
@click.argument("host", metavar="[HOST]", default="docker.io")
@click.option("--authfile", metavar="FILE", help="Where credentials are kept.")
def command(host: str, authfile: str | None) -> None:
    """Remove the credentials for the registry HOST, by default Docker Hub, from all places."""
    from builder.registry.credential_changes import forget
    from builder.registry.reference import Reference

    reference = Reference.of_host(host)
    places = forget(reference.host, os.environ, authfile)
    if places:
        click.echo(f"logged out of {reference.host}: removed from {', '.join(places)}")
    else:
        click.echo(f"not logged in to {reference.host}")
