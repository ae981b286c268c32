"""Layers as directories, each unpacked once: `unpacked/<DiffID>/fs`, in the form overlays take.

What is there is whole: it is made in a workspace and renamed. It is not synced, since a power cut
only costs unpacking again: a directory says in which boot of the machine it was made, and one of
another boot is made anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from dataclasses import dataclass

from builder.errors import StoreError
from builder.layer.apply import apply_layer
from builder.layer.stream import LayerStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.digest import DiffID
    from builder.layer import Layer
    from builder.store import Store

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A layer's directory.

    Attributes:
        path: of its files.
        implicit: directories that the layer has files in, but no entry of: the attributes they have
            here are made up.
        has_root: whether the layer says anything of the root itself.
        opaque_root: whether it hides all layers below.
    """

    path: str
    implicit: tuple[str, ...] = ()
    has_root: bool = False
    opaque_root: bool = False


class UnpackedLayers:
    """The unpacked layers of a store. Safe to share between threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._boot = _boot_id()
        self._lock = threading.Lock()
        self._working: dict[str, threading.Lock] = {}
        self._known: dict[str, Unpacked] = {}

    def directory(self, layer: Layer) -> Unpacked:
        """The directory of a layer, unpacked now if it is not there.

        Raises ImageFormatError, DigestMismatchError, SizeMismatchError, BlobNotFoundError,
        StoreError.
        """
        name = layer.diff_id.hex
        with self._lock:
            if found := self._known.get(name):
                return found
            working = self._working.setdefault(name, threading.Lock())
        with working:
            # Whoever held the lock before may have unpacked it.
            found = self._known.get(name) or self._read(name) or self._unpack(layer)
            with self._lock:
                self._known[name] = found
            return found

    def adopt(self, diff_id: DiffID, path: str) -> None:
        """Keep a directory that is equal to a layer; nothing when that layer is there already."""
        if self._read(diff_id.hex) is None:
            self._publish(diff_id.hex, path, Unpacked(path))

    def derived(self, name: str) -> str | None:
        """The files of a directory made from layers that was kept under a name, or None."""
        found = self._read(name)
        return found.path if found else None

    def keep(self, name: str, path: str) -> str:
        """Keep a directory made from layers; returns where its files are."""
        return self._publish(name, path, Unpacked(path)).path

    def _unpack(self, layer: Layer) -> Unpacked:
        with self._store.workspace() as workspace:
            path = f"{workspace.path}/fs"
            os.mkdir(path, 0o755)
            fd = os.open(path, _DIRECTORY_FLAGS)
            try:
                with LayerStream(self._store.layout, layer) as stream:
                    applied = apply_layer(stream.read, fd, overlay=True, what=stream.what)
                    stream.finish()
            finally:
                os.close(fd)
            made = Unpacked(
                path,
                tuple(map(os.fsdecode, sorted(applied.implicit))),
                applied.has_root,
                applied.opaque_root,
            )
            return self._publish(layer.diff_id.hex, path, made)

    def _publish(self, name: str, path: str, made: Unpacked) -> Unpacked:
        """Move the files at path to their place, unless another process has been faster."""
        target = f"{self._store.unpacked}/{name}"
        lock = os.open(self._store.unpacked, _DIRECTORY_FLAGS)
        try:
            with self._store.workspace() as workspace:
                fresh = f"{workspace.path}/new"
                os.mkdir(fresh, 0o700)
                os.rename(path, f"{fresh}/fs")
                with open(f"{fresh}/layer.json", "w", encoding="ascii") as file:
                    json.dump(
                        {
                            "boot": self._boot,
                            "implicit": made.implicit,
                            "has_root": made.has_root,
                            "opaque_root": made.opaque_root,
                        },
                        file,
                    )
                fcntl.flock(lock, fcntl.LOCK_EX)
                if found := self._read(name):
                    return found
                if os.path.lexists(target):
                    os.rename(target, f"{workspace.path}/stale")
                os.rename(fresh, target)
        except OSError as error:
            raise StoreError(
                f"keeping layer {name[:12]} in {self._store.unpacked}: {error.strerror}",
                subject=self._store.unpacked,
            ) from None
        finally:
            os.close(lock)
        return Unpacked(f"{target}/fs", made.implicit, made.has_root, made.opaque_root)

    def _read(self, name: str) -> Unpacked | None:
        """What is kept under a name; None when there is nothing or it is of another boot."""
        target = f"{self._store.unpacked}/{name}"
        try:
            with open(f"{target}/layer.json", encoding="ascii") as file:
                document = json.load(file)
            if document["boot"] != self._boot:
                return None
            return Unpacked(
                f"{target}/fs",
                tuple(document["implicit"]),
                bool(document["has_root"]),
                bool(document["opaque_root"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
