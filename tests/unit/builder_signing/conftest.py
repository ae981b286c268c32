"""A small image in a layout, and keys."""

from __future__ import annotations

import io
import tarfile

import pytest

from builder import canonical_json
from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.image import build_image
from builder.layer import Layer
from builder.layout import REF_NAME, Layout
from builder.signing import PrivateKey


def add_image(layout: Layout, name: str, content: bytes = b"hello") -> Descriptor:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    data = stream.getvalue()
    blob = layout.add(data, "application/vnd.oci.image.layer.v1.tar")
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/file"]}}
    image = build_image(layout, config, [Layer(blob, DiffID.of(data))])
    image = image.replace(annotations={REF_NAME: name})
    layout.edit_index(lambda index: index["manifests"].append(image.to_json()))
    return image


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


@pytest.fixture
def image(layout) -> Descriptor:
    return add_image(layout, "docker.io/me/tool:1")


@pytest.fixture
def another_image(layout, image) -> Descriptor:
    return add_image(layout, "docker.io/me/other:1", b"another")


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.generate("first.key")


@pytest.fixture(scope="session")
def other_key() -> PrivateKey:
    return PrivateKey.generate("other.key")


@pytest.fixture
def index_of():
    """index.json as it is on the disk."""

    def read(layout: Layout):
        with open(f"{layout.path}/index.json", "rb") as file:
            return canonical_json.decode(file.read(), "index.json")

    return read
