"""`pyoci-builder unpack`: an image becomes a bundle that a runtime can run."""

from __future__ import annotations

import os

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command(
    "unpack",
    short_help="Make a bundle of an image, to run it.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("image")
@click.argument("bundle")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("--hostname", metavar="NAME", help="Of the container; else the bundle's name.")
@click.option("-t", "--terminal", is_flag=True, help="Give the process a terminal.")
@click.option("--host-network", is_flag=True, help="Use the host's network.")
@click.option("--read-only", is_flag=True, help="Make the root file system read-only.")
@click.option("--rootless", is_flag=True, help="To be run without privileges, by one user.")
@click.option("--platform", metavar="OS/ARCH", help="Which image of an index; else this machine's.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
@store_option
def command(
    image: str,
    bundle: str,
    args: tuple[str, ...],
    hostname: str | None,
    terminal: bool,
    host_network: bool,
    read_only: bool,
    rootless: bool,
    platform: str | None,
    quiet: bool,
    store_root: str | None,
) -> None:
    """Unpack IMAGE to the directory BUNDLE, with a config.json that follows the image's own.

    ARGS replace the image's default command. Every layer is verified on the way. Run the bundle
    with `pyoci run -b BUNDLE ID`. Each volume of the image is a directory BUNDLE/volumes/N.
    """
    from builder.image import Image
    from builder.images.bundle_config import Choices
    from builder.images.locate import locate
    from builder.images.platform_option import chosen_platform
    from builder.images.unpack import default_hostname, unpack

    choices = Choices(
        args=args,
        hostname=hostname or default_hostname(bundle),
        terminal=terminal,
        host_network=host_network,
        readonly=read_only,
        rootless=(os.geteuid(), os.getegid()) if rootless else None,
    )
    wanted = chosen_platform(platform)
    with StoreOpener(store_root) as store:
        located = locate(image, store)
        loaded = Image.load(located.layout, located.descriptor, wanted)
        progress = None if quiet else lambda text: click.echo(f"unpacking {text}", err=True)
        unpack(loaded, bundle, choices, progress)
    if not quiet:
        click.echo(f"{bundle}: {loaded.descriptor.digest}, run it with: pyoci run -b {bundle} ID")
