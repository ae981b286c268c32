"""From entries to a layer blob, in one pass: tar, DiffID, compressor, digest, file.

entries ──TarWriter──▶ tar stream ──┬──▶ DiffID
                                    └──▶ compressor ──▶ BlobWriter (digest, size)
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from builder import media_types
from builder.digest import DiffID
from builder.layer.compression import Compression, compressor
from builder.layer.layer import Layer
from builder.layer.tar_writer import TarWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.layer.entry import Entry
    from builder.layout import Layout


def write_layer(
    layout: Layout,
    entries: Iterable[Entry],
    compression: Compression = Compression(),  # noqa: B008
    *,
    epoch: int | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Layer:
    """Write the blob of a layer; entries are written in the order they come in.

    The same entries and the same compression give the same bytes. No mtime is later than epoch
    (seconds since 1970; None: any). Raises StoreError, OSError when a
    file cannot be read, ValueError for an entry that tar has no form for.
    """
    diff = hashlib.sha256()
    size = 0
    with layout.writer() as blob, compressor(compression, blob.write) as compress:

        def sink(data: bytes | bytearray | memoryview) -> None:
            nonlocal size
            diff.update(data)
            size += len(data)
            compress.write(data)

        tar = TarWriter(sink)
        for entry in entries:
            if epoch is not None and entry.mtime > epoch:
                entry = replace(entry, mtime=epoch)
            tar.add(entry)
        tar.finish()
        compress.finish()
        descriptor = blob.commit(
            media_types.LAYERS[compression.kind], annotations=dict(annotations or {})
        )
    return Layer(descriptor, DiffID.finished("sha256", diff), size)
