"""Snapshots: the files of a stack of layers, to read or to change, and the change as a layer.

    unpacked/<a>/fs ─┐
    unpacked/<b>/fs ─┼─ overlay ──▶ merged tree ──RUN──▶ upper directory ──▶ layer blob
    empty upper     ─┘                                        └──renamed──▶ unpacked/<c>/fs

Where no overlay can be mounted (an ordinary user, a store on a file system that cannot), the layers
are copied, which is slower and gives layers of the same effect.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import chain

from builder.digest import chain_ids
from builder.errors import StoreError
from builder.layer.apply import opaque_attribute
from builder.layer.attributes import set_attributes
from builder.layer.compression import Compression
from builder.layer.entry import DIRECTORY, Entry
from builder.layer.ownership import can_own, in_user_namespace
from builder.layer.upper import UpperDirectory, entry_of
from builder.layer.write import write_layer
from builder.snapshot import mounting, plain
from builder.snapshot.implicit import make_corrections
from builder.snapshot.unpacked import Unpacked, UnpackedLayers
from builder.store.remove import remove_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from builder.layer import Layer
    from builder.store import Store

    Commit = Callable[[Compression, int | None], Layer | None]

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LAYERS = 499  # overlayfs takes 500 lower directories, one of them may be the empty one
_ROOT = Entry(b".", DIRECTORY, mode=0o755)


class Mounted:
    """The files of a stack of layers, to be changed.

    Attributes:
        path: of the merged tree.
    """

    def __init__(self, path: str, commit: Commit) -> None:
        self.path = path
        self._commit: Commit | None = commit

    def commit(
        self,
        compression: Compression = Compression(),  # noqa: B008
        epoch: int | None = None,
    ) -> Layer | None:
        """What was changed as a layer of the store; None when nothing was.

        The tree is gone afterwards. Nothing may still be running in it. No mtime in the layer is
        later than epoch. Raises StoreError.
        """
        if self._commit is None:
            raise StoreError(f"committing {self.path}: it was committed before")
        commit, self._commit = self._commit, None
        try:
            return commit(compression, epoch)
        except (OSError, ValueError, RecursionError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"writing the changes of {self.path}: {why}") from None


class Snapshots:
    """Mounts the layers of a store. Safe to share between threads.

    To be made before other threads are started: it enters a mount namespace, which only threads
    that begin later share.

    Attributes:
        in_user_namespace: whether this process is root of a user namespace only.
        uses_overlay: whether overlays can be mounted.
    """

    def __init__(self, store: Store, warn: Callable[[str], None] | None = None) -> None:
        """warn is told in one line why layers will be copied, if they have to be."""
        self.in_user_namespace = in_user_namespace()
        self._store = store
        self._unpacked = UnpackedLayers(store)
        self._opaque = opaque_attribute(self.in_user_namespace)
        self.uses_overlay = False
        try:
            mounting.isolate()
            self._try_overlay()
            self.uses_overlay = True
        except OSError as error:
            if warn:
                warn(
                    f"no overlay can be mounted in {store.tmp} ({error.strerror}):"
                    " layers are copied instead, which is slower"
                )

    def layer_directory(self, layer: Layer) -> str:
        """Where the files of a layer are, in the form overlays take; unpacked now if need be.

        Raises ImageFormatError, DigestMismatchError, SizeMismatchError, BlobNotFoundError,
        StoreError.
        """
        return self._unpacked.directory(layer).path

    @contextmanager
    def mount(self, layers: Sequence[Layer]) -> Iterator[Mounted]:
        """The files of layers, lowest first, to be changed; removed at the end.

        Raises what `layer_directory` raises.
        """
        if not self.uses_overlay:
            with self._copy(layers) as mounted:
                yield mounted
            return
        lower = self._stack(layers)
        with self._store.workspace() as workspace:
            for name in ("upper", "work", "merged"):
                os.mkdir(f"{workspace.path}/{name}", 0o755)
            upper = f"{workspace.path}/upper"
            self._set_root(upper, lower)
            merged = f"{workspace.path}/merged"
            with self._overlay(workspace.path, lower, writable=True) as unmount:

                def commit(compression: Compression, epoch: int | None) -> Layer | None:
                    unmount()
                    return self._commit(upper, layers, compression, epoch)

                yield Mounted(merged, commit)

    @contextmanager
    def view(self, layers: Sequence[Layer]) -> Iterator[str]:
        """The files of layers, lowest first, read-only. Raises what `layer_directory` raises."""
        with self._store.workspace() as workspace:
            os.mkdir(f"{workspace.path}/merged", 0o755)
            if not self.uses_overlay:
                fd = os.open(f"{workspace.path}/merged", _DIRECTORY_FLAGS)
                try:
                    plain.copy_layers(self._store.layout, layers, fd)
                finally:
                    os.close(fd)
                yield f"{workspace.path}/merged"
                return
            with self._overlay(workspace.path, self._stack(layers), writable=False):
                yield f"{workspace.path}/merged"

    # Overlays.

    def _stack(self, layers: Sequence[Layer]) -> list[Unpacked]:
        """The directories of layers, lowest first, with corrections between them."""
        stack: list[Unpacked] = []
        if len(layers) > _MOST_LAYERS:
            raise StoreError(
                f"mounting {len(layers)} layers: no more than {_MOST_LAYERS} are possible"
            )
        names = chain_ids(layer.diff_id for layer in layers)
        for position, (layer, chain_id) in enumerate(zip(layers, names)):
            unpacked = self._unpacked.directory(layer)
            if unpacked.opaque_root:
                stack = []
            below, stack = stack, [*stack, unpacked]
            if unpacked.implicit and below:
                name = f"{layer.diff_id.hex}.{chain_id.hex}"
                path = self._unpacked.derived(name) or self._correct(
                    name, unpacked, layers[:position]
                )
                stack.append(Unpacked(path))
        return stack

    def _correct(self, name: str, unpacked: Unpacked, below: Sequence[Layer]) -> str:
        with self._store.workspace() as workspace, self.view(below) as lower:
            os.mkdir(f"{workspace.path}/fs", 0o755)
            paths = (f"{workspace.path}/fs", unpacked.path, lower)
            target, layer, under = (os.open(path, _DIRECTORY_FLAGS) for path in paths)
            try:
                make_corrections(target, layer, under, unpacked.implicit, self._opaque)
            finally:
                for fd in (target, layer, under):
                    os.close(fd)
            return self._unpacked.keep(name, f"{workspace.path}/fs")

    @contextmanager
    def _overlay(
        self, directory: str, lower: Sequence[Unpacked], *, writable: bool
    ) -> Iterator[Callable[[], None]]:
        """Mount an overlay on merged/ of a workspace; gives what takes it away."""
        names: list[str] = []
        if not writable:
            # The topmost directory is what the root of the tree looks like.
            os.mkdir(f"{directory}/root", 0o755)
            self._set_root(f"{directory}/root", lower)
            names.append("root")
        for number, unpacked in enumerate(reversed(lower)):
            os.symlink(unpacked.path, f"{directory}/{number}")
            names.append(str(number))
        if len(names) < (1 if writable else 2):
            os.mkdir(f"{directory}/nothing", 0o755)
            names.append("nothing")
        settings = self._settings(":".join(names), writable=writable)
        merged = f"{directory}/merged"
        if not mounting.is_isolated():
            raise StoreError(
                f"mounting {merged}: this thread was started before the snapshots were opened"
            )
        try:
            mounting.mount_overlay(directory, "merged", settings, read_only=not writable)
        except OSError as error:
            raise StoreError(
                f"mounting {len(lower)} layers on {merged}: {error.strerror}", subject=merged
            ) from None
        mounted = True

        def unmount() -> None:
            nonlocal mounted
            if mounted:
                mounted = False
                mounting.unmount(merged)

        try:
            yield unmount
        finally:
            unmount()

    def _set_root(self, path: str, lower: Iterable[Unpacked]) -> None:
        """Give a directory the attributes that the layers' root has."""
        attributes = _ROOT
        for unpacked in lower:
            if unpacked.has_root:
                attributes = _attributes(unpacked.path)
        fd = os.open(path, _DIRECTORY_FLAGS)
        try:
            set_attributes(fd, attributes, owned=can_own())
        finally:
            os.close(fd)

    def _commit(
        self, upper: str, layers: Sequence[Layer], compression: Compression, epoch: int | None
    ) -> Layer | None:
        with self.view(layers) as lower:
            fds = [os.open(path, _DIRECTORY_FLAGS) for path in (upper, lower)]
            try:
                changes = UpperDirectory(
                    fds[0],
                    fds[1] if layers else None,
                    in_user_namespace=self.in_user_namespace,
                    epoch=epoch,
                )
                layer = self._write(changes.entries(), compression, epoch)
            finally:
                for fd in fds:
                    os.close(fd)
        if layer is not None and not changes.has_opaque:
            # Equal to the layer, it need not be unpacked.
            for name in changes.dropped:
                remove_any(os.fsencode(upper) + b"/" + name)
            for name, mtime in changes.times:
                path = os.fsencode(upper) + b"/" + name
                os.utime(path, ns=(mtime * 10**9, mtime * 10**9), follow_symlinks=False)
            os.utime(upper, ns=(0, 0))
            self._unpacked.adopt(layer.diff_id, upper)
        return layer

    def _write(
        self, entries: Iterator[Entry], compression: Compression, epoch: int | None
    ) -> Layer | None:
        first = next(entries, None)
        if first is None:
            return None
        return write_layer(self._store.layout, chain((first,), entries), compression, epoch=epoch)

    def _settings(self, lower: str, *, writable: bool) -> str:
        """The mount options (overlayfs.rst)."""
        settings = [f"lowerdir={lower}", *_OFF]
        if writable:
            settings += _NEW
        if self.in_user_namespace:
            settings.append("userxattr")
        return ",".join(settings)

    def _try_overlay(self) -> None:
        """Raises OSError unless overlays work here, whiteouts and hidden directories included."""
        with self._store.workspace() as workspace:
            path = workspace.path
            for name in ("upper", "work", "merged", "lower", "lower/a", "lower/b"):
                os.mkdir(f"{path}/{name}", 0o755)
            mounting.mount_overlay(path, "merged", self._settings("lower", writable=True))
            try:
                os.rmdir(f"{path}/merged/a")
                os.rmdir(f"{path}/merged/b")
                os.mkdir(f"{path}/merged/b")
            finally:
                mounting.unmount(f"{path}/merged")
            os.getxattr(f"{path}/upper/b", self._opaque)

    # Copies.

    @contextmanager
    def _copy(self, layers: Sequence[Layer]) -> Iterator[Mounted]:
        with self._store.workspace() as workspace:
            path = f"{workspace.path}/merged"
            os.mkdir(path, 0o755)
            fd = os.open(path, _DIRECTORY_FLAGS)
            try:
                plain.copy_layers(self._store.layout, layers, fd)
                before = plain.state_of(fd)

                def commit(compression: Compression, epoch: int | None) -> Layer | None:
                    return self._write(plain.changes(fd, before), compression, epoch)

                yield Mounted(path, commit)
            finally:
                os.close(fd)


# Features that would put things into the upper directory that no layer can say. nofollow rather
# than off: off lets redirects that are there be followed, and is refused in a user namespace.
_OFF = ("redirect_dir=nofollow", "metacopy=off", "index=off")
# volatile: nothing in the upper directory is worth an fsync, whatever the programs in RUN ask for.
_NEW = ("upperdir=upper", "workdir=work", "volatile")


def _attributes(path: str) -> Entry:
    fd = os.open(path, _DIRECTORY_FLAGS)
    try:
        entry = entry_of(fd, b".", b".", os.fstat(fd))
    finally:
        os.close(fd)
    assert entry is not None
    return entry
