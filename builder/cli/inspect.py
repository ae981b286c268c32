"""`pyoci-builder inspect`: everything an image's documents say."""

from __future__ import annotations

import json

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("inspect", short_help="Show an image's configuration, layers and signatures.")
@click.argument("image")
@click.option("--raw", is_flag=True, help="Print the manifest's bytes as they are stored.")
@click.option("--config", "raw_config", is_flag=True, help="Print the config's bytes as stored.")
@click.option("--platform", metavar="OS/ARCH", help="Which image of an index; else this machine's.")
@store_option
def command(
    image: str, raw: bool, raw_config: bool, platform: str | None, store_root: str | None
) -> None:
    """Show IMAGE, a name or digest in the store, or an image layout DIR[:TAG], as JSON."""
    from builder.images.describe import describe
    from builder.images.locate import locate
    from builder.images.platform_option import chosen_platform

    wanted = chosen_platform(platform)
    with StoreOpener(store_root) as store:
        located = locate(image, store)
        if raw:
            click.echo(located.layout.read(located.descriptor), nl=False)
            return
        if raw_config:
            from builder.image import Image

            loaded = Image.load(located.layout, located.descriptor, wanted)
            click.echo(loaded.config_bytes, nl=False)
            return
        click.echo(json.dumps(describe(located, wanted), indent=2))
