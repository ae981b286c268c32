"""The tar stream of a layer's blob, held against its digest, its size and its DiffID."""

from __future__ import annotations

from builder import media_types
from builder.digest import DiffID
from builder.errors import DigestMismatchError, ImageFormatError
from builder.layer.decompression import decompressor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from builder.layer.layer import Layer
    from builder.layout import Layout


class LayerStream:
    """The uncompressed bytes of a layer. A context manager.

    What `read` gives is verified only when `finish` has returned.
    """

    def __init__(self, layout: Layout, layer: Layer) -> None:
        """Open the blob. Raises what `Layout.open_blob` raises, ImageFormatError."""
        self.what = f"layer {layer.descriptor.digest}"
        kind = media_types.LAYER_COMPRESSIONS.get(layer.descriptor.media_type)
        if kind is None:
            raise ImageFormatError(
                f"reading {self.what}: media type {layer.descriptor.media_type} is not a layer's"
            )
        self._layer = layer
        self._hasher = layer.diff_id.hasher()
        self._blob = layout.open_blob(layer.descriptor)
        self._read = decompressor(kind, self._blob.read, self.what)

    def read(self, size: int) -> bytes:
        """At most size bytes, b"" at the end.

        Raises ImageFormatError, DigestMismatchError, SizeMismatchError.
        """
        chunk = self._read(size)
        self._hasher.update(chunk)
        return chunk

    def finish(self) -> None:
        """Read the rest and verify all. Raises what `read` raises."""
        while self.read(1 << 20):
            pass
        self._blob.finish()
        wanted = self._layer.diff_id
        found = DiffID.finished(wanted.algorithm, self._hasher)
        if found != wanted:
            raise DigestMismatchError(
                f"reading {self.what}: uncompressed it has the digest {found}, not the DiffID"
                f" {wanted} of the image's config",
                subject=wanted,
                hint="the image was put together wrongly; get it again",
            )

    def close(self) -> None:
        """Close the blob. Safe to repeat."""
        self._blob.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
