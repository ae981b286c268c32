"""The store: everything the builder keeps, below one directory.

oci-layout  index.json  blobs/   an OCI image layout that any tool can read; images by name
cache.sqlite                     results of build steps
unpacked/                        layers as directories, for overlays
layer-indexes/                   what layers of base images bring, for checks
tmp/                             work of running builds
lock                             shared by builds, exclusive for `prune`
"""

from __future__ import annotations

import fcntl
import os

from builder import canonical_json, media_types
from builder.descriptor import Descriptor
from builder.digest import DiffID, Digest
from builder.errors import ImageNotFoundError, StoreError
from builder.image import Image
from builder.layout import REF_NAME, Layout, annotation_of, is_accessory
from builder.store import workspace
from builder.store.cache import Cache, layer_digests
from builder.store.names import layout_reference, normalize
from builder.store.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Self

    from builder.dockerfile.platforms import Platform
    from builder.store.origins import Origins

ENVIRONMENT_VARIABLE = "PYOCI_BUILDER_STORE"
_SYSTEM_ROOT = "/var/lib/pyoci-builder"


def default_root(environ: Mapping[str, str], euid: int) -> str:
    """Where the store is unless `--store` says otherwise."""
    if given := environ.get(ENVIRONMENT_VARIABLE):
        return given
    if euid == 0:
        return _SYSTEM_ROOT
    data = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME') or '/'}/.local/share"
    return f"{data}/pyoci-builder"


