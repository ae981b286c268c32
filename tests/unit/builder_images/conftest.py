"""A store with images made of a few files, and layouts with the same."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable

import pytest

from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.image import build_image
from builder.layer import Layer
from builder.layout import REF_NAME, Layout
from builder.store import Store

TAR = "application/vnd.oci.image.layer.v1.tar"


def tar_of(*members: tuple) -> bytes:
    """An archive: (name, bytes) files, (name, None) directories, or TarInfo with content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is None and not isinstance(name, tarfile.TarInfo):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.uid, info.gid = os.getuid(), os.getgid()
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


def image_of(layout: Layout, *archives: bytes, platform="amd64", **config) -> Descriptor:
    """An image of these layers; keywords are members of `config`, or of the whole in `top`."""
    layers = [Layer(layout.add(data, TAR), DiffID.of(data)) for data in archives]
    top = config.pop("top", {})
    document = {"architecture": platform, "os": "linux", "config": config, **top}
    return build_image(layout, document, layers)


def enter(layout: Layout, image: Descriptor, name: str | None) -> Descriptor:
    entry = image.replace(annotations={REF_NAME: name} if name else {})
    layout.edit_index(lambda index: index["manifests"].append(entry.to_json()))
    return entry


def damage(layout: Layout, digest, position: int = 0) -> None:
    """Change a byte of a blob."""
    path = layout.blob_path(digest)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 1]))


@pytest.fixture
def store(tmp_path):
    with Store(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


@pytest.fixture
def make() -> Callable[..., Descriptor]:
    return image_of


@pytest.fixture
def archive():
    return tar_of


@pytest.fixture
def put():
    return enter


@pytest.fixture
def harm():
    return damage


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs a command line; gives its status, standard output and standard error."""
    from builder.cli.main import run

    monkeypatch.setenv("PYOCI_BUILDER_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PYOCI_BUILDER_PASSWORD", "secret")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str):
        status = run(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call
