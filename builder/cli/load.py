"""`pyoci-builder load`: the images of an archive into the store."""

from __future__ import annotations

import sys

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("load", short_help="Read images from an archive.")
@click.option("-i", "--input", "path", metavar="FILE", default="-", help="Else standard input.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
@store_option
def command(path: str, quiet: bool, store_root: str | None) -> None:
    """Load all images of an archive into the store, under the names they have in it.

    It may be what `docker save`, `podman save`, skopeo or `pyoci-builder save` wrote, compressed or
    not. Every blob is held against its digest.
    """
    from builder.archives import read_archive
    from builder.signing.storage import enter
    from builder.transport.source import open_archive_file, take_accessories

    if path == "-" and sys.stdin.isatty():
        raise click.UsageError("no archive on standard input: name a file with -i")
    what = "standard input" if path == "-" else path
    lines = []
    with StoreOpener(store_root) as store:
        layout = store().layout
        with open_archive_file(path) as file:
            images, accessories = read_archive(file, layout, what)
        for image in images:
            lines += [
                f"Loaded image: {store().tag(name, image.descriptor)}" for name in image.names
            ]
            if not image.names:
                enter(layout, image.descriptor)
                lines.append(f"Loaded image ID: {image.descriptor.digest}")
        take_accessories(layout, accessories)
    if not quiet:
        click.echo("\n".join(lines))
