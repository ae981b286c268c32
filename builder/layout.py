"""An OCI image layout (image-spec image-layout.md): a directory of blobs with an index.json.

`index.json` is only ever replaced as a whole, under a lock on the file `oci-layout`, which is never
replaced; members that this program does not know stay in it. Blobs appear whole (`builder.blob`)
before the index that names them.
"""

from __future__ import annotations

import fcntl
import os

from builder import canonical_json, media_types
from builder.blob import (
    CHUNK,
    BlobWriter,
    VerifiedReader,
    create_named,
    ingest_directory,
    open_verified,
    sweep_ingest,
)
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import (
    BlobNotFoundError,
    ImageFormatError,
    ImageNotFoundError,
    SizeMismatchError,
    StoreError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that names an entry of index.json."""
FULL_NAME = "io.containerd.image.name"
"""Where containerd and BuildKit keep the whole name; ref.name is the tag alone."""
KIND = "kind"
"""cosign's annotation: whether an entry is an image or speaks about one."""
KIND_SIGNATURES = "dev.cosignproject.cosign/sigs"
KIND_ATTESTATIONS = "dev.cosignproject.cosign/atts"


def is_accessory(entry: Descriptor) -> bool:
    """Whether an entry of index.json is a signature or another artifact rather than an image."""
    is_artifact = entry.artifact_type is not None
    return is_artifact or entry.annotations.get(KIND) in (KIND_SIGNATURES, KIND_ATTESTATIONS)


def annotation_of(entry: Any, name: str) -> str | None:
    """An annotation of an entry of index.json that somebody else may have written."""
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    value = annotations.get(name) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else None


LARGEST_DOCUMENT = 4 << 20
"""Manifests, indexes and configs of more bytes are refused."""

_VERSION_FILE = b'{"imageLayoutVersion":"1.0.0"}'
_OWN_NAMES = frozenset(("blobs", "index.json", "ingest", "oci-layout"))


class Layout:
    """An image layout. `path` is its directory, absolute."""

    def __init__(self, path: str) -> None:
        """Without a look at the directory: use `create` or `open`."""
        self.path = os.path.abspath(path)

    def __repr__(self) -> str:
        return f"Layout({self.path!r})"

    @classmethod
    def create(cls, path: str) -> Self:
        """Make an empty layout, or open the one that is there.

        Raises StoreError when the directory cannot be made or holds something else.
        """
        layout = cls(path)
        try:
            os.makedirs(layout.path, exist_ok=True)
            if not os.path.exists(layout._version_path):
                foreign = sorted(set(os.listdir(layout.path)) - _OWN_NAMES)
                if foreign:
                    raise StoreError(
                        f"making an image layout in {path}: the directory holds other files"
                        f" ({foreign[0]})",
                        subject=path,
                        hint="name an empty directory or a new one",
                    )
                layout._initialise()
        except OSError as error:
            raise StoreError(
                f"making an image layout in {path}: {error.strerror}", subject=path
            ) from None
        return cls.open(path)

    @classmethod
    def open(cls, path: str) -> Self:
        """Open a layout. Raises StoreError when there is none, ImageFormatError for a newer one."""
        layout = cls(path)
        try:
            with open(layout._version_path, "rb") as file:
                data = file.read(LARGEST_DOCUMENT)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"opening image layout {path}: no file oci-layout in it",
                subject=path,
                hint="is it an OCI image layout?",
            ) from None
        except OSError as error:
            raise StoreError(
                f"opening image layout {path}: {error.strerror}", subject=path
            ) from None
        document = canonical_json.decode(data, layout._version_path)
        version = document.get("imageLayoutVersion") if isinstance(document, dict) else None
        if version != "1.0.0":
            raise ImageFormatError(
                f"opening image layout {path}: version {version!r} is not supported (1.0.0 is)",
                subject=path,
            )
        return layout

    # Blobs.

    def blob_path(self, digest: Digest) -> str:
        """Where the blob is or would be."""
        return f"{self.path}/blobs/{digest.algorithm}/{digest.hex}"

    def has(self, blob: Descriptor | Digest) -> bool:
        """Whether the blob is there, of the right size when a descriptor tells it."""
        digest = blob.digest if isinstance(blob, Descriptor) else blob
        try:
            size = os.stat(self.blob_path(digest)).st_size
        except OSError:
            return False
        return size == blob.size if isinstance(blob, Descriptor) else True

    def read(self, descriptor: Descriptor, limit: int = LARGEST_DOCUMENT) -> bytes:
        """A small blob, verified.

        Raises BlobNotFoundError, DigestMismatchError, SizeMismatchError, and ImageFormatError when
        it is larger than limit.
        """
        if descriptor.size > limit:
            raise ImageFormatError(
                f"reading {descriptor.digest}: {descriptor.size} bytes, more than the {limit}"
                " that such a document may have",
                subject=descriptor.digest,
            )
        if descriptor.data is not None and not self.has(descriptor.digest):
            return descriptor.data
        with self.open_blob(descriptor) as reader:
            return reader.read()

    def open_blob(self, descriptor: Descriptor) -> VerifiedReader:
        """A blob to read in pieces. Raises BlobNotFoundError, SizeMismatchError, StoreError."""
        return open_verified(self.blob_path(descriptor.digest), descriptor)

    def writer(self, algorithm: str = "sha256") -> BlobWriter:
        """A new blob. Raises StoreError."""
        return BlobWriter(self.path, algorithm)

    def add(self, data: bytes, media_type: str, **fields: Any) -> Descriptor:
        """Write a small blob; fields are further members of the descriptor. Raises StoreError."""
        digest = Digest.of(data)
        descriptor = Descriptor(media_type, digest, len(data), **fields)
        if self._holds(descriptor):
            return descriptor
        with self.writer() as writer:
            writer.write(data)
            return writer.commit(media_type, **fields)

    def adopt(self, source: Layout, descriptor: Descriptor) -> None:
        """Copy a blob of another layout here, verified on the way; nothing when it is here.

        Raises BlobNotFoundError, DigestMismatchError, SizeMismatchError, StoreError.
        """
        if self.has(descriptor):
            return
        with (
            source.open_blob(descriptor) as reader,
            self.writer(descriptor.digest.algorithm) as writer,
        ):
            while chunk := reader.read(CHUNK):
                writer.write(chunk)
            writer.commit(descriptor.media_type)

    def sweep(self, reachable: Iterable[Digest]) -> tuple[int, int]:
        """Remove every blob that is not among reachable, and what killed writers left.

        Returns how many blobs, and their bytes. The caller makes sure that nobody adds blobs
        meanwhile.
        """
        kept = {(digest.algorithm, digest.hex) for digest in reachable}
        count = size = 0
        for algorithm in self._names("blobs"):
            for name in self._names(f"blobs/{algorithm}"):
                if (algorithm, name) in kept:
                    continue
                path = f"{self.path}/blobs/{algorithm}/{name}"
                size += os.lstat(path).st_size
                os.unlink(path)
                count += 1
        sweep_ingest(self.path)
        return count, size

    def tidy(self) -> None:
        """Remove the directory that blobs are written in, when it is empty: after an export."""
        sweep_ingest(self.path)
        try:
            os.rmdir(ingest_directory(self.path))
        except OSError:
            pass

    # The index.

    def index(self) -> list[Descriptor]:
        """The entries of index.json. Raises ImageFormatError, StoreError."""
        document = self._read_index()
        return [
            Descriptor.from_json(entry, f"{self._index_path} /manifests/{position}")
            for position, entry in enumerate(document["manifests"])
        ]

    def edit_index(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change index.json: `edit` gets its JSON, under a lock, and changes it in place.

        Raises ImageFormatError, StoreError, and whatever edit raises (nothing is written then).
        """
        try:
            lock = os.open(self._version_path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed("locking", error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self._read_index()
            before = canonical_json.encode(document)
            edit(document)
            after = canonical_json.encode(document)
            if after != before:
                self._replace_index(after)
        except OSError as error:
            raise self._failed("changing", error) from None
        finally:
            os.close(lock)

    def resolve(self, reference: str | None = None) -> Descriptor:
        """The entry of a name (annotation ref.name) or digest; without either, the only entry.

        Raises ImageNotFoundError, ImageFormatError.
        """
        entries = self.index()
        images = [entry for entry in entries if not is_accessory(entry)]
        names = [entry.annotations[REF_NAME] for entry in images if REF_NAME in entry.annotations]
        if reference is None:
            digests = {entry.digest for entry in images}
            if len(digests) == 1:
                return images[0]
            why = "it holds no image" if not digests else f"it holds {len(digests)} images"
            raise ImageNotFoundError(
                f"opening an image of {self.path}: {why}",
                subject=self.path,
                hint=f"name one of: {_listed(names)}" if digests else None,
            )
        for entry in entries:
            if entry.annotations.get(REF_NAME) == reference or entry.digest == reference:
                return entry
        if ":" in reference and (found := self._by_digest(reference)):
            return found
        raise ImageNotFoundError(
            f"opening an image of {self.path}: no image {reference!r} in it",
            subject=reference,
            hint=f"there are: {_listed(names)}" if names else None,
        )

    # Private.

    @property
    def _version_path(self) -> str:
        return f"{self.path}/oci-layout"

    @property
    def _index_path(self) -> str:
        return f"{self.path}/index.json"

    def _initialise(self) -> None:
        os.makedirs(f"{self.path}/blobs/sha256", exist_ok=True)
        empty = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": []}
        self._place(canonical_json.encode(empty), self._index_path)
        # Last: it makes the directory a layout.
        self._place(_VERSION_FILE, self._version_path)

    def _place(self, data: bytes, path: str) -> None:
        """Write a file that is not there yet, whole.

        Not by rename: who makes the same layout at the same time may have written to it already,
        or hold the lock on it.
        """
        fd, fresh = create_named(self.path)
        try:
            _write_all(fd, data)
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(fresh)
            os.close(fd)
        _sync_directory(self.path)

    def _read_index(self) -> dict[str, Any]:
        try:
            with open(self._index_path, "rb") as file:
                data = file.read(LARGEST_DOCUMENT + 1)
        except OSError as error:
            raise self._failed("reading", error) from None
        if len(data) > LARGEST_DOCUMENT:
            raise ImageFormatError(
                f"reading {self._index_path}: more than {LARGEST_DOCUMENT} bytes",
                subject=self._index_path,
            )
        document = canonical_json.decode(data, self._index_path)
        if not isinstance(document, dict) or not isinstance(document.get("manifests"), list):
            raise ImageFormatError(
                f"reading {self._index_path}: not an image index (no list manifests)",
                subject=self._index_path,
            )
        return document

    def _replace_index(self, data: bytes) -> None:
        fd, fresh = create_named(self.path)
        try:
            _write_all(fd, data)
            # The names of the blobs must be on the disk before the index that speaks of them.
            for algorithm in self._names("blobs"):
                _sync_directory(f"{self.path}/blobs/{algorithm}")
            os.rename(fresh, self._index_path)
        except BaseException:
            os.unlink(fresh)
            raise
        finally:
            os.close(fd)
        _sync_directory(self.path)

    def _holds(self, descriptor: Descriptor) -> bool:
        """Whether a small blob is there and undamaged."""
        if not self.has(descriptor):
            return False
        try:
            with self.open_blob(descriptor) as reader:
                reader.finish()
        except Exception:
            return False
        return True

    def _by_digest(self, reference: str) -> Descriptor | None:
        """A manifest that no entry names itself: one inside an index, say."""
        try:
            digest = Digest(reference)
            size = os.stat(self.blob_path(digest)).st_size
            data = self.read(Descriptor("", digest, size))
        except (ImageFormatError, BlobNotFoundError, SizeMismatchError, OSError):
            return None
        document = canonical_json.decode(data, digest)
        media_type = document.get("mediaType") if isinstance(document, dict) else None
        if not isinstance(media_type, str):
            if not isinstance(document, dict):
                return None
            media_type = media_types.INDEX if "manifests" in document else media_types.MANIFEST
        if media_type not in media_types.MANIFESTS | media_types.INDEXES:
            return None
        return Descriptor(media_type, digest, len(data))

    def _names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(f"{self.path}/{directory}"))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _failed(self, doing: str, error: OSError) -> StoreError:
        return StoreError(f"{doing} {self._index_path}: {error.strerror}", subject=self.path)


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
    os.fchmod(fd, 0o644)
    os.fsync(fd)


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown + (", ..." if len(names) > 8 else "") if names else "their digests"
