"""Layers as blobs: written in one pass, read only if DiffID and digest are right."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from builder import media_types
from builder.digest import DiffID
from builder.errors import DigestMismatchError, ImageFormatError
from builder.layer import Layer
from builder.layer import entry as kinds
from builder.layer.compression import Compression
from builder.layer.entry import Entry
from builder.layer.stream import LayerStream
from builder.layer.tar_reader import TarReader
from builder.layer.write import write_layer
from builder.layout import Layout

ENTRIES = [
    Entry(b"d", kinds.DIRECTORY, 0o755, mtime=10),
    Entry.of_bytes(b"d/f", b"x" * 3_000_000, mtime=20),
]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


def content(layout: Layout, layer: Layer) -> bytes:
    with LayerStream(layout, layer) as stream:
        data = b"".join(iter(lambda: stream.read(10_000), b""))
        stream.finish()
    return data


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
def test_the_diff_id_is_that_of_the_tar_stream(layout: Layout, kind: str) -> None:
    layer = write_layer(layout, ENTRIES, Compression(kind))
    data = content(layout, layer)
    assert layer.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert layer.uncompressed_size == len(data)
    assert layer.descriptor.media_type == media_types.LAYERS[kind]
    blob = Path(layout.blob_path(layer.descriptor.digest)).read_bytes()
    assert layer.descriptor.size == len(blob)
    assert layer.descriptor.digest == "sha256:" + hashlib.sha256(blob).hexdigest()


def test_compression_changes_the_digest_but_not_the_diff_id(layout: Layout) -> None:
    layers = [write_layer(layout, ENTRIES, Compression(kind)) for kind in ("none", "gzip", "zstd")]
    assert len({layer.diff_id for layer in layers}) == 1
    assert len({layer.descriptor.digest for layer in layers}) == 3


def test_the_same_entries_give_the_same_layer(layout: Layout) -> None:
    assert write_layer(layout, ENTRIES) == write_layer(layout, iter(ENTRIES))


def test_times_after_the_epoch_are_set_to_it(layout: Layout) -> None:
    layer = write_layer(layout, ENTRIES, epoch=15)
    with LayerStream(layout, layer) as stream:
        assert [entry.mtime for entry in TarReader(stream.read, "it")] == [10, 15]


def test_annotations_stand_in_the_descriptor(layout: Layout) -> None:
    layer = write_layer(layout, ENTRIES, annotations={"a": "b"})
    assert layer.descriptor.annotations == {"a": "b"}


def test_a_layer_with_another_diff_id_is_refused(layout: Layout) -> None:
    layer = write_layer(layout, ENTRIES)
    wrong = Layer(layer.descriptor, DiffID.of(b"other"))
    with pytest.raises(DigestMismatchError, match=f"not the DiffID {wrong.diff_id}"):
        content(layout, wrong)


def test_a_layer_whose_blob_was_changed_is_refused(layout: Layout) -> None:
    layer = write_layer(layout, ENTRIES, Compression("none"))
    path = Path(layout.blob_path(layer.descriptor.digest))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DigestMismatchError):
        content(layout, layer)


def test_bytes_behind_a_compressed_stream_are_not_passed_over(layout: Layout) -> None:
    layer = write_layer(layout, ENTRIES, Compression("gzip"))
    blob = Path(layout.blob_path(layer.descriptor.digest)).read_bytes()
    longer = layout.add(blob + b"rubbish", media_types.LAYER_GZIP)
    with pytest.raises(ImageFormatError, match="damaged gzip stream"):
        content(layout, Layer(longer, layer.diff_id))


def test_a_blob_of_another_type_is_no_layer(layout: Layout) -> None:
    blob = layout.add(b"{}", media_types.CONFIG)
    with pytest.raises(ImageFormatError, match="is not a layer's"):
        LayerStream(layout, Layer(blob, DiffID.of(b"")))


def test_an_entry_that_fails_leaves_no_blob(layout: Layout) -> None:
    with pytest.raises(ValueError):
        write_layer(layout, [*ENTRIES, Entry(b"bad", kinds.FILE, uid=-1)])
    assert list(Path(layout.path, "blobs", "sha256").iterdir()) == []
