"""`pyoci-builder pull`: images from registries into the store."""

from __future__ import annotations

import click

from builder.cli.registry_options import transfer_options, transferring
from builder.cli.store_option import StoreOpener, store_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command("pull", short_help="Get images from registries.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--platform", "platforms", multiple=True, metavar="OS/ARCH", help="Else this machine's."
)
@click.option("-a", "--all-platforms", is_flag=True, help="Everything that an index has.")
@transfer_options
@store_option
def command(
    names: tuple[str, ...],
    platforms: tuple[str, ...],
    all_platforms: bool,
    store_root: str | None,
    **given: Any,
) -> None:
    """Pull the images NAME, with their signatures, into the store.

    NAME is [HOST[:PORT]/]PATH[:TAG][@DIGEST]; short names mean Docker Hub's. Blobs that are in the
    store are not downloaded again; every byte is held against its digest and size. Prints the
    digests.
    """
    from builder.images.platform_option import chosen_platform
    from builder.registry.pull import EVERY_PLATFORM
    from builder.registry.reference import Reference
    from builder.registry.store_images import pull_image

    references = [Reference.parse(name) for name in names]
    chosen = [chosen_platform(text) for text in platforms] or [None]
    wanted = EVERY_PLATFORM if all_platforms else chosen
    with StoreOpener(store_root) as store, transferring(given) as (options, display):
        pulled = [
            pull_image(store(), reference, options, display, wanted) for reference in references
        ]
    for one in pulled:
        if not given["quiet"]:
            what = "unchanged" if one.is_unchanged else "pulled"
            click.echo(f"{one.name}: {what}", err=True)
        click.echo(one.descriptor.digest)
