"""Which image an argument of the command line means."""

from __future__ import annotations

import pytest

from builder import canonical_json, media_types
from builder.errors import ImageNotFoundError, InvalidReferenceError, StoreError
from builder.images.locate import locate
from builder.layout import Layout
from builder.signing import PrivateKey, sign_image


@pytest.fixture
def image(store, make, archive):
    image = make(store.layout, archive(("a", b"a")))
    store.tag("me/tool:1", image)
    return image


def find(argument, store):
    return locate(argument, lambda: store)


def no_store():
    raise AssertionError("the store was opened for the path of a layout")


def test_name_in_the_store_is_found_in_short_and_full_form(store, image) -> None:
    for name in ("me/tool:1", "docker.io/me/tool:1"):
        found = find(name, store)
        assert (found.descriptor.digest, found.reference) == (image.digest, "docker.io/me/tool:1")


def test_latest_is_meant_without_a_tag(store, image) -> None:
    store.tag("thing", image)
    assert find("thing", store).reference == "docker.io/library/thing:latest"
    with pytest.raises(ImageNotFoundError):
        find("me/tool", store)


def test_digest_is_found_in_full_and_by_its_beginning(store, image) -> None:
    digits = image.digest.hex
    for argument in (image.digest, f"sha256:{digits[:12]}", digits, digits[:12], digits[:20]):
        found = find(str(argument), store)
        assert found.descriptor.digest == image.digest
        assert found.reference == "docker.io/me/tool:1"


def test_eleven_digits_are_too_few(store, image) -> None:
    with pytest.raises(InvalidReferenceError, match="12 or more"):
        find(f"sha256:{image.digest.hex[:11]}", store)
    with pytest.raises(ImageNotFoundError):
        find(image.digest.hex[:11], store)


def test_name_with_a_digest_finds_that_digest_whatever_the_tag_is_now(
    store, image, make, archive
) -> None:
    other = make(store.layout, archive(("b", b"b")))
    store.tag("me/tool:2", other)
    assert find(f"me/tool@{image.digest}", store).descriptor.digest == image.digest
    with pytest.raises(ImageNotFoundError):
        find(f"me/tool@sha256:{'0' * 64}", store)


def test_name_in_the_store_comes_before_a_directory(
    store, image, make, archive, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store.tag("thing", image)
    here = Layout.create(str(tmp_path / "thing"))
    assert find("thing", store).descriptor.digest == image.digest
    with pytest.raises(ImageNotFoundError, match="it holds no image"):
        find("./thing", store)
    assert here.path == str(tmp_path / "thing")


def test_plain_name_of_a_layout_is_found_when_the_store_has_none(
    store, layout, make, archive, put, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image = put(layout, make(layout, archive(("a", b"a"))), "v1")
    for argument in ("layout", "layout:v1"):
        assert find(argument, store).descriptor.digest == image.digest


@pytest.mark.parametrize("form", ["{}", "{}:v1", "oci:{}:v1", "oci-layout://{}:v1", "{}@{digest}"])
def test_layout_is_found_by_path_without_a_store(layout, make, archive, put, form) -> None:
    image = put(layout, make(layout, archive(("a", b"a"))), "v1")
    found = locate(form.format(layout.path, digest=image.digest), no_store)
    assert found.descriptor.digest == image.digest
    assert found.reference is None


def test_full_name_in_a_layout_is_found_by_its_tag(layout, make, archive, put) -> None:
    put(layout, make(layout, archive(("a", b"a"))), "docker.io/me/tool:7")
    found = locate(f"{layout.path}:7", no_store)
    assert found.reference == "docker.io/me/tool:7"


def test_layout_with_two_images_asks_for_a_name(layout, make, archive, put) -> None:
    put(layout, make(layout, archive(("a", b"a"))), "one")
    put(layout, make(layout, archive(("b", b"b"))), "two")
    with pytest.raises(ImageNotFoundError, match=r"holds 2 images .*name one of: one, two"):
        locate(layout.path, no_store)
    assert locate(f"{layout.path}:two", no_store)


def test_signature_in_a_layout_is_not_another_image(layout, make, archive, put) -> None:
    image = put(layout, make(layout, archive(("a", b"a"))), "v1")
    sign_image(layout, image, PrivateKey.generate())
    assert locate(layout.path, no_store).descriptor.digest == image.digest


def test_image_inside_an_index_is_found_by_its_digest(store, make, archive) -> None:
    inner = make(store.layout, archive(("a", b"a")))
    index = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [inner.to_json()]}
    outer = store.layout.add(canonical_json.encode(index), media_types.INDEX)
    store.tag("several", outer)
    assert find(str(inner.digest), store).descriptor.digest == inner.digest


def test_unknown_name_says_where_it_was_looked_for(store) -> None:
    with pytest.raises(ImageNotFoundError, match="nothing: not in the store .* no image layout"):
        find("nothing", store)


@pytest.mark.parametrize("argument", ["Not A Name", "", "a:b:c", "UPPER"])
def test_what_is_no_name_is_refused(store, argument) -> None:
    with pytest.raises(InvalidReferenceError):
        find(argument, store)


def test_directory_that_is_no_layout_is_named(tmp_path) -> None:
    with pytest.raises(StoreError, match="no file oci-layout"):
        locate(str(tmp_path), no_store)
