"""What layers of base images bring, kept in the store: reading such a layer takes a second or so.

One file of JSON for each, by its DiffID. Only ever saves work: a file that is missing or damaged is
made again, and `prune` takes away those that no image needs.
"""

from __future__ import annotations

import json
import os

from builder.blob import create_named
from builder.checks.layer_index import Item, LayerIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.digest import DiffID
    from builder.store import Store


class KnownLayers:
    """The indexes of one store, without programs."""

    def __init__(self, store: Store) -> None:
        self._root = store.root
        self._directory = store.layer_indexes

    def get(self, diff_id: DiffID) -> LayerIndex | None:
        """The index of a layer; None when it is not known."""
        try:
            with open(self._path(diff_id), encoding="ascii") as file:
                document = json.load(file)
            index = LayerIndex()
            index.hidden = [_bytes(name) for name in document["hidden"]]
            index.opaque = [_bytes(name) for name in document["opaque"]]
            for name, kind, mode, size, target, content in document["items"]:
                index.items[_bytes(name)] = Item(
                    kind, int(mode), int(size), _bytes(target), None, _bytes(content)
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return index

    def put(self, diff_id: DiffID, index: LayerIndex) -> None:
        """Keep an index; a store that cannot be written to keeps none."""
        items = [
            (_text(name), item.kind, item.mode, item.size, _text(item.target), _text(item.content))
            for name, item in index.items.items()
        ]
        hidden, opaque = ([_text(name) for name in names] for names in (index.hidden, index.opaque))
        document = json.dumps({"hidden": hidden, "opaque": opaque, "items": items})
        try:
            os.makedirs(self._directory, 0o700, exist_ok=True)
            descriptor, fresh = create_named(self._root)
        except OSError:
            return
        try:
            # Open, and so locked, until it has its name: nobody sweeps it away.
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(document)
                file.flush()
                os.rename(fresh, self._path(diff_id))
        except OSError:
            os.unlink(fresh)

    def _path(self, diff_id: DiffID) -> str:
        return f"{self._directory}/{diff_id.hex}.json"


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
