"""A root file system becomes a base image."""

from __future__ import annotations

import gzip
import io
import os

import pytest

from builder.dockerfile import DockerfileError
from builder.dockerfile.platforms import Platform
from builder.errors import BuilderError
from builder.image import Image
from builder.images.history import history_of
from builder.images.imports import (
    ImportFailedError,
    Wanted,
    import_archive,
    import_directory,
    open_archive,
)
from builder.images.unpack import unpack
from builder.layer.compression import Compression

PLATFORM = Platform("linux", "amd64")


def wanted(**fields) -> Wanted:
    return Wanted(**{"platform": PLATFORM, "compression": Compression(), "epoch": 1000, **fields})


def load(layout, descriptor) -> Image:
    return Image.load(layout, descriptor, PLATFORM)


@pytest.fixture
def rootfs(tmp_path):
    top = tmp_path / "rootfs"
    (top / "bin").mkdir(parents=True)
    (top / "bin/tool").write_bytes(b"#!/bin/sh\n")
    os.chmod(top / "bin/tool", 0o4755)
    os.link(top / "bin/tool", top / "bin/same")
    os.symlink("tool", top / "bin/link")
    os.mkfifo(top / "fifo", 0o600)
    (top / "empty").mkdir(mode=0o700)
    return top


def test_archive_becomes_an_image(layout, archive) -> None:
    data = archive(("bin", None), ("bin/sh", b"x"))
    image = load(layout, import_archive(layout, io.BytesIO(data), "root.tar", wanted()))
    assert image.platform == {"architecture": "amd64", "os": "linux"}
    assert image.config["config"]["Cmd"] == ["/bin/sh"]
    assert image.config["config"]["Env"][0].startswith("PATH=/")
    assert image.config["created"] == "1970-01-01T00:16:40Z"
    assert [entry.created_by for entry in history_of(image)] == ["import root.tar"]


def test_compressed_archive_gives_the_same_image(layout, archive) -> None:
    data = archive(("a", b"x"))
    plain = import_archive(layout, io.BytesIO(data), "x", wanted())
    packed = import_archive(layout, io.BytesIO(gzip.compress(data)), "x", wanted())
    assert plain.digest == packed.digest


def test_directory_keeps_links_modes_and_kinds(layout, rootfs, tmp_path) -> None:
    image = load(layout, import_directory(layout, str(rootfs), wanted()))
    bundle = str(tmp_path / "bundle")
    unpack(image, bundle)
    top = f"{bundle}/rootfs"
    assert os.stat(f"{top}/bin/tool").st_mode & 0o7777 == 0o4755
    assert os.stat(f"{top}/bin/tool").st_ino == os.stat(f"{top}/bin/same").st_ino
    assert os.readlink(f"{top}/bin/link") == "tool"
    assert os.stat(f"{top}/empty").st_mode & 0o777 == 0o700
    assert (os.lstat(f"{top}/fifo").st_mode & 0o170000) == 0o010000


def test_same_files_give_the_same_digest_wherever_they_are(layout, rootfs, tmp_path) -> None:
    import shutil

    copy = tmp_path / "elsewhere" / "rootfs"
    shutil.copytree(rootfs, copy, symlinks=True, ignore=shutil.ignore_patterns("fifo", "same"))
    os.link(copy / "bin/tool", copy / "bin/same")
    os.mkfifo(copy / "fifo", 0o600)
    first = import_directory(layout, str(rootfs), wanted())
    assert import_directory(layout, str(copy), wanted()).digest == first.digest


def test_later_times_become_the_epoch_and_change_nothing(layout, rootfs) -> None:
    first = import_directory(layout, str(rootfs), wanted())
    os.utime(rootfs / "bin/tool", (2_000_000_000, 2_000_000_000))
    assert import_directory(layout, str(rootfs), wanted()).digest == first.digest


def test_changes_are_instructions(layout, archive) -> None:
    changes = ("ENV A=1", "user app", 'ENTRYPOINT ["/e"]', "LABEL x=y", "WORKDIR /w")
    data = io.BytesIO(archive(("a", b"x")))
    image = load(layout, import_archive(layout, data, "x", wanted(changes=changes)))
    config = image.config["config"]
    assert config["Env"][-1] == "A=1"
    assert (config["User"], config["WorkingDir"]) == ("app", "/w")
    assert config["Entrypoint"] == ["/e"]
    assert config["Labels"] == {"x": "y"}
    assert len(image.layers) == 1
    assert len(history_of(image)) == 1 + len(changes)


@pytest.mark.parametrize("change", ["RUN x", "FROM x", "COPY a b", "", "ENV A=1\nRUN x", "FOO"])
def test_change_that_is_none_is_refused(layout, archive, change) -> None:
    with pytest.raises(ImportFailedError, match="does not change an image's configuration"):
        import_archive(layout, io.BytesIO(archive()), "x", wanted(changes=(change,)))


def test_malformed_change_shows_its_line(layout, archive) -> None:
    with pytest.raises(DockerfileError, match="ENV"):
        import_archive(layout, io.BytesIO(archive()), "x", wanted(changes=("ENV",)))


def test_message_is_the_comment_of_the_history(layout, archive) -> None:
    data = io.BytesIO(archive(("a", b"x")))
    image = load(layout, import_archive(layout, data, "x", wanted(message="why")))
    assert history_of(image)[0].comment == "why"


def test_platform_is_the_wanted_one(layout, archive) -> None:
    data = io.BytesIO(archive(("a", b"x")))
    given = wanted(platform=Platform("linux", "arm", "v7"))
    descriptor = import_archive(layout, data, "x", given)
    image = Image.load(layout, descriptor)
    assert image.platform == {"architecture": "arm", "os": "linux", "variant": "v7"}


@pytest.mark.parametrize("data", [b"garbage", b"\x1f\x8b\x08garbage", bytes(100) + b"x"])
def test_what_is_no_archive_is_refused(layout, data) -> None:
    with pytest.raises(BuilderError):
        import_archive(layout, io.BytesIO(data), "x", wanted())


def test_missing_archive_is_named() -> None:
    with pytest.raises(ImportFailedError, match="importing /no/such: No such file"):
        open_archive("/no/such")
