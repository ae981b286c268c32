"""`pyoci-builder save`: images of the store in one file."""

from __future__ import annotations

import sys

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("save", short_help="Write images to an archive.")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", default="-", help="Else standard output.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["docker-archive", "oci-archive"]),
    default="docker-archive",
    show_default=True,
    help="The first is both in one file.",
)
@click.option("--platform", metavar="OS/ARCH", help="Of an index, this image alone.")
@store_option
def command(
    images: tuple[str, ...], output: str, form: str, platform: str | None, store_root: str | None
) -> None:
    """Write the images IMAGE, with their signatures, to an archive.

    `docker load`, `podman load`, skopeo and `pyoci-builder load` read it. The same images give the
    same bytes.
    """
    from builder.archives import write_archive
    from builder.contents import is_index
    from builder.image import choose_manifest
    from builder.images.locate import locate
    from builder.images.platform_option import chosen_platform
    from builder.transport.target import archive_sink, unmarked

    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("an archive is not for a terminal: name a file with -o")
    wanted = chosen_platform(platform)
    with StoreOpener(store_root) as store:
        located = [locate(image, store) for image in images]
        layout = located[0].layout
        if any(one.layout.path != layout.path for one in located):
            raise click.UsageError("images of different layouts do not go into one archive")
        chosen = []
        for one in located:
            descriptor = unmarked(one.descriptor)
            if platform is not None and is_index(descriptor):
                descriptor = choose_manifest(layout.read(descriptor), descriptor, wanted)
            chosen.append((descriptor, [one.reference] if one.reference else []))
        with archive_sink(output) as file:
            write_archive(
                file.write, layout, chosen, docker=form == "docker-archive", platform=wanted
            )
