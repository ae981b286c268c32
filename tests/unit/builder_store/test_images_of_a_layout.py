"""Images: manifest, config and layers in agreement; indexes; hostile documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builder import media_types
from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.errors import (
    BlobNotFoundError,
    DigestMismatchError,
    ImageFormatError,
    ImageNotFoundError,
)
from builder.image import Image, build_image
from builder.layer import Layer
from builder.layout import Layout

CONFIG: dict[str, Any] = {"architecture": "amd64", "os": "linux", "config": {"Env": ["A=<b>"]}}
LINUX = {"os": "linux", "architecture": "amd64"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


def _layer(layout: Layout, data: bytes, media_type: str = media_types.LAYER_TAR) -> Layer:
    return Layer(layout.add(data, media_type), DiffID.of(data), len(data))


def _raw(layout: Layout, document: object, media_type: str) -> Descriptor:
    return layout.add(json.dumps(document).encode(), media_type)


def _index(layout: Layout, *entries: dict[str, Any]) -> Descriptor:
    return _raw(layout, {"schemaVersion": 2, "manifests": list(entries)}, media_types.INDEX)


def test_an_image_is_read_back_as_it_was_written(layout: Layout) -> None:
    layers = [_layer(layout, b"1"), _layer(layout, b"2")]
    descriptor = build_image(layout, CONFIG, layers, {"b": "2", "a": "1"})
    assert descriptor.platform == LINUX
    image = Image.load(layout, descriptor)
    assert image.layers == [layer.descriptor for layer in layers]
    assert image.diff_ids == [layer.diff_id for layer in layers]
    assert [layer.diff_id for layer in image.stack] == image.diff_ids
    assert image.config["config"] == {"Env": ["A=<b>"]}
    assert image.annotations == {"a": "1", "b": "2"}
    assert image.platform == LINUX
    assert b"\\u003cb\\u003e" in image.config_bytes
    assert layout.read(descriptor) == image.manifest_bytes


def test_the_same_image_has_the_same_bytes(layout: Layout) -> None:
    layers = [_layer(layout, b"1")]
    assert build_image(layout, CONFIG, layers) == build_image(layout, dict(CONFIG), layers)


def test_the_manifest_is_what_other_tools_write(layout: Layout) -> None:
    layer = _layer(layout, b"1")
    image = Image.load(layout, build_image(layout, CONFIG, [layer]))
    assert list(image.manifest) == ["schemaVersion", "mediaType", "config", "layers"]
    assert image.manifest["layers"] == [
        {"mediaType": media_types.LAYER_TAR, "digest": layer.descriptor.digest, "size": 1}
    ]


def test_layers_of_docker_images_get_oci_names(layout: Layout) -> None:
    layer = _layer(layout, b"1", media_types.DOCKER_LAYER_GZIP)
    image = Image.load(layout, build_image(layout, CONFIG, [layer]))
    assert image.layers[0].media_type == media_types.LAYER_GZIP
    assert image.layers[0].digest == layer.descriptor.digest


def test_images_that_docker_wrote_are_read(layout: Layout) -> None:
    layer = _layer(layout, b"1", media_types.DOCKER_LAYER_GZIP)
    config = {**CONFIG, "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.DOCKER_MANIFEST,
        "config": _raw(layout, config, media_types.DOCKER_CONFIG).to_json(),
        "layers": [layer.descriptor.to_json()],
    }
    image = Image.load(layout, _raw(layout, manifest, media_types.DOCKER_MANIFEST))
    assert image.diff_ids == [layer.diff_id]


def test_a_history_that_tells_of_other_layers_is_not_written(layout: Layout) -> None:
    config = {**CONFIG, "history": [{"created_by": "x"}, {"empty_layer": True}]}
    assert build_image(layout, config, [_layer(layout, b"1")])
    with pytest.raises(ImageFormatError, match="2 layers, but its history tells of 1"):
        build_image(layout, config, [_layer(layout, b"1"), _layer(layout, b"2")])


def test_a_config_without_a_platform_is_not_written(layout: Layout) -> None:
    with pytest.raises(ImageFormatError, match="no architecture"):
        build_image(layout, {"os": "linux"}, [])


def _manifest(layout: Layout, **changes: Any) -> Descriptor:
    layer = _layer(layout, b"1")
    config = {**CONFIG, "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": _raw(layout, config, media_types.CONFIG).to_json(),
        "layers": [layer.descriptor.to_json()],
        **changes,
    }
    return _raw(layout, document, media_types.MANIFEST)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schemaVersion": 1}, "schemaVersion must be 2"),
        ({"schemaVersion": None}, "schemaVersion must be 2"),
        ({"config": None}, "a descriptor must be an object"),
        ({"layers": None}, "layers must be a list"),
        ({"layers": {}}, "layers must be a list"),
        ({"layers": []}, "0 layers, but its config lists 1"),
        ({"layers": [1]}, "a descriptor must be an object"),
        ({"mediaType": media_types.INDEX}, "it says it is"),
        ({"manifests": []}, "with manifests"),
        ({"annotations": {"a": 1}}, "annotations"),
    ],
)
def test_a_wrong_manifest_is_refused(layout: Layout, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ImageFormatError, match=why):
        Image.load(layout, _manifest(layout, **changes))


def test_layers_of_unknown_types_are_refused(layout: Layout) -> None:
    layer = {**_layer(layout, b"1").descriptor.to_json(), "mediaType": "application/x"}
    with pytest.raises(ImageFormatError, match="application/x is not that of a layer"):
        Image.load(layout, _manifest(layout, layers=[layer]))


@pytest.mark.parametrize(
    "config",
    [
        [],
        {},
        {"rootfs": None},
        {"rootfs": {"diff_ids": [1]}},
        {"rootfs": {"diff_ids": ["x"]}},
        {"rootfs": {"diff_ids": None}},
    ],
)
def test_a_wrong_config_is_refused(layout: Layout, config: object) -> None:
    descriptor = _raw(layout, config, media_types.CONFIG).to_json()
    with pytest.raises(ImageFormatError):
        Image.load(layout, _manifest(layout, config=descriptor))


def test_an_artifact_is_not_an_image(layout: Layout) -> None:
    config = {**_raw(layout, {}, media_types.EMPTY).to_json()}
    artifact = _manifest(layout, config=config, artifactType="application/vnd.example")
    with pytest.raises(ImageFormatError, match=r"artifact of type application/vnd\.example"):
        Image.load(layout, artifact)


def test_a_manifest_whose_bytes_were_changed_is_refused(layout: Layout) -> None:
    descriptor = _manifest(layout)
    path = Path(layout.blob_path(descriptor.digest))
    path.write_bytes(path.read_bytes().replace(b"2", b"1", 1))
    with pytest.raises(DigestMismatchError):
        Image.load(layout, descriptor)


def test_a_config_whose_bytes_were_changed_is_refused(layout: Layout) -> None:
    image = Image.load(layout, _manifest(layout))
    path = Path(layout.blob_path(image.config_descriptor.digest))
    path.write_bytes(path.read_bytes().replace(b"amd64", b"arm64"))
    with pytest.raises(DigestMismatchError):
        Image.load(layout, image.descriptor)


def test_a_manifest_that_is_missing_is_said(layout: Layout) -> None:
    descriptor = _manifest(layout)
    Path(layout.blob_path(descriptor.digest)).unlink()
    with pytest.raises(BlobNotFoundError):
        Image.load(layout, descriptor)


def _for(layout: Layout, architecture: str, **platform: str) -> dict[str, Any]:
    config = {**CONFIG, "architecture": architecture}
    built = build_image(layout, config, [_layer(layout, architecture.encode())])
    entry = built.replace(platform={"os": "linux", "architecture": architecture, **platform})
    return entry.to_json()


def test_an_index_gives_the_image_of_the_platform(layout: Layout) -> None:
    index = _index(layout, _for(layout, "amd64"), _for(layout, "arm64", variant="v8"))
    for platform in (LINUX, {"os": "linux", "architecture": "arm64"}):
        image = Image.load(layout, index, platform)
        assert image.config["architecture"] == platform["architecture"]


def test_the_first_of_several_matches_wins(layout: Layout) -> None:
    first, second = _for(layout, "amd64"), _for(layout, "riscv64")
    second["platform"] = first["platform"]
    image = Image.load(layout, _index(layout, first, second), LINUX)
    assert image.config["architecture"] == "amd64"


@pytest.mark.parametrize(("wanted", "found"), [("v7", "v7"), ("v6", "v6"), ("v8", "v7")])
def test_an_earlier_variant_stands_in_for_a_later_one(
    layout: Layout, wanted: str, found: str
) -> None:
    entries = [_for(layout, "arm", variant=variant) for variant in ("v7", "v6")]
    chosen = Image.load(
        layout,
        _index(layout, *entries),
        {"os": "linux", "architecture": "arm", "variant": wanted},
    )
    expected = next(e for e in entries if e["platform"]["variant"] == found)
    assert chosen.descriptor.digest == expected["digest"]


def test_a_later_variant_does_not_stand_in_for_an_earlier_one(layout: Layout) -> None:
    index = _index(layout, _for(layout, "arm", variant="v7"))
    with pytest.raises(
        ImageNotFoundError, match=r"no image for linux/arm/v6 \(it has: linux/arm/v"
    ):
        Image.load(layout, index, {"os": "linux", "architecture": "arm", "variant": "v6"})


def test_entries_of_unknown_media_types_are_passed_over(layout: Layout) -> None:
    strange = {**_for(layout, "amd64"), "mediaType": "application/vnd.future"}
    image = Image.load(layout, _index(layout, strange, _for(layout, "amd64")), LINUX)
    assert image.config["architecture"] == "amd64"


def test_an_index_inside_an_index_is_followed_but_not_for_ever(layout: Layout) -> None:
    entry = _for(layout, "amd64")
    inner = _index(layout, entry)
    assert Image.load(layout, _index(layout, inner.to_json()), LINUX)
    for _ in range(6):
        inner = _index(layout, inner.to_json())
    with pytest.raises(ImageFormatError, match="indexes inside indexes"):
        Image.load(layout, inner, LINUX)


def test_an_index_that_calls_itself_a_manifest_is_refused(layout: Layout) -> None:
    index = _index(layout, _for(layout, "amd64"))
    with pytest.raises(ImageFormatError):
        Image.load(layout, index.replace(media_type=media_types.MANIFEST))


def test_a_copy_in_another_layout_is_whole(layout: Layout, tmp_path: Path) -> None:
    image = Image.load(layout, _manifest(layout))
    copy = image.copy_to(Layout.create(str(tmp_path / "other")))
    assert copy.manifest_bytes == image.manifest_bytes
    for layer in copy.layers:
        copy.layout.open_blob(layer).finish()
    assert copy.layout.index() == []
