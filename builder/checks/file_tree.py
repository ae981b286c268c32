"""The final file system of an image, by names: layers over each other, links followed inside."""

from __future__ import annotations

from builder.checks.layer_index import Item
from builder.layer import entry as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.layer_index import LayerIndex

_MOST_LINKS = 40  # as the kernel follows (path_resolution(7))


class Wasted:
    """A file of one layer that a later one deletes or replaces."""

    __slots__ = ("by", "layer", "name", "size")

    def __init__(self, name: bytes, size: int, layer: int, by: int) -> None:
        self.name = name
        self.size = size
        self.layer = layer
        self.by = by


class FileTree:
    """Names to files, with the number of the layer each is from.

    Attributes:
        wasted: what later layers took away, in the order of the layers.
    """

    def __init__(self) -> None:
        self._items: dict[bytes, tuple[Item, int]] = {}
        self._children: dict[bytes, set[bytes]] = {}
        self.wasted: list[Wasted] = []

    def add_layer(self, index: LayerIndex, number: int) -> None:
        """Put a layer over those before it."""
        for directory in index.opaque:
            for child in list(self._children.get(directory, ())):
                self._remove(child, number)
        for name in index.hidden:
            self._remove(name, number)
        for name, item in index.items.items():
            old = self._items.get(name)
            if item.kind != kinds.DIRECTORY and name in self._children:
                self._remove(name, number)
            elif old is not None:
                self._waste(name, old, number)
            self._put(name, item, number)

    def _put(self, name: bytes, item: Item, number: int) -> None:
        self._items[name] = (item, number)
        while name:
            parent = name.rpartition(b"/")[0]
            siblings = self._children.setdefault(parent, set())
            if name in siblings:
                break
            siblings.add(name)
            name = parent

    def _remove(self, name: bytes, number: int) -> None:
        todo = [name]
        while todo:
            gone = todo.pop()
            todo += self._children.pop(gone, ())
            old = self._items.pop(gone, None)
            if old is not None:
                self._waste(gone, old, number)
        self._children.get(name.rpartition(b"/")[0], set()).discard(name)

    def _waste(self, name: bytes, old: tuple[Item, int], number: int) -> None:
        item, layer = old
        if item.size and layer != number:
            self.wasted.append(Wasted(name, item.size, layer, number))

    def __iter__(self) -> Iterator[tuple[bytes, Item, int]]:
        """Names, files and the numbers of their layers."""
        for name, (item, layer) in self._items.items():
            yield name, item, layer

    def children(self, name: bytes) -> list[bytes]:
        """Names of what is in a directory, sorted."""
        return sorted(self._children.get(name, ()))

    def find(self, path: str) -> tuple[bytes, Item] | None:
        """What an absolute path leads to, every symbolic link followed as inside; None: nothing."""
        todo = path.encode("utf-8", "surrogateescape").split(b"/")[::-1]
        name = b""
        links = 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                name = name.rpartition(b"/")[0]
                continue
            name = name + b"/" + part if name else part
            item = self._at(name)
            if item is None:
                return None
            if item.kind == kinds.SYMLINK:
                links += 1
                if links > _MOST_LINKS:
                    return None
                todo += item.target.split(b"/")[::-1]
                name = b"" if item.target.startswith(b"/") else name.rpartition(b"/")[0]
        item = self._at(name)
        return None if item is None else (name, item)

    def _at(self, name: bytes) -> Item | None:
        found = self._items.get(name)
        if found is None:
            # Layers need not list a directory that holds something.
            return Item(kinds.DIRECTORY, 0o755, 0) if name in self._children or not name else None
        item = found[0]
        if item.kind == kinds.HARDLINK:
            original = self._items.get(item.target.strip(b"/").removeprefix(b"./"))
            return original[0] if original is not None else item
        return item
