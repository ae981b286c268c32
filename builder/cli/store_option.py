"""`--store`, which every command that works on images has."""

from __future__ import annotations

import os

import click

from builder.store import Store, default_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

store_option: Callable[[Any], Any] = click.option(
    "--store",
    "store_root",
    metavar="DIR",
    help="Where images and the build cache are kept.",
)


class StoreOpener:
    """Opens the store when it is first asked for, and closes it. A context manager.

    Commands on a layout directory never ask, and so make no store.
    """

    def __init__(self, root: str | None) -> None:
        """Take the value of --store, None for the usual place."""
        self._root = root
        self._store: Store | None = None

    def __call__(self) -> Store:
        """The store. Raises StoreError."""
        if self._store is None:
            root = self._root or default_root(os.environ, os.geteuid())
            self._store = Store(root, warn=lambda text: click.echo(text, err=True))
        return self._store

    @property
    def is_open(self) -> bool:
        """Whether it has been asked for."""
        return self._store is not None

    def __enter__(self) -> StoreOpener:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()
