"""`pyoci-builder tag`: give an image another name."""

from __future__ import annotations

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("tag", short_help="Give an image another name.")
@click.argument("image")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@store_option
def command(image: str, names: tuple[str, ...], store_root: str | None) -> None:
    """Give IMAGE the names NAME in the store.

    IMAGE is a name or digest in the store, or an image layout DIR[:TAG], which is copied to the
    store with its signatures.
    """
    from builder.images.listing import tag_image

    with StoreOpener(store_root) as store:
        for name in names:
            click.echo(tag_image(store(), image, name))