class Store:
    """The store at `root`. A context manager; `close` lets `prune` of other processes go ahead.

    Attributes:
        root: its directory, absolute.
        layout: its blobs and names.
    """

    def __init__(self, root: str, warn: Callable[[str], None] | None = None) -> None:
        """Open the store or make it; warn is told in one line of what was mended.

        Raises StoreError.
        """
        self.root = os.path.abspath(root)
        self._warn = warn
        self._cache: Cache | None = None
        try:
            if not os.path.isdir(self.root):
                # Unpacked layers hold set-user-ID programs of other systems: nobody else's to run.
                os.makedirs(self.root, 0o700, exist_ok=True)
            self.layout = Layout.create(self.root)
            for directory in (self.unpacked, self.tmp):
                os.makedirs(directory, 0o700, exist_ok=True)
            self._lock = os.open(f"{self.root}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            workspace.sweep(self.tmp)
        except OSError as error:
            raise StoreError(
                f"opening the store {root}: {error.strerror}",
                subject=root,
                hint=f"choose another place with --store or ${ENVIRONMENT_VARIABLE}",
            ) from None

    @property
    def unpacked(self) -> str:
        """Where layers are directories."""
        return f"{self.root}/unpacked"

    @property
    def layer_indexes(self) -> str:
        """Where `builder.checks.known_layers` keeps its files."""
        return f"{self.root}/layer-indexes"

    @property
    def tmp(self) -> str:
        """Where the work of running builds is."""
        return f"{self.root}/tmp"

    @property
    def cache(self) -> Cache:
        """The build cache, opened at first use."""
        if self._cache is None:
            self._cache = Cache(f"{self.root}/cache.sqlite", self._warn)
        return self._cache

    @property
    def origins(self) -> Origins:
        """Which repositories of registries have which blobs."""
        from builder.store.origins import Origins

        return Origins(f"{self.root}/origins.sqlite")

    def workspace(self) -> workspace.Workspace:
        """A directory of this process's own, removed at its end or by a later process."""
        return workspace.Workspace(self.tmp)

    # Names.

    def tag(self, name: str, descriptor: Descriptor) -> str:
        """Give an image a name, taking it from the one that had it. Returns the full name.

        Raises InvalidReferenceError, StoreError.
        """
        full = normalize(name)
        annotations = {**descriptor.annotations, REF_NAME: full}
        entry = descriptor.replace(annotations=annotations, data=None).to_json()

        def edit(index: dict[str, Any]) -> None:
            index["manifests"] = [
                other for other in index["manifests"] if annotation_of(other, REF_NAME) != full
            ] + [entry]

        self.layout.edit_index(edit)
        return full

    def untag(self, name: str) -> Descriptor:
        """Take a name away and return what had it; its blobs stay until `prune`.

        Raises ImageNotFoundError, InvalidReferenceError, StoreError.
        """
        full = normalize(name)
        removed = self.lookup(full)
        if removed is None:
            raise self._unknown(name, full)

        def edit(index: dict[str, Any]) -> None:
            index["manifests"] = [
                e for e in index["manifests"] if annotation_of(e, REF_NAME) != full
            ]

        self.layout.edit_index(edit)
        return removed

    def lookup(self, reference: str) -> Descriptor | None:
        """The image of a name (short forms work), of `name@digest`, or of a digest.

        Raises InvalidReferenceError.
        """
        digest = reference if reference.startswith(("sha256:", "sha512:")) else None
        full = reference
        if digest is None:
            full = normalize(reference)
            _, at, given = full.partition("@")
            digest = given if at else None
        entries = self.layout.index()
        for entry in entries:
            if entry.annotations.get(REF_NAME) == full or entry.digest == digest:
                return entry
        if digest is None:
            return None
        try:
            return self.layout.resolve(digest)
        except ImageNotFoundError:
            return None

    def images(self) -> list[tuple[str, Descriptor]]:
        """Every name with its image, sorted."""
        return sorted(
            (
                (entry.annotations[REF_NAME], entry)
                for entry in self.layout.index()
                if REF_NAME in entry.annotations and not is_accessory(entry)
            ),
            key=lambda named: named[0],
        )

    def resolve_base(
        self, name: str, platform: Platform | Mapping[str, Any] | None = None
    ) -> Image:
        """The image that FROM or a command names, all its blobs in the store.

        Raises ImageNotFoundError, InvalidReferenceError, ImageFormatError, StoreError, and for
        damaged blobs DigestMismatchError, SizeMismatchError, BlobNotFoundError.
        """
        if local := layout_reference(name):
            path, reference = local
            layout = Layout.open(path)
            image = Image.load(layout, layout.resolve(reference), platform)
            return image.copy_to(self.layout)
        descriptor = self.lookup(name)
        if descriptor is None:
            raise self._unknown(name, normalize(name))
        return Image.load(self.layout, descriptor, platform)

    # Space.

    def prune(self, *, cache: bool = False) -> tuple[int, int]:
        """Remove what no name leads to: blobs, unpacked layers, left work; with cache the cache.

        Returns how many blobs and layers were removed, and the bytes of the blobs. Raises
        StoreError when a build is using the store.
        """
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A failed conversion has lost the lock that we had (flock(2)).
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            raise StoreError(
                f"pruning the store {self.root}: another process is using it",
                subject=self.root,
                hint="run it again when the build is over",
            ) from None
        try:
            if cache:
                self.cache.clear()
            blobs, diff_ids = self._reachable()
            count, size = self.layout.sweep(blobs)
            for name in os.listdir(self.unpacked):
                if name.partition(".")[0] not in diff_ids:
                    remove_tree(f"{self.unpacked}/{name}")
                    count += 1
            if os.path.isdir(self.layer_indexes):
                for name in os.listdir(self.layer_indexes):
                    if name.partition(".")[0] not in diff_ids:
                        os.unlink(f"{self.layer_indexes}/{name}")
            workspace.sweep(self.tmp)
            return count, size
        except OSError as error:
            raise StoreError(
                f"pruning the store {self.root}: {error.strerror}", subject=self.root
            ) from None
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of the store. Safe to repeat."""
        if self._cache is not None:
            self._cache.close()
            self._cache = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Private.

    def _unknown(self, name: str, full: str) -> ImageNotFoundError:
        return ImageNotFoundError(
            f"opening image {name}: no {full} in the store {self.root}",
            subject=name,
            hint="`pyoci-builder images` lists what is there, `pyoci-builder import` adds one",
        )

    def _reachable(self) -> tuple[set[Digest], set[str]]:
        """Digests of the blobs that names and cache lead to; hex of the DiffIDs among them."""
        blobs: set[Digest] = set()
        diff_ids: set[str] = set()
        queue = self.layout.index()
        while queue:
            blob = queue.pop()
            if blob.digest in blobs:
                continue
            blobs.add(blob.digest)
            documents = media_types.MANIFESTS | media_types.INDEXES | media_types.CONFIGS
            if blob.media_type not in documents or not self.layout.has(blob):
                continue
            document = canonical_json.decode(self.layout.read(blob), f"blob {blob.digest}")
            if not isinstance(document, dict):
                continue
            if blob.media_type in media_types.CONFIGS:
                rootfs = document.get("rootfs")
                listed = rootfs.get("diff_ids", []) if isinstance(rootfs, dict) else []
                diff_ids.update(DiffID(text).hex for text in listed)
                continue
            for member in ("manifests", "layers"):
                for entry in document.get(member) or []:
                    queue.append(Descriptor.from_json(entry, f"blob {blob.digest} /{member}"))
            for member in ("config", "subject"):
                if document.get(member):
                    queue.append(
                        Descriptor.from_json(document[member], f"blob {blob.digest} /{member}")
                    )
        if os.path.exists(f"{self.root}/cache.sqlite"):
            blobs.update(layer_digests(self.cache))
            diff_ids.update(r.layer.diff_id.hex for r in self.cache.records() if r.layer)
        return blobs, diff_ids
