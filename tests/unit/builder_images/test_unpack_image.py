"""An image becomes a bundle, or nothing at all."""

from __future__ import annotations

import json
import os
import stat
import tarfile

import pytest

from builder.errors import (
    BlobNotFoundError,
    BuilderError,
    DigestMismatchError,
    ImageFormatError,
)
from builder.image import Image, build_image
from builder.images.accounts import AccountError
from builder.images.bundle_config import BundleError, Choices
from builder.images.unpack import default_hostname, unpack
from builder.layer import Layer


@pytest.fixture
def bundle(tmp_path) -> str:
    return str(tmp_path / "bundles" / "one")


@pytest.fixture
def nothing_left(bundle):
    """Whatever goes wrong, nothing is left at the bundle's place or beside it."""

    def check() -> None:
        parent = os.path.dirname(bundle)
        assert not os.path.exists(parent) or os.listdir(parent) == []

    return check


def load(layout, image) -> Image:
    return Image.load(layout, image, {"os": "linux", "architecture": "amd64"})


def read(bundle, path) -> bytes:
    with open(f"{bundle}/rootfs/{path}", "rb") as file:
        return file.read()


def special(name, kind, target="") -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o777
    return info, None


def test_layers_lie_on_one_another(layout, make, archive, bundle) -> None:
    image = make(
        layout,
        archive(("d", None), ("d/a", b"old"), ("d/b", b"gone"), ("e", None), ("e/x", b"x")),
        archive(("d/a", b"new"), ("d/.wh.b", b""), ("e/.wh..wh..opq", b""), ("e/y", b"y")),
        Cmd=["/d/a"],
    )
    unpack(load(layout, image), bundle)
    assert read(bundle, "d/a") == b"new"
    assert os.listdir(f"{bundle}/rootfs/d") == ["a"]
    assert os.listdir(f"{bundle}/rootfs/e") == ["y"]


def test_config_json_follows_the_image(layout, make, archive, bundle) -> None:
    passwd = b"app:x:1000:1000::/home/app:/bin/sh\n"
    image = make(
        layout,
        archive(("etc", None), ("etc/passwd", passwd)),
        Entrypoint=["/run"],
        Cmd=["me"],
        User="app",
        WorkingDir="/w",
    )
    document = unpack(load(layout, image), bundle, Choices(hostname="h"))
    with open(f"{bundle}/config.json") as file:
        assert json.load(file) == document
    assert document["process"]["args"] == ["/run", "me"]
    assert document["process"]["user"]["uid"] == 1000
    assert document["process"]["cwd"] == "/w"
    assert document["hostname"] == "h"
    assert document["root"]["path"] == "rootfs"


def test_volume_keeps_what_the_image_has_there(layout, make, archive, bundle) -> None:
    image = make(
        layout,
        archive(("var", None), ("var/data", None), ("var/data/file", b"seed")),
        Cmd=["x"],
        Volumes={"/var/data": {}, "/var/data/inner": {}, "/new": {}},
    )
    document = unpack(load(layout, image), bundle)
    mounts = {m["destination"]: m["source"] for m in document["mounts"]}
    with open(f"{bundle}/{mounts['/var/data']}/file", "rb") as file:
        assert file.read() == b"seed"
    assert os.listdir(f"{bundle}/rootfs/var/data") == []
    assert os.listdir(f"{bundle}/{mounts['/new']}") == []
    order = [m["destination"] for m in document["mounts"]]
    assert order.index("/var/data") < order.index("/var/data/inner")


def test_volume_inside_a_volume_is_a_directory_of_its_own(layout, make, archive, bundle) -> None:
    image = make(
        layout,
        archive(("a", None), ("a/b", None), ("a/b/file", b"inner"), ("a/file", b"outer")),
        Cmd=["x"],
        Volumes={"/a": {}, "/a/b": {}},
    )
    document = unpack(load(layout, image), bundle)
    mounts = {m["destination"]: m["source"] for m in document["mounts"]}
    assert sorted(os.listdir(f"{bundle}/{mounts['/a']}")) == ["b", "file"]
    assert os.listdir(f"{bundle}/{mounts['/a']}/b") == []
    assert os.listdir(f"{bundle}/{mounts['/a/b']}") == ["file"]


def test_volume_keeps_its_mode(layout, make, archive, bundle) -> None:
    directory = tarfile.TarInfo("tmp")
    directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
    image = make(layout, archive((directory, None)), Cmd=["x"], Volumes={"/tmp": {}})
    unpack(load(layout, image), bundle)
    for path in ("volumes/0", "rootfs/tmp"):
        assert stat.S_IMODE(os.stat(f"{bundle}/{path}").st_mode) == 0o1777


