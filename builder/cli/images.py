"""`pyoci-builder images`: the images of the store."""

from __future__ import annotations

import json
import time

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("images", short_help="List the images of the store.")
@click.option("-q", "--quiet", is_flag=True, help="Print names only.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.option("--no-trunc", is_flag=True, help="Do not shorten names and digests.")
@store_option
def command(quiet: bool, form: str, no_trunc: bool, store_root: str | None) -> None:
    """List the images of the store by name."""
    from builder.images.listing import list_images
    from builder.images.text import age_text, printable, size_text, table

    with StoreOpener(store_root) as store:
        listed = list_images(store())
    if quiet:
        for row in listed:
            click.echo(row.name)
        return
    if form == "json":
        click.echo(json.dumps([row.to_json() for row in listed], indent=2))
        return
    now = time.time()
    rows = [("NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE", "SIGNATURES")]
    for row in listed:
        name = row.name if no_trunc else familiar(row.name)
        digest = row.descriptor.digest if no_trunc else row.descriptor.digest.short
        if row.fault:
            rows.append((name, digest, "damaged", "", "", ""))
            continue
        platforms = printable(", ".join(row.platforms))
        created = row.created if no_trunc else age_text(row.created, now)
        rows.append((name, digest, platforms, created, size_text(row.size), str(row.signatures)))
    click.echo(table(rows), nl=False)
    for row in listed:
        if row.fault:
            click.echo(f"{familiar(row.name)}: {row.fault}", err=True)


def familiar(name: str) -> str:
    """A full name in the short form that means the same."""
    return name.removeprefix("docker.io/").removeprefix("library/")
