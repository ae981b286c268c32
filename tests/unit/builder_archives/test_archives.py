"""Archives: what is written is read again, by either name; what is damaged or hostile is not."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from builder.archives import read_archive, write_archive
from builder.digest import DiffID, Digest
from builder.errors import BlobNotFoundError, BuilderError, DigestMismatchError, ImageFormatError
from builder.image import Image, build_image
from builder.layer import Layer
from builder.layout import Layout
from builder.signing import payload as simple_signing
from builder.signing.payload import Payload
from builder.signing.storage import add_signature, read_signatures, signature_tag
from builder.signing.verify import Candidate
from builder.transport.source import take_accessories

NAME = "docker.io/library/tool:1"
TAR = "application/vnd.oci.image.layer.v1.tar"


def tar_of(*members: tuple) -> bytes:
    """(name, bytes) files, (name, str) symbolic links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


LAYER = tar_of(("file", b"content"))


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout.create(str(tmp_path / "source"))


@pytest.fixture
def target(tmp_path) -> Layout:
    return Layout.create(str(tmp_path / "target"))


@pytest.fixture
def image(layout):
    layers = [Layer(layout.add(LAYER, TAR), DiffID.of(LAYER))]
    return build_image(layout, {"architecture": "amd64", "os": "linux"}, layers)


def written(layout, *images, **options) -> bytes:
    stream = io.BytesIO()
    write_archive(stream.write, layout, images, **options)
    return stream.getvalue()


def read(data: bytes, target: Layout):
    images, _ = read_archive(io.BytesIO(data), target, "a.tar")
    return [(one.descriptor.digest, one.names) for one in images]


def test_an_archive_is_read_again(layout, image, target) -> None:
    data = written(layout, (image, [NAME]))
    assert read(data, target) == [(image.digest, (NAME,))]
    assert target.read(Image.load(target, image).layers[0]) == LAYER
    assert data == written(layout, (image, [NAME]))


def test_a_compressed_archive_is_read(layout, image, target) -> None:
    data = gzip.compress(written(layout, (image, [NAME]), docker=False))
    assert read(data, target) == [(image.digest, (NAME,))]


def test_docker_finds_config_layers_and_names(layout, image) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(layout, (image, [NAME])))) as tar:
        (item,) = json.load(tar.extractfile("manifest.json"))
        assert item["RepoTags"] == ["tool:1"]
        assert tar.extractfile(item["Layers"][0]).read() == LAYER
        config = json.load(tar.extractfile(item["Config"]))
    assert config["rootfs"]["diff_ids"] == [DiffID.of(LAYER)]


def test_an_oci_archive_has_nothing_of_dockers(layout, image) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(layout, (image, []), docker=False))) as tar:
        assert "manifest.json" not in tar.getnames()


def test_signatures_are_in_it(layout, image, target, tmp_path) -> None:
    payload = simple_signing.encode(Payload(image.digest, "docker.io/library/tool"))
    add_signature(layout, image, Candidate(payload, "c2lnbmF0dXJl"))
    data = written(layout, (image, [NAME]))
    _, accessories = read_archive(io.BytesIO(data), target, "a.tar")
    take_accessories(target, accessories)
    assert len(read_signatures(target, image.digest)) == 1
    assert signature_tag(image.digest) in (tmp_path / "target/index.json").read_text()


def docker_archive(layer: bytes = LAYER, *more: tuple, name: str = "x/layer.tar") -> bytes:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [DiffID.of(LAYER)]},
    }
    manifest = [{"Config": "c.json", "RepoTags": ["tool:1"], "Layers": [name]}]
    return tar_of(
        ("c.json", json.dumps(config).encode()),
        ("x/layer.tar", layer),
        *more,
        ("manifest.json", json.dumps(manifest).encode()),
    )


@pytest.mark.parametrize("layer", [LAYER, gzip.compress(LAYER)])
def test_an_archive_of_docker_is_read(target, layer) -> None:
    ((digest, names),) = read(docker_archive(layer), target)
    assert names == (NAME,)
    image = Image.load(target, target.resolve(digest))
    assert image.layers[0].digest == Digest.of(layer)
    assert image.config_descriptor.digest == Digest.of(image.config_bytes)


def test_a_link_in_an_archive_of_docker_is_followed_inside_it(target) -> None:
    link = ("y/layer.tar", "../x/layer.tar")
    assert len(read(docker_archive(LAYER, link, name="y/layer.tar"), target)) == 1


@pytest.mark.parametrize("goal", ["/etc/passwd", "../../../../etc/passwd", "y/layer.tar"])
def test_a_link_out_of_the_archive_leads_nowhere(target, goal) -> None:
    with pytest.raises(ImageFormatError, match=r"no file 'y/layer\.tar'"):
        read(docker_archive(LAYER, ("y/layer.tar", goal), name="y/layer.tar"), target)


def test_a_layer_that_the_config_does_not_know_is_refused(target) -> None:
    with pytest.raises(DigestMismatchError, match=r"layer x/layer\.tar"):
        read(docker_archive(tar_of(("file", b"other"))), target)


def test_a_blob_that_is_not_what_it_is_called_is_refused(target) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    with pytest.raises(
        DigestMismatchError, match=rf"reading a\.tar: the bytes of blobs/sha256/{digest}"
    ):
        read(tar_of((f"blobs/sha256/{digest}", b"y")), target)
    assert not target.has(Digest(f"sha256:{digest}"))


def test_a_missing_blob_is_named(layout, image, target) -> None:
    gone = f"blobs/sha256/{Digest.of(LAYER).hex}"
    kept = []
    with tarfile.open(fileobj=io.BytesIO(written(layout, (image, [NAME])))) as tar:
        for member in tar.getmembers():
            if member.isfile() and member.name != gone:
                kept.append((member.name, tar.extractfile(member).read()))
    with pytest.raises(BlobNotFoundError, match=Digest.of(LAYER)):
        read(tar_of(*kept), target)


@pytest.mark.parametrize(
    "data",
    [
        LAYER,
        b"",
        b"no archive at all" * 100,
        tar_of(("index.json", b"[]")),
        tar_of(("index.json", b'{"manifests": 1}')),
        tar_of(("manifest.json", b"{}")),
        tar_of(("manifest.json", b'[{"Config": 1}]')),
        tar_of(("manifest.json", b'[{"Config": "../../etc/passwd", "Layers": []}]')),
    ],
)
def test_what_is_no_archive_is_refused(target, data) -> None:
    with pytest.raises(BuilderError, match="reading|a.tar"):
        read(data, target)
