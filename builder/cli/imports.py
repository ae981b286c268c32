"""`pyoci-builder import`: a root file system becomes a base image."""

from __future__ import annotations

import os

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("import", short_help="Make a base image of a root file system.")
@click.argument("source")
@click.argument("name")
@click.option(
    "-c",
    "--change",
    "changes",
    multiple=True,
    metavar="INSTRUCTION",
    help='Change the configuration, like --change "ENV A=1" or --change \'CMD ["bash"]\'.',
)
@click.option("-m", "--message", default="", help="A comment for the image's history.")
@click.option("--platform", metavar="OS/ARCH", help="What its programs run on; else this machine.")
@click.option(
    "--compression",
    default="gzip",
    show_default=True,
    metavar="KIND[:LEVEL]",
    help="gzip, zstd or none.",
)
@store_option
def command(
    source: str,
    name: str,
    changes: tuple[str, ...],
    message: str,
    platform: str | None,
    compression: str,
    store_root: str | None,
) -> None:
    """Make an image NAME in the store of SOURCE: a directory, a tar archive, or - for one on
    standard input.

    The archive may be compressed. With SOURCE_DATE_EPOCH set, the same files give the same digest.
    """
    from builder.images.imports import Wanted, import_archive, import_directory, open_archive
    from builder.images.platform_option import chosen_platform
    from builder.layer.compression import Compression
    from builder.store.names import normalize

    normalize(name)  # before the archive is read: a typo costs no time
    from builder.dockerfile.platforms import host_platform

    wanted = Wanted(
        platform=chosen_platform(platform) or host_platform(),
        compression=Compression.parse(compression),
        changes=changes,
        message=message,
        epoch=source_date_epoch(os.environ.get("SOURCE_DATE_EPOCH")),
    )
    with StoreOpener(store_root) as store:
        layout = store().layout
        if os.path.isdir(source):
            image = import_directory(layout, source, wanted)
        else:
            with open_archive(source) as file:
                image = import_archive(layout, file, source, wanted)
        full = store().tag(name, image)
    click.echo(f"{full} {image.digest}")


def source_date_epoch(text: str | None) -> int | None:
    """The number in the variable SOURCE_DATE_EPOCH, None when it is not set or empty.

    Raises click.UsageError: to ignore a wrong one would be to lose reproducibility silently.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 11:
        raise click.UsageError(f"SOURCE_DATE_EPOCH={text!r} is not a number of seconds since 1970")
    return int(text)
