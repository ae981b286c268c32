"""`load_bundle`: a directory becomes a configuration and a root file system, or one clear line."""

from __future__ import annotations

import json
import os

import pytest

from pyoci.errors import PyociError, SpecError
from pyoci.spec.bundle import load_bundle

MINIMAL = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}}
# What Docker and podman take for a failure of the user's command (exit status 126 and 127).
ENGINE_WORDS = ("no such file or directory", "permission denied", "not a directory")


@pytest.fixture
def bundle(tmp_path):
    """bundle(config) writes config.json (bytes as they are) and gives the bundle's path."""
    (tmp_path / "rootfs").mkdir()

    def write(config) -> str:
        data = config if isinstance(config, bytes) else json.dumps(config).encode()
        (tmp_path / "config.json").write_bytes(data)
        return str(tmp_path)

    write.path = tmp_path
    return write


def refusal(path: str) -> PyociError:
    with pytest.raises(PyociError) as caught:
        load_bundle(path)
    assert not any(words in str(caught.value).lower() for words in ENGINE_WORDS)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_bundle_has_its_bytes_value_and_absolute_paths(bundle):
    path = bundle(MINIMAL)
    found = load_bundle(path)
    assert found.config == MINIMAL
    assert found.config_bytes == json.dumps(MINIMAL).encode()
    assert found.path == os.path.realpath(path)
    assert found.rootfs == os.path.realpath(f"{path}/rootfs")


def test_symlinks_to_the_bundle_and_its_rootfs_are_resolved(bundle, tmp_path_factory):
    path = bundle({**MINIMAL, "root": {"path": "link"}})
    (bundle.path / "link").symlink_to("rootfs")
    other = tmp_path_factory.mktemp("elsewhere") / "bundle"
    other.symlink_to(path)
    found = load_bundle(str(other))
    assert found.path == os.path.realpath(path)
    assert found.rootfs == os.path.realpath(f"{path}/rootfs")


def test_an_absolute_rootfs_may_be_anywhere(bundle, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("rootfs")
    path = bundle({**MINIMAL, "root": {"path": str(elsewhere)}})
    assert load_bundle(path).rootfs == os.path.realpath(elsewhere)


def test_a_bundle_that_does_not_exist(tmp_path):
    error = refusal(f"{tmp_path}/absent")
    assert "cannot open the bundle" in error.message
    assert "it does not exist" in error.message


def test_a_file_is_no_bundle(tmp_path):
    (tmp_path / "file").write_text("")
    assert "it is no directory" in refusal(f"{tmp_path}/file").message


def test_a_missing_config_json_has_runc_s_words(tmp_path):
    error = refusal(str(tmp_path))
    assert error.message == "JSON specification file config.json not found"
    assert "pyoci spec" in error.hint


def test_a_fifo_as_config_json_does_not_hang(bundle):
    os.mkfifo(bundle.path / "config.json")
    assert "it is not a regular file" in refusal(str(bundle.path)).message


def test_a_directory_as_config_json(bundle):
    (bundle.path / "config.json").mkdir()
    assert "it is not a regular file" in refusal(str(bundle.path)).message


def test_a_config_json_of_unreasonable_size(bundle):
    path = bundle(b"")
    os.truncate(f"{path}/config.json", 1 << 40)
    assert "larger than 16 MiB" in refusal(path).message


def test_text_that_is_not_json_is_refused_with_its_place(bundle):
    error = refusal(bundle(b'{"ociVersion": "1.0.0",\n oops}'))
    assert "config.json is not JSON: line 2, column 2" in error.message


@pytest.mark.parametrize("data", [b"[]", b'"x"', b"null", b"1"])
def test_a_config_json_that_is_no_object(bundle, data):
    assert "must be an object" in refusal(bundle(data)).message


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "is missing"),
        ("", "is not a version"),
        (1, "must be a string"),
        ("1.0", "is not a version"),
        ("1.x.0", "is not a version"),
        ("１.0.0", "is not a version"),
        ("0.9.0", "is not supported"),
        ("2.0.0", "is not supported"),
    ],
)
def test_versions_that_are_refused(bundle, version, words):
    error = refusal(bundle({**MINIMAL, "ociVersion": version}))
    assert isinstance(error, SpecError)
    assert error.subject == "/ociVersion"
    assert words in error.message


@pytest.mark.parametrize(
    "version", ["1.0.0", "1.0.0-rc5", "1.0.2-dev", "1.2.1+dev", "1.3.0", "1.99.0"]
)
def test_versions_that_are_accepted(bundle, version):
    assert load_bundle(bundle({**MINIMAL, "ociVersion": version})).config["ociVersion"] == version


@pytest.mark.parametrize(
    ("root", "pointer", "words"),
    [
        (None, "/root", "is missing"),
        ("rootfs", "/root", "must be an object"),
        ({}, "/root/path", "is missing"),
        ({"path": ""}, "/root/path", "must be a path"),
        ({"path": 1}, "/root/path", "must be a path"),
        ({"path": "absent"}, "/root/path", "does not exist"),
        ({"path": "config.json"}, "/root/path", "is no directory"),
        ({"path": "a\0b"}, "/root/path", "NUL"),
    ],
)
def test_roots_that_are_refused(bundle, root, pointer, words):
    path = bundle({**MINIMAL, "root": root})
    with pytest.raises(SpecError) as caught:
        load_bundle(path)
    assert caught.value.subject == pointer
    assert words in caught.value.message


def test_nothing_stays_open(bundle):
    path = bundle(MINIMAL)
    before = os.listdir("/proc/self/fd")
    load_bundle(path)
    with pytest.raises(SpecError):
        load_bundle(bundle({**MINIMAL, "root": {"path": "absent"}}))
    assert len(os.listdir("/proc/self/fd")) == len(before)
