"""Every blob of an image against its digest and its size."""

from __future__ import annotations

import os

import pytest

from builder import canonical_json, media_types
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import BlobNotFoundError, BuilderError, DigestMismatchError, ImageFormatError
from builder.image import Image
from builder.images.check import check_image, find_faults


@pytest.fixture
def image(layout, make, archive):
    return make(layout, archive(("a", b"a")), archive(("b", b"b")))


def index_of(layout, *images) -> Descriptor:
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [image.to_json() for image in images],
    }
    return layout.add(canonical_json.encode(document), media_types.INDEX)


def test_all_blobs_are_read(layout, image) -> None:
    assert [blob.role for blob in check_image(layout, image)] == [
        *("manifest", "config", "layer", "layer"),
    ]


def test_layer_that_is_there_twice_is_read_once(layout, make, archive) -> None:
    data = archive(("a", b"a"))
    image = make(layout, data, data)
    assert [blob.role for blob in check_image(layout, image)] == ["manifest", "config", "layer"]


def test_each_damaged_blob_is_noticed(layout, image, harm) -> None:
    for blob in check_image(layout, image):
        harm(layout, blob.descriptor.digest)
        with pytest.raises(DigestMismatchError, match=blob.descriptor.digest.hex):
            check_image(layout, image)
        harm(layout, blob.descriptor.digest)
    check_image(layout, image)


def test_truncated_and_lengthened_layers_are_noticed(layout, image) -> None:
    layer = Image.load(layout, image).layers[1]
    path = layout.blob_path(layer.digest)
    os.chmod(path, 0o644)
    for size in (layer.size - 1, layer.size + 1):
        os.truncate(path, size)
        with pytest.raises(BuilderError):
            check_image(layout, image)


def test_missing_layer_is_noticed(layout, image) -> None:
    os.unlink(layout.blob_path(Image.load(layout, image).layers[0].digest))
    with pytest.raises(BlobNotFoundError):
        check_image(layout, image)


def test_all_faults_of_an_image_are_found(layout, image, harm) -> None:
    layers = Image.load(layout, image).layers
    assert find_faults(layout, image) == []
    for layer in layers:
        harm(layout, layer.digest)
    faults = find_faults(layout, image)
    assert [fault.code for fault in faults] == ["digest-mismatch", "digest-mismatch"]


def test_each_image_of_an_index_is_checked(layout, make, archive, image, harm) -> None:
    other = make(layout, archive(("c", b"c")), platform="arm64")
    index = index_of(layout, image, other)
    roles = [blob.role for blob in check_image(layout, index)]
    assert roles.count("manifest") == 2
    harm(layout, Image.load(layout, other).layers[0].digest)
    with pytest.raises(DigestMismatchError):
        check_image(layout, index)


def test_index_inside_index_without_end_is_refused(layout, image) -> None:
    inner = image
    for _ in range(6):
        inner = index_of(layout, inner)
    with pytest.raises(ImageFormatError, match="indexes inside indexes"):
        check_image(layout, inner)


@pytest.mark.parametrize("manifests", [None, {}, "x", [None], [{"mediaType": 1}]])
def test_malformed_index_is_refused(layout, manifests) -> None:
    document = {"schemaVersion": 2, "manifests": manifests}
    index = layout.add(canonical_json.encode(document), media_types.INDEX)
    with pytest.raises(ImageFormatError):
        check_image(layout, index)


def test_unknown_entries_of_an_index_are_read_too(layout, image, harm) -> None:
    blob = layout.add(b"something", "application/x-unknown")
    index = index_of(layout, image, blob)
    assert check_image(layout, index)[-1].role == "other"
    harm(layout, blob.digest)
    with pytest.raises(DigestMismatchError):
        check_image(layout, index)


def test_digest_of_nothing_is_not_found(layout) -> None:
    nothing = Descriptor(media_types.MANIFEST, Digest.of(b""), 0)
    with pytest.raises(BlobNotFoundError):
        check_image(layout, nothing)
