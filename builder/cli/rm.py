"""`pyoci-builder rm`: take images out of the store."""

from __future__ import annotations

import click

from builder.cli.store_option import StoreOpener, store_option
from builder.errors import BuilderError


@click.command("rm", short_help="Remove images from the store.")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@store_option
def command(images: tuple[str, ...], store_root: str | None) -> None:
    """Take away the names IMAGE; a digest stands for all names it has.

    What no name leads to any more is deleted by `pyoci-builder prune`.
    """
    from builder.images.listing import remove_image

    failures: list[BuilderError] = []
    with StoreOpener(store_root) as store:
        for image in images:
            try:
                for name in remove_image(store(), image):
                    click.echo(f"removed {name}")
            except BuilderError as error:
                failures.append(error)
    for failure in failures[:-1]:
        click.echo(f"pyoci-builder: {failure}", err=True)
    if failures:
        raise failures[-1]
