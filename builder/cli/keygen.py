"""`pyoci-builder keygen`: make a key pair to sign images with."""

from __future__ import annotations

import os

import click

from builder.signing.password import password_source


@click.command("keygen", short_help="Make a key pair to sign images with.")
@click.option(
    "-o",
    "--output",
    "prefix",
    default="pyoci-builder",
    show_default=True,
    metavar="PREFIX",
    help="Write PREFIX.key and PREFIX.pub.",
)
@click.option(
    "--password-file",
    metavar="FILE",
    help="Read the password from the file instead of $PYOCI_BUILDER_PASSWORD or the terminal.",
)
def command(prefix: str, password_file: str | None) -> None:
    """Make an ECDSA P-256 key pair.

    The private key is encrypted with a password, in the format that cosign, skopeo and podman read
    too. Existing files are never overwritten.
    """
    from builder.signing.keys import write_key_pair

    password = password_source(os.environ, password_file, confirm=True)()
    private, public = write_key_pair(prefix, password)
    click.echo(f"private key: {private} (keep it secret)")
    click.echo(f"public key:  {public} (give it to whoever verifies)")
