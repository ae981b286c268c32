"""Image layouts: creation, the index, names, sweeping."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from builder import layout as layouts
from builder import media_types
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import (
    BlobNotFoundError,
    ImageFormatError,
    ImageNotFoundError,
    StoreError,
)
from builder.layout import LARGEST_DOCUMENT, REF_NAME, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


def _manifest(layout: Layout, number: int) -> Descriptor:
    return layout.add(
        json.dumps({"schemaVersion": 2, "number": number}).encode(), media_types.MANIFEST
    )


def _name(layout: Layout, descriptor: Descriptor, name: str | None) -> None:
    annotations = {REF_NAME: name} if name else {}
    entry = descriptor.replace(annotations=annotations).to_json()
    layout.edit_index(lambda index: index["manifests"].append(entry))


def test_a_new_layout_is_what_the_specification_says(layout: Layout) -> None:
    root = Path(layout.path)
    assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((root / "index.json").read_bytes()) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
    }
    assert (root / "blobs" / "sha256").is_dir()
    layout.tidy()
    assert sorted(os.listdir(root)) == ["blobs", "index.json", "oci-layout"]


def test_creating_a_layout_again_keeps_what_is_in_it(layout: Layout) -> None:
    _name(layout, _manifest(layout, 1), "a")
    assert Layout.create(layout.path).index() == layout.index() != []


def test_a_directory_with_other_files_is_not_made_a_layout(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(StoreError, match=r"holds other files \(precious\)"):
        Layout.create(str(tmp_path))
    assert os.listdir(tmp_path) == ["precious"]


def test_a_creation_that_was_killed_half_way_is_finished(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "ingest").mkdir()
    assert Layout.create(str(tmp_path)).index() == []


def test_threads_creating_the_same_layout_all_succeed(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            layout = Layout.create(str(tmp_path / "layout"))
            _name(layout, _manifest(layout, number), f"n{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    names = {e.annotations[REF_NAME] for e in Layout.open(str(tmp_path / "layout")).index()}
    assert names == {f"n{number}" for number in range(12)}


def test_what_is_no_layout_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no file oci-layout"):
        Layout.open(str(tmp_path))
    with pytest.raises(StoreError, match="no file oci-layout"):
        Layout.open(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "content", ['{"imageLayoutVersion":"2.0.0"}', "{}", "[]", '"1.0.0"', "garbage", ""]
)
def test_a_layout_of_another_version_is_not_opened(layout: Layout, content: str) -> None:
    Path(layout.path, "oci-layout").write_text(content)
    with pytest.raises(ImageFormatError):
        Layout.open(layout.path)


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        b"",
        b"[]",
        b"{}",
        b'{"manifests":{}}',
        b'{"manifests":[],"manifests":[]}',
        b'{"manifests":[1]}',
        b'{"manifests":[{"mediaType":"x","digest":"sha256:../../etc/passwd","size":1}]}',
        b" " * (LARGEST_DOCUMENT + 1),
    ],
)
def test_a_garbage_index_is_refused_and_named(layout: Layout, content: bytes) -> None:
    Path(layout.path, "index.json").write_bytes(content)
    with pytest.raises(ImageFormatError, match=r"index\.json|is not a digest|digits"):
        layout.index()


def test_a_garbage_index_is_not_overwritten(layout: Layout) -> None:
    Path(layout.path, "index.json").write_bytes(b"garbage")
    with pytest.raises(ImageFormatError):
        layout.edit_index(lambda index: index["manifests"].clear())
    assert Path(layout.path, "index.json").read_bytes() == b"garbage"


def test_members_that_nobody_knows_stay_in_the_index(layout: Layout) -> None:
    path = Path(layout.path, "index.json")
    document = json.loads(path.read_bytes())
    document["org.example"] = {"x": [1]}
    document["manifests"].append({**_manifest(layout, 1).to_json(), "future": True})
    path.write_text(json.dumps(document))
    _name(layout, _manifest(layout, 2), "b")
    after = json.loads(path.read_bytes())
    assert after["org.example"] == {"x": [1]}
    assert after["manifests"][0]["future"] is True
    assert len(after["manifests"]) == 2


def test_an_edit_that_raises_changes_nothing(layout: Layout) -> None:
    before = Path(layout.path, "index.json").read_bytes()

    def edit(index: dict[str, Any]) -> None:
        index["manifests"].append(1)
        raise KeyError

    with pytest.raises(KeyError):
        layout.edit_index(edit)
    assert Path(layout.path, "index.json").read_bytes() == before
    assert os.listdir(f"{layout.path}/ingest") == []


def test_an_edit_that_changes_nothing_does_not_write(layout: Layout) -> None:
    before = os.stat(f"{layout.path}/index.json").st_ino
    layout.edit_index(lambda index: None)
    assert os.stat(f"{layout.path}/index.json").st_ino == before


def test_the_only_image_needs_no_name(layout: Layout) -> None:
    with pytest.raises(ImageNotFoundError, match="it holds no image"):
        layout.resolve()
    one = _manifest(layout, 1)
    _name(layout, one, "a")
    _name(layout, one, "b")
    assert layout.resolve().digest == one.digest
    _name(layout, _manifest(layout, 2), "c")
    with pytest.raises(ImageNotFoundError, match=r"holds 2 images \(name one of: a, b, c\)"):
        layout.resolve()


def test_images_are_found_by_name_and_by_digest(layout: Layout) -> None:
    one, two = _manifest(layout, 1), _manifest(layout, 2)
    _name(layout, one, "a")
    _name(layout, two, None)
    assert layout.resolve("a").digest == one.digest
    assert layout.resolve(two.digest) == two
    with pytest.raises(ImageNotFoundError, match=r"no image 'x' in it \(there are: a\)"):
        layout.resolve("x")


def test_a_manifest_inside_an_index_is_found_by_its_digest(layout: Layout) -> None:
    inner = layout.add(b'{"schemaVersion":2,"layers":[]}', media_types.MANIFEST)
    assert layout.resolve(inner.digest) == inner
    index = layout.add(b'{"schemaVersion":2,"manifests":[]}', media_types.INDEX)
    assert layout.resolve(index.digest) == index


@pytest.mark.parametrize("data", [b"no json", b"[]", b'{"mediaType":"text/plain"}'])
def test_a_blob_that_is_no_manifest_is_not_an_image(layout: Layout, data: bytes) -> None:
    blob = layout.add(data, "x")
    with pytest.raises((ImageNotFoundError, ImageFormatError)):
        layout.resolve(blob.digest)


def test_documents_larger_than_allowed_are_not_read(layout: Layout) -> None:
    huge = Descriptor(media_types.MANIFEST, Digest.of(b"x"), LARGEST_DOCUMENT + 1)
    with pytest.raises(ImageFormatError, match="more than the"):
        layout.read(huge)


def test_embedded_data_stands_in_for_a_missing_blob(layout: Layout) -> None:
    descriptor = Descriptor("x", Digest.of(b"{}"), 2, data=b"{}")
    assert layout.read(descriptor) == b"{}"
    with pytest.raises(BlobNotFoundError):
        layout.read(descriptor.replace(data=None))


def test_sweeping_removes_what_is_not_reachable(layout: Layout) -> None:
    kept, gone = layout.add(b"kept", "x"), layout.add(b"gone!", "x")
    assert layout.sweep([kept.digest]) == (1, 5)
    assert layout.has(kept)
    assert not layout.has(gone)


def test_adopting_verifies_on_the_way(layout: Layout, tmp_path: Path) -> None:
    other = Layout.create(str(tmp_path / "other"))
    good, bad = other.add(b"good", "x"), other.add(b"bad", "x")
    Path(other.blob_path(bad.digest)).write_bytes(b"BAD")
    layout.adopt(other, good)
    assert layout.read(good) == b"good"
    with pytest.raises(Exception, match="its bytes have the digest"):
        layout.adopt(other, bad)
    assert not layout.has(bad.digest)


def test_a_slow_maker_of_a_layout_does_not_undo_what_a_quicker_one_has_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "layout")
    create_named = layouts.create_named

    def after_a_quicker_one(root: str) -> tuple[int, str]:
        monkeypatch.setattr(layouts, "create_named", create_named)
        layout = Layout.create(path)
        _name(layout, _manifest(layout, 1), "quick")
        return create_named(root)

    monkeypatch.setattr(layouts, "create_named", after_a_quicker_one)
    slow = Layout.create(path)
    assert [entry.annotations[REF_NAME] for entry in slow.index()] == ["quick"]
