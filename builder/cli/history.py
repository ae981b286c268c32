"""`pyoci-builder history`: how an image came to be, step by step."""

from __future__ import annotations

import json
import time

import click

from builder.cli.store_option import StoreOpener, store_option

_WIDTH = 60


@click.command("history", short_help="Show the steps that an image was made by.")
@click.argument("image")
@click.option("--no-trunc", is_flag=True, help="Do not shorten anything.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.option("--platform", metavar="OS/ARCH", help="Which image of an index; else this machine's.")
@store_option
def command(
    image: str, no_trunc: bool, form: str, platform: str | None, store_root: str | None
) -> None:
    """Show the history of IMAGE, newest step first.

    The history is the image's own word. SIZE is that of the step's layer as it is stored.
    """
    from builder.image import Image
    from builder.images.history import history_of
    from builder.images.locate import locate
    from builder.images.platform_option import chosen_platform
    from builder.images.text import age_text, shortened, size_text, table

    wanted = chosen_platform(platform)
    with StoreOpener(store_root) as store:
        located = locate(image, store)
        entries = history_of(Image.load(located.layout, located.descriptor, wanted))
    if form == "json":
        click.echo(json.dumps([entry.to_json() for entry in entries], indent=2))
        return
    now = time.time()
    rows = [("LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT")]
    for entry in entries:
        digest = entry.layer.digest if entry.layer else None
        size = size_text(entry.layer.size) if entry.layer else "0B"
        if no_trunc:
            row = (digest or "-", entry.created, entry.created_by, size, entry.comment)
        else:
            made = shortened(entry.created_by, _WIDTH)
            short = digest.short if digest else "-"
            row = (short, age_text(entry.created, now), made, size, entry.comment)
        rows.append(row)
    click.echo(table(rows), nl=False)
