"""The store: names of images, what FROM can name, default places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import builder.store.store
from builder import media_types
from builder.descriptor import Descriptor
from builder.digest import DiffID, Digest
from builder.errors import (
    BlobNotFoundError,
    ImageNotFoundError,
    InvalidReferenceError,
    StoreError,
)
from builder.image import build_image
from builder.layer import Layer
from builder.layout import REF_NAME, Layout
from builder.store import Record, Store, default_root
from builder.store.names import layout_reference

CONFIG: dict[str, Any] = {"architecture": "amd64", "os": "linux"}
LINUX = {"os": "linux", "architecture": "amd64"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def _image(layout: Layout, data: bytes) -> Descriptor:
    layer = Layer(layout.add(data, media_types.LAYER_TAR), DiffID.of(data), len(data))
    return build_image(layout, CONFIG, [layer])


@pytest.mark.parametrize(
    ("environ", "euid", "root"),
    [
        ({}, 0, "/var/lib/pyoci-builder"),
        ({"HOME": "/home/u"}, 0, "/var/lib/pyoci-builder"),
        ({"HOME": "/home/u"}, 1000, "/home/u/.local/share/pyoci-builder"),
        ({"HOME": "/home/u", "XDG_DATA_HOME": "/data"}, 1000, "/data/pyoci-builder"),
        ({"PYOCI_BUILDER_STORE": "/s"}, 0, "/s"),
        ({"PYOCI_BUILDER_STORE": "/s", "XDG_DATA_HOME": "/data"}, 1000, "/s"),
        ({"PYOCI_BUILDER_STORE": ""}, 0, "/var/lib/pyoci-builder"),
    ],
)
def test_where_the_store_is(environ: dict[str, str], euid: int, root: str) -> None:
    assert default_root(environ, euid) == root


def test_the_store_is_a_layout_that_nobody_else_can_enter(store: Store) -> None:
    assert Layout.open(store.root).index() == []
    for path in (store.root, store.unpacked, store.tmp):
        assert os.stat(path).st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("me/tool:2", "docker.io/me/tool:2"),
        ("localhost/x", "localhost/x:latest"),
        ("r.example:5000/a/b:c", "r.example:5000/a/b:c"),
    ],
)
def test_short_names_are_the_same_as_full_ones(store: Store, name: str, full: str) -> None:
    image = _image(store.layout, b"1")
    assert store.tag(name, image) == full
    for spelling in (name, full):
        found = store.lookup(spelling)
        assert found is not None
        assert found.digest == image.digest
    assert [listed for listed, _ in store.images()] == [full]
    assert Layout.open(store.root).resolve(full).digest == image.digest


def test_a_name_moves_to_the_image_tagged_last(store: Store) -> None:
    first, second = _image(store.layout, b"1"), _image(store.layout, b"2")
    store.tag("a", first)
    store.tag("b", first)
    store.tag("a", second)
    assert {name: image.digest for name, image in store.images()} == {
        "docker.io/library/a:latest": second.digest,
        "docker.io/library/b:latest": first.digest,
    }


def test_tagging_keeps_annotations_and_entries_of_others(store: Store) -> None:
    store.layout.edit_index(
        lambda index: index["manifests"].append(
            {**_image(store.layout, b"0").to_json(), "annotations": {"kind": "other"}}
        )
    )
    store.tag("a", _image(store.layout, b"1").replace(annotations={"x": "y"}))
    assert [dict(entry.annotations) for entry in store.layout.index()] == [
        {"kind": "other"},
        {"x": "y", REF_NAME: "docker.io/library/a:latest"},
    ]


def test_processes_tagging_at_once_lose_no_name(store: Store) -> None:
    image = _image(store.layout, b"1")
    script = (
        "import json, sys\n"
        "from builder.descriptor import Descriptor\n"
        "from builder.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "image = Descriptor.from_json(json.loads(sys.argv[2]), 'it')\n"
        "for turn in range(15):\n"
        "    store.tag(f'{sys.argv[3]}:{turn}', image)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, store.root, json.dumps(image.to_json()), name],
            cwd=Path(builder.store.store.__file__).parents[2],
        )
        for name in ("a", "b", "c", "d")
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(store.images()) == 60


def test_untagging_says_what_had_the_name(store: Store) -> None:
    image = _image(store.layout, b"1")
    store.tag("a", image)
    assert store.untag("a").digest == image.digest
    assert store.images() == []
    with pytest.raises(ImageNotFoundError, match="no docker.io/library/a:latest in the store"):
        store.untag("a")


def test_an_image_is_found_by_digest_with_or_without_a_name(store: Store) -> None:
    image = _image(store.layout, b"1")
    store.tag("a", image)
    unnamed = _image(store.layout, b"2")
    for reference in (image.digest, f"a@{image.digest}", f"other:1@{image.digest}"):
        found = store.lookup(reference)
        assert found is not None
        assert found.digest == image.digest
    found = store.lookup(unnamed.digest)
    assert found is not None
    assert found.media_type == media_types.MANIFEST
    assert store.lookup(Digest.of(b"nothing")) is None


@pytest.mark.parametrize("name", ["UPPER", "a b", "", "a//b", "a:b:c", "-a", "x@sha256:00"])
def test_what_is_no_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidReferenceError):
        store.tag(name, _image(store.layout, b"1"))
    with pytest.raises(InvalidReferenceError):
        store.lookup(name)


def test_an_unknown_image_says_what_to_do(store: Store) -> None:
    with pytest.raises(ImageNotFoundError, match=r"pyoci-builder images.*pyoci-builder import"):
        store.resolve_base("nope")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alpine", None),
        ("alpine:3", None),
        ("me/x@sha256:aa", None),
        ("./d", ("./d", None)),
        ("../d:tag", ("../d", "tag")),
        ("/d/e:v1.2", ("/d/e", "v1.2")),
        ("/d@sha256:ab", ("/d", "sha256:ab")),
        ("/d:tag@sha256:ab", ("/d", "sha256:ab")),
        ("/d:5/e", ("/d:5/e", None)),
        ("oci:d", ("d", None)),
        ("oci:d/e:tag", ("d/e", "tag")),
        ("oci-layout://d", ("d", None)),
        ("oci-layout:///d:tag", ("/d", "tag")),
        ("oci-layout:///d@sha256:ab", ("/d", "sha256:ab")),
        (".", (".", None)),
    ],
)
def test_names_that_are_paths(name: str, expected: tuple[str, str | None] | None) -> None:
    assert layout_reference(name) == expected


def test_a_directory_whose_name_has_a_colon_is_named_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    assert layout_reference(f"{tmp_path}/a:b") == (f"{tmp_path}/a:b", None)
    assert layout_reference(f"{tmp_path}/a:b:c") == (f"{tmp_path}/a:b", "c")


@pytest.mark.parametrize(
    "name", ["oci-archive:x.tar", "docker-archive:x.tar", "oci:", "oci-layout://"]
)
def test_names_that_cannot_be_built_on(name: str) -> None:
    with pytest.raises(InvalidReferenceError):
        layout_reference(name)


@pytest.mark.parametrize("form", ["{}", "oci:{}", "oci-layout://{}", "{}:v1", "{}@{digest}"])
def test_a_base_from_a_layout_is_copied_into_the_store(
    store: Store, tmp_path: Path, form: str
) -> None:
    other = Layout.create(str(tmp_path / "other"))
    image = _image(other, b"1")
    entry = image.replace(annotations={REF_NAME: "v1"}).to_json()
    other.edit_index(lambda index: index["manifests"].append(entry))
    base = store.resolve_base(form.format(other.path, digest=image.digest), LINUX)
    assert base.descriptor.digest == image.digest
    assert base.layout is store.layout
    for layer in base.layers:
        store.layout.open_blob(layer).finish()


def test_a_base_whose_layer_is_missing_is_refused(store: Store, tmp_path: Path) -> None:
    other = Layout.create(str(tmp_path / "other"))
    image = _image(other, b"1")
    other.edit_index(lambda index: index["manifests"].append(image.to_json()))
    os.unlink(other.blob_path(Digest.of(b"1")))
    with pytest.raises(BlobNotFoundError):
        store.resolve_base(other.path, LINUX)


def test_pruning_keeps_what_names_and_the_cache_lead_to(store: Store) -> None:
    store.tag("a", _image(store.layout, b"named"))
    _image(store.layout, b"forgotten")
    cached = store.layout.add(b"cached", media_types.LAYER_TAR)
    layer = Layer(cached, DiffID.of(b"cached"))
    store.cache.put(Record("key", "step", "run", layer))
    for data in (b"named", b"cached", b"forgotten"):
        os.mkdir(f"{store.unpacked}/{DiffID.of(data).hex}")
    os.mkdir(f"{store.unpacked}/{DiffID.of(b'named').hex}.chain")
    count, size = store.prune()
    assert count == 4  # layer, config and manifest of the forgotten image, its directory
    assert size > 0
    assert store.resolve_base("a", LINUX)
    assert store.layout.has(cached)
    assert len(os.listdir(store.unpacked)) == 3
    assert store.prune(cache=True)[0] == 2
    assert not store.layout.has(cached)
    assert store.cache.get("key") is None


def test_pruning_keeps_referrers_and_their_subjects(store: Store) -> None:
    subject = _image(store.layout, b"1")
    document = {
        "schemaVersion": 2,
        "config": store.layout.add(b"{}", media_types.EMPTY).to_json(),
        "layers": [],
        "subject": subject.replace(platform=None).to_json(),
    }
    signature = store.layout.add(json.dumps(document).encode(), media_types.MANIFEST)
    store.layout.edit_index(lambda index: index["manifests"].append(signature.to_json()))
    assert store.prune() == (0, 0)


def test_pruning_waits_for_no_build(store: Store) -> None:
    with Store(store.root) as other, pytest.raises(StoreError, match="another process is using it"):
        store.prune()
    del other
    assert store.prune() == (0, 0)


def test_a_refused_prune_still_holds_its_own_share(store: Store) -> None:
    with Store(store.root) as other:
        with pytest.raises(StoreError):
            store.prune()
        with pytest.raises(StoreError):
            other.prune()


def test_a_workspace_is_removed_with_all_that_is_in_it(store: Store) -> None:
    with store.workspace() as workspace:
        os.makedirs(f"{workspace.path}/a/b")
        os.symlink("/etc", f"{workspace.path}/a/link")
        os.chmod(f"{workspace.path}/a", 0)
    assert os.listdir(store.tmp) == []
    assert os.path.exists("/etc/passwd")


def test_what_a_killed_process_left_is_swept_and_nothing_else(store: Store) -> None:
    script = (
        "import os, sys, time\n"
        "from builder.store import Store\n"
        "with Store(sys.argv[1]).workspace() as workspace:\n"
        "    os.makedirs(workspace.path + '/deep/er')\n"
        "    print(workspace.path, flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, store.root],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(builder.store.store.__file__).parents[2],
    )
    assert process.stdout is not None
    path = process.stdout.readline().strip()
    with store.workspace() as own:
        Store(store.root).close()
        assert os.path.isdir(f"{path}/deep")
        process.kill()
        process.wait()
        process.stdout.close()
        Store(store.root).close()
        assert os.listdir(store.tmp) == [os.path.basename(own.path)]


def test_a_store_in_a_place_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"--store or \$PYOCI_BUILDER_STORE"):
        Store(str(tmp_path / "file" / "store"))
