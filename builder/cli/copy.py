"""`pyoci-builder copy`: an image from one place to another."""

from __future__ import annotations

import click

from builder.cli.registry_options import chunk_option, transfer_options, transferring
from builder.cli.store_option import StoreOpener, store_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command("copy", short_help="Copy an image between registries, layouts and archives.")
@click.argument("source")
@click.argument("destination")
@click.option(
    "--platform", "platforms", multiple=True, metavar="OS/ARCH", help="Of an index, these images."
)
@click.option("-a", "--all", "everything", is_flag=True, help="Of an index, all images.")
@click.option("--no-signatures", is_flag=True, help="Leave signatures behind.")
@chunk_option
@transfer_options
@store_option
def command(
    source: str,
    destination: str,
    platforms: tuple[str, ...],
    everything: bool,
    no_signatures: bool,
    store_root: str | None,
    **given: Any,
) -> None:
    """Copy an image from SOURCE to DESTINATION, digest for digest, with its signatures.

    \b
    docker://HOST/PATH:TAG      a registry
    oci:DIR[:TAG], ./DIR, /DIR  an image layout
    oci-archive:FILE[:TAG]      a layout in a tar; - is standard input or output
    docker-archive:FILE[:NAME]  what `docker save` writes and `docker load` reads
    NAME                        the store

    Of an index the image for this machine is copied, unless --all or --platform say otherwise.
    """
    from builder.images.platform_option import chosen_platform
    from builder.registry.pull import EVERY_PLATFORM
    from builder.transport.copy import copy_image
    from builder.transport.place import parse_place

    places = parse_place(source), parse_place(destination)
    chosen = [chosen_platform(text) for text in platforms] or [None]
    wanted = EVERY_PLATFORM if everything else chosen
    with StoreOpener(store_root) as store, transferring(given) as (options, display):
        digest = copy_image(*places, store, options, display, wanted, signatures=not no_signatures)
    click.echo(digest, err=places[1].path == "-")
