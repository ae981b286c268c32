"""`pyoci-builder prune`: remove from the store what no image needs."""

from __future__ import annotations

import os

import click

from builder.cli.store_option import StoreOpener, store_option


@click.command("prune", short_help="Remove what no image in the store needs.")
@click.option("--cache", is_flag=True, help="The build cache too: the next builds start afresh.")
@click.option("--all", "everything", is_flag=True, help="That, and directories of type=cache.")
@store_option
def command(cache: bool, everything: bool, store_root: str | None) -> None:
    """Remove blobs and unpacked layers that no image of the store and no cached step needs."""
    from builder.progress.text import size
    from builder.solve import containers

    with StoreOpener(store_root) as opener:
        store = opener()
        containers.sweep(store.root)
        count, freed = store.prune(cache=cache or everything)
        if everything:
            from builder.store.remove import remove_tree

            remove_tree(f"{store.root}/cache-mounts")
            for suffix in ("", "-wal", "-shm"):
                try:
                    os.unlink(f"{store.root}/known-files.sqlite{suffix}")
                except FileNotFoundError:
                    continue
    click.echo(f"removed {count} blobs and layers, {size(freed)}")
