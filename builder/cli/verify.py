"""`pyoci-builder verify`: an image's signature and every byte of it."""

from __future__ import annotations

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("verify", short_help="Verify an image's signature and all its blobs.")
@click.argument("image")
@click.option(
    "--key",
    "key_files",
    required=True,
    multiple=True,
    metavar="FILE",
    help="A public key; with several, a signature by any of them will do.",
)
@click.option(
    "--reference",
    metavar="NAME",
    help="Accept only a signature that was made for this name.",
)
@store_option
def command(
    image: str, key_files: tuple[str, ...], reference: str | None, store_root: str | None
) -> None:
    """Verify IMAGE: a name or digest in the store, or an image layout DIR[:TAG].

    The signature must be by the key and for the digest of the manifest that is here; the manifest,
    the config and every layer must have the digests and sizes by which they are referred to. The
    exit status is 1 when anything of this does not hold.
    """
    from builder.images.check import check_image
    from builder.images.locate import locate
    from builder.images.text import printable, size_text
    from builder.signing import load_public_key, verify_image

    keys = [load_public_key(path) for path in key_files]
    with StoreOpener(store_root) as store:
        located = locate(image, store)
        verified = verify_image(located.layout, located.descriptor, keys, reference)
        blobs = check_image(located.layout, located.descriptor)
    click.echo(f"{printable(located.shown)}: verified {located.descriptor.digest}")
    for one in verified:
        name = printable(one.payload.reference) or "no name"
        click.echo(f"  signature   by {one.key.name} ({one.key.algorithm}), made for {name}")
    for blob in blobs:
        size = size_text(blob.descriptor.size)
        click.echo(f"  {blob.role:<11} {blob.descriptor.digest} {size}")
