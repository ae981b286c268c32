"""`pyoci-builder sign`: sign an image by its digest."""

from __future__ import annotations

import os

import click

from builder.cli.store_option import StoreOpener, store_option
from builder.signing.password import password_source


@click.command("sign", short_help="Sign an image by its digest.")
@click.argument("image")
@click.option("--key", "key_file", required=True, metavar="FILE", help="The private key.")
@click.option(
    "--reference",
    metavar="NAME",
    help="The name to sign the image as, when it is not the one it has here.",
)
@click.option(
    "--password-file",
    metavar="FILE",
    help="Read the password from the file instead of $PYOCI_BUILDER_PASSWORD or the terminal.",
)
@store_option
def command(
    image: str,
    key_file: str,
    reference: str | None,
    password_file: str | None,
    store_root: str | None,
) -> None:
    """Sign IMAGE: a name or digest in the store, or an image layout DIR[:TAG].

    The signature is stored beside the image, as cosign does. Signatures by other keys stay;
    signing again with the same key changes nothing.
    """
    from builder.images.locate import locate
    from builder.signing import load_private_key, sign_image

    with StoreOpener(store_root) as store:
        located = locate(image, store)
        key = load_private_key(key_file, password_source(os.environ, password_file))
        name = reference or located.reference
        signed = sign_image(located.layout, located.descriptor, key, name)
        if not store.is_open:
            located.layout.tidy()  # somebody's directory: nothing but the layout stays in it
    done = "signed already by this key" if signed.already else "signed"
    shown = f" as {signed.payload.reference}" if signed.payload.reference else ""
    click.echo(f"{signed.payload.digest} {done}{shown}")