def test_volume_behind_a_symlink_stays_in_the_image(
    layout, make, archive, bundle, tmp_path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    image = make(
        layout,
        archive(special("v", tarfile.SYMTYPE, str(outside)), ("real", None), ("real/f", b"f")),
        archive(special("w", tarfile.SYMTYPE, "/../real")),
        Cmd=["x"],
        Volumes={"/v": {}, "/w": {}},
    )
    unpack(load(layout, image), bundle)
    assert os.listdir(outside) == ["precious"]
    assert os.listdir(f"{bundle}/volumes/0") == []
    assert os.listdir(f"{bundle}/volumes/1") == ["f"]


def test_empty_directory_is_filled(layout, make, archive, bundle) -> None:
    os.makedirs(bundle)
    unpack(load(layout, make(layout, archive(("a", b"a")), Cmd=["/a"])), bundle)
    assert read(bundle, "a") == b"a"


@pytest.mark.parametrize("kind", ["file", "full"])
def test_what_is_there_is_left_alone(layout, make, archive, bundle, kind) -> None:
    os.makedirs(os.path.dirname(bundle))
    if kind == "file":
        with open(bundle, "w"):
            pass
    else:
        os.makedirs(f"{bundle}/mine")
    image = make(layout, archive(("a", b"a")), Cmd=["/a"])
    with pytest.raises(BundleError, match="there is something already"):
        unpack(load(layout, image), bundle)
    assert os.path.isfile(bundle) or os.listdir(bundle) == ["mine"]


def test_damaged_layer_leaves_nothing(layout, make, archive, bundle, harm, nothing_left) -> None:
    image = load(layout, make(layout, archive(("a", b"a" * 5000)), Cmd=["/a"]))
    harm(layout, image.layers[0].digest, 3000)
    with pytest.raises(DigestMismatchError):
        unpack(image, bundle)
    nothing_left()


def test_missing_layer_leaves_nothing(layout, make, archive, bundle, nothing_left) -> None:
    image = load(layout, make(layout, archive(("a", b"a")), Cmd=["/a"]))
    os.unlink(layout.blob_path(image.layers[0].digest))
    with pytest.raises(BlobNotFoundError):
        unpack(image, bundle)
    nothing_left()


def test_layer_with_another_diff_id_is_refused(layout, archive, bundle, nothing_left) -> None:
    from builder.digest import DiffID

    blob = layout.add(archive(("a", b"a")), "application/vnd.oci.image.layer.v1.tar")
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/a"]}}
    image = build_image(layout, config, [Layer(blob, DiffID.of(b"something else"))])
    with pytest.raises(DigestMismatchError, match="DiffID"):
        unpack(load(layout, image), bundle)
    nothing_left()


def test_unknown_user_leaves_nothing(layout, make, archive, bundle, nothing_left) -> None:
    image = make(layout, archive(("a", b"a")), Cmd=["/a"], User="nobody-here")
    with pytest.raises(AccountError):
        unpack(load(layout, image), bundle)
    nothing_left()


@pytest.mark.parametrize(
    "members",
    [
        [("../escape", b"x")],
        [("/../escape", b"x")],
        [("a/../../escape", b"x")],
        [special("link", tarfile.LNKTYPE, "../../../../etc/passwd")],
        [special("link", tarfile.LNKTYPE, "/etc/hostname")],
    ],
)
def test_hostile_layer_writes_nothing_outside(
    layout, make, archive, bundle, members, tmp_path
) -> None:
    image = make(layout, archive(*members), Cmd=["x"])
    try:
        unpack(load(layout, image), bundle)
    except BuilderError:
        pass
    assert not (tmp_path / "escape").exists()
    assert not (tmp_path / "bundles" / "escape").exists()
    link = f"{bundle}/rootfs/link"
    assert not os.path.lexists(link) or os.stat(link).st_nlink == 1


def test_file_is_not_written_through_a_symlink_of_the_image(
    layout, make, archive, bundle, tmp_path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    image = make(
        layout,
        archive(special("d", tarfile.SYMTYPE, str(outside))),
        archive(("d/file", b"x")),
        Cmd=["x"],
    )
    try:
        unpack(load(layout, image), bundle)
    except BuilderError:
        pass
    assert os.listdir(outside) == []


def test_hostile_volumes_are_refused_before_anything_is_unpacked(
    layout, make, archive, bundle, nothing_left
) -> None:
    image = make(layout, archive(("a", b"a")), Cmd=["x"], Volumes={"/../../x": {}})
    with pytest.raises(ImageFormatError):
        unpack(load(layout, image), bundle)
    nothing_left()


@pytest.mark.parametrize(
    ("bundle", "hostname"),
    [("/x/my-app", "my-app"), ("/x/My App.v1/", "My-App-v1"), ("/x/---", "container")],
)
def test_host_name_is_made_of_the_bundle_s(bundle, hostname) -> None:
    assert default_hostname(bundle) == hostname
