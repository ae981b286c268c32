"""What base layers bring is read once, and anything may happen to the files that tell."""

from __future__ import annotations

import os

import pytest

from builder.checks import KnownLayers, check_image
from builder.checks import image as checks
from builder.digest import DiffID
from builder.errors import BuilderError
from builder.store import Store

ODD = b"odd \xff\xfe \xe2\x82\xac\n".decode("utf-8", "surrogateescape")


@pytest.fixture
def store(tmp_path):
    with Store(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def made(image):
    base = {
        "etc/passwd": ODD.encode("utf-8", "surrogateescape") + b"app:x:1:1::/:/bin/sh\n",
        "bin/sh": (0o755, b"x"),
        f"usr/{ODD.strip()}": b"x",
        "link": "bin/sh",
        "old/.wh..wh..opq": b"",
        ".wh.gone": b"",
    }
    return image(base, {"app": (0o755, b"#!/bin/sh\n")}, User="app", Cmd=["/link"])


def read_layers(monkeypatch):
    found = []
    index_layer = checks.index_layer

    def counting(image, layer, *, programs):
        found.append(layer.diff_id)
        return index_layer(image, layer, programs=programs)

    monkeypatch.setattr(checks, "index_layer", counting)
    return found


def test_a_base_layer_is_read_once(store, made, monkeypatch):
    read = read_layers(monkeypatch)
    for _ in range(3):
        assert check_image(made, 1, KnownLayers(store)) == []
    assert read == [made.diff_ids[0], *[made.diff_ids[1]] * 3]


def test_what_was_kept_is_what_was_read(store, made):
    known = KnownLayers(store)
    whole = checks.index_layer(made, made.stack[0], programs=False)
    known.put(made.diff_ids[0], whole)
    kept = known.get(made.diff_ids[0])
    assert (kept.items, kept.hidden, kept.opaque) == (whole.items, whole.hidden, whole.opaque)
    assert os.listdir(f"{store.root}/ingest") == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"hidden": 1}', b"\xff", b"null"])
def test_a_damaged_file_is_made_again(store, made, content):
    known = KnownLayers(store)
    check_image(made, 1, known)
    [name] = os.listdir(store.layer_indexes)
    with open(f"{store.layer_indexes}/{name}", "wb") as file:
        file.write(content)
    assert known.get(made.diff_ids[0]) is None
    assert check_image(made, 1, known) == []
    assert known.get(made.diff_ids[0]) is not None


def test_a_store_that_takes_no_files_costs_time_only(store, made):
    with open(store.layer_indexes, "wb"):
        pass
    assert check_image(made, 1, KnownLayers(store)) == []
    assert os.listdir(f"{store.root}/ingest") == []


def test_prune_takes_those_that_no_image_needs(store, made):
    gone = DiffID("sha256:" + "0" * 64)
    known = KnownLayers(store)
    index = checks.index_layer(made, made.stack[0], programs=False)
    known.put(gone, index)
    known.put(made.diff_ids[0], index)
    store.tag("kept", made.copy_to(store.layout).descriptor)
    store.prune()
    assert known.get(gone) is None
    assert known.get(made.diff_ids[0]) is not None


def test_a_damaged_base_is_noticed_when_it_is_read(store, made):
    path = made.layout.blob_path(made.layers[0].digest)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(600)
        file.write(b"\1")
    with pytest.raises(BuilderError):
        check_image(made, 1, KnownLayers(store))
    assert not os.path.exists(store.layer_indexes)
