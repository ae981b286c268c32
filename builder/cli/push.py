"""`pyoci-builder push`: an image of the store or a layout into a registry."""

from __future__ import annotations

import click

from builder.cli.output_file import write_text
from builder.cli.registry_options import chunk_option, transfer_options, transferring
from builder.cli.store_option import StoreOpener, store_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command("push", short_help="Put an image into a registry.")
@click.argument("image")
@click.argument("destination", metavar="[NAME]", required=False)
@click.option("--platform", metavar="OS/ARCH", help="Of an index, this image alone.")
@click.option("--no-signatures", is_flag=True, help="Leave signatures behind.")
@click.option("--no-referrers", is_flag=True, help="Push signatures as a tag only.")
@click.option("--digestfile", metavar="FILE", help="Write the digest to a file.")
@chunk_option
@transfer_options
@store_option
def command(
    image: str,
    destination: str | None,
    platform: str | None,
    no_signatures: bool,
    no_referrers: bool,
    digestfile: str | None,
    store_root: str | None,
    **given: Any,
) -> None:
    """Push IMAGE, with its signatures, under the name NAME, by default its own.

    IMAGE is a name or digest in the store, or an image layout DIR[:TAG]. What the registry has is
    not sent; blobs that another of its repositories has are linked from there. Signatures go under
    the tag that cosign looks for and as referrers. Prints the digest.
    """
    from builder.contents import is_index
    from builder.errors import InvalidReferenceError
    from builder.image import choose_manifest
    from builder.images.locate import locate
    from builder.images.platform_option import chosen_platform
    from builder.registry.reference import Reference
    from builder.registry.store_images import push_local

    with StoreOpener(store_root) as store:
        located = locate(image, store)
        name = destination or located.reference
        if name is None:
            raise InvalidReferenceError(
                f"pushing {image}: it has no name here", hint="name where to: push IMAGE NAME"
            )
        reference = Reference.parse(name)
        descriptor = located.descriptor
        if platform is not None and is_index(descriptor):
            data = located.layout.read(descriptor)
            descriptor = choose_manifest(data, descriptor, chosen_platform(platform))
        with transferring(given) as (options, display):
            count = push_local(
                located.layout,
                descriptor,
                reference,
                options,
                display,
                origins=store().origins if store.is_open else None,
                signatures=not no_signatures,
                as_referrers=not no_referrers,
            )
    if digestfile:
        write_text(digestfile, descriptor.digest)
    if not given["quiet"]:
        signed = f", {count} signature{'s' if count != 1 else ''}" if count else ""
        click.echo(f"{reference}: pushed{signed}", err=True)
    click.echo(descriptor.digest)
