"""Layers from the cache in the compression that this build asks for."""

from __future__ import annotations

import hashlib

from builder import media_types
from builder.blob import CHUNK
from builder.digest import DiffID
from builder.errors import DigestMismatchError
from builder.graph.keys import key_of
from builder.layer import Layer
from builder.layer.compression import Compression, compressor
from builder.layer.decompression import decompressor
from builder.store import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.store import Store


def in_compression(store: Store, layer: Layer, compression: Compression) -> Layer:
    """The layer compressed as asked for, made once and kept; the DiffID stays what it was.

    The level counts only when a layer is compressed anew. Raises DigestMismatchError for a damaged
    blob, StoreError.
    """
    kind = media_types.LAYER_COMPRESSIONS[layer.descriptor.media_type]
    if kind == compression.kind:
        return layer
    key = key_of(
        {
            "kind": "compression",
            "layer": str(layer.diff_id),
            "compression": compression.kind,
            "level": compression.level,
        }
    )
    record = store.cache.get(key)
    if record is not None and record.layer and store.layout.has(record.layer.descriptor):
        return record.layer
    made = _recompressed(store, layer, kind, compression)
    store.cache.put(Record(key, "", "compression", made))
    return made


def _recompressed(store: Store, layer: Layer, kind: str, compression: Compression) -> Layer:
    diff = hashlib.sha256()
    size = 0
    with (
        store.layout.open_blob(layer.descriptor) as blob,
        store.layout.writer() as writer,
        compressor(compression, writer.write) as compress,
    ):
        read = decompressor(kind, blob.read, f"layer {layer.descriptor.digest}")
        while chunk := read(CHUNK):
            diff.update(chunk)
            size += len(chunk)
            compress.write(chunk)
        blob.finish()
        compress.finish()
        if DiffID.finished("sha256", diff) != layer.diff_id:
            raise DigestMismatchError(
                f"layer {layer.descriptor.digest} is not what the cache says it is",
                subject=layer.descriptor.digest,
                hint="build with --no-cache",
            )
        descriptor = writer.commit(media_types.LAYERS[compression.kind])
    return Layer(descriptor, layer.diff_id, size)
