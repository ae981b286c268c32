"""Pushing: nothing twice, nothing that speaks of what is missing, resumed where it was cut."""

from __future__ import annotations

import json
import os
import socket

import pytest

from builder.digest import Digest
from builder.errors import BlobNotFoundError, DigestMismatchError
from builder.image import Image
from builder.layout import Layout
from builder.registry.errors import RegistryError
from builder.registry.pull import pull
from builder.registry.push import push

BIG = bytes(range(256)) * 4096
INDEX = "application/vnd.oci.image.index.v1+json"


def send(status: int, **headers):
    def fault(handler) -> None:
        handler.rfile.read(handler.length)
        handler.answer(status, **headers)

    return fault


def take(count: int):
    """Takes a part of what is sent, keeps it and goes away."""

    def fault(handler) -> None:
        number = handler.path.rpartition("/")[2].partition("?")[0]
        handler.fake.uploads[number] += handler.rfile.read(count)
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    return fault


def pieces(fake) -> list[tuple[str | None, int]]:
    return [
        (headers.get("Content-Range"), int(headers["Content-Length"]))
        for headers in fake.asked("PATCH", "/uploads/")
        if int(headers["Content-Length"]) > 1000
    ]


def test_a_pushed_image_can_be_pulled(
    fake, make_image, open_repository, layout, tmp_path, display
) -> None:
    image = make_image(layout, b"one", BIG)
    push(layout, image, open_repository(), ["1", "latest"], display)
    other = Layout.create(str(tmp_path / "other"))
    assert pull(open_repository(), "latest", other, display).digest == image.digest
    assert [other.read(blob) for blob in Image.load(other, image).layers] == [b"one", BIG]
    assert fake.uploads == {}


def test_the_manifest_comes_last(fake, make_image, open_repository, layout, display) -> None:
    push(layout, make_image(layout, b"one", b"two"), open_repository(), ["1"], display)
    assert fake.requests[-1][:2] == ("PUT", "/v2/team/tool/manifests/1")


def test_what_is_there_is_not_sent(fake, make_image, open_repository, layout, display) -> None:
    fake.put_blob("team/tool", BIG)
    push(layout, make_image(layout, BIG), open_repository(), ["1"], display)
    assert pieces(fake) == []


def test_a_blob_of_another_repository_is_linked(
    fake, make_image, open_repository, layout, display
) -> None:
    fake.put_blob("other/base", BIG)
    image = make_image(layout, BIG)
    push(layout, image, open_repository(), ["1"], display, lambda _: ["gone/base", "other/base"])
    assert fake.blobs["team/tool", Digest.of(BIG)] == BIG
    assert pieces(fake) == []
    assert fake.uploads == {}


def test_a_refused_link_is_sent_instead(fake, make_image, open_repository, layout, display) -> None:
    fake.fail("POST", "mount=", send(403), times=9)
    push(layout, make_image(layout, BIG), open_repository(), ["1"], display, lambda _: ["x"])
    assert fake.blobs["team/tool", Digest.of(BIG)] == BIG


def test_a_blob_is_sent_in_pieces_when_asked_for(
    fake, make_image, open_repository, layout, display
) -> None:
    push(layout, make_image(layout, BIG), open_repository(chunk_size=500_000), ["1"], display)
    assert pieces(fake) == [
        ("0-499999", 500_000),
        ("500000-999999", 500_000),
        ("1000000-1048575", 48_576),
    ]
    assert fake.blobs["team/tool", Digest.of(BIG)] == BIG


def test_pieces_are_as_large_as_the_registry_wants(
    fake, make_image, open_repository, layout, display
) -> None:
    def wants_more(handler) -> None:
        handler.fake.uploads["9"] = bytearray()
        place = "/v2/team/tool/blobs/uploads/9?state=a%2Bb"
        handler.answer(202, Location=place, OCI_Chunk_Min_Length="800000")

    fake.fail("POST", "/uploads/", wants_more, times=2)
    push(layout, make_image(layout, BIG), open_repository(chunk_size=10, jobs=1), ["1"], display)
    assert [length for _, length in pieces(fake)] == [800_000, 248_576]


def test_an_upload_is_resumed_where_it_was_cut(
    fake, make_image, open_repository, layout, display
) -> None:
    image = make_image(layout, BIG)
    config = Image.load(layout, image).config_descriptor
    fake.put_blob("team/tool", layout.read(config))
    fake.fail("PATCH", "/uploads/", take(300_000))
    push(layout, image, open_repository(), ["1"], display)
    assert pieces(fake) == [(None, 1_048_576), ("300000-1048575", 748_576)]
    assert fake.blobs["team/tool", Digest.of(BIG)] == BIG


def test_a_lost_upload_is_begun_anew(fake, make_image, open_repository, layout, display) -> None:
    fake.fail("PATCH", "/uploads/", send(404))
    fake.fail("PATCH", "/uploads/", send(416))
    fake.fail("PATCH", "/uploads/", send(503))
    push(layout, make_image(layout, BIG), open_repository(), ["1"], display)
    assert fake.blobs["team/tool", Digest.of(BIG)] == BIG


def test_a_lost_answer_does_not_send_it_twice(
    fake, make_image, open_repository, layout, display
) -> None:
    def finish_silently(handler) -> None:
        number = handler.path.rpartition("/")[2].partition("?")[0]
        handler.fake.put_blob("team/tool", bytes(handler.fake.uploads.pop(number)))
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    fake.fail("PUT", "/uploads/", finish_silently, times=2)
    push(layout, make_image(layout, BIG), open_repository(), ["1"], display)
    assert len(pieces(fake)) == 1


def test_an_upload_that_never_ends_well_is_given_up_and_taken_back(
    fake, make_image, open_repository, layout, display
) -> None:
    fake.fail("PUT", "/uploads/", send(500), times=99)
    with pytest.raises(RegistryError, match=r"pushing blob sha256:.* to .*team/tool: .* 500"):
        push(layout, make_image(layout, BIG), open_repository(), ["1"], display)
    assert fake.asked("PUT", "/manifests/") == []
    assert fake.asked("DELETE", "/uploads/")


def test_a_refusal_is_told_in_the_registrys_words(
    fake, make_image, open_repository, layout, display
) -> None:
    fake.fail("PUT", "/manifests/1", lambda h: (h.rfile.read(h.length), h.refuse(403, "DENIED")))
    with pytest.raises(RegistryError, match="team/tool:1: .* 403 Forbidden: DENIED: the fake says"):
        push(layout, make_image(layout, b"one"), open_repository(), ["1"], display)


def test_a_damaged_blob_is_not_pushed(fake, make_image, open_repository, layout, display) -> None:
    image = make_image(layout, BIG)
    path = layout.blob_path(Digest.of(BIG))
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.write(b"damage")
    with pytest.raises(DigestMismatchError, match=Digest.of(BIG).hex):
        push(layout, image, open_repository(), ["1"], display)
    assert fake.asked("PUT", "/manifests/") == []


def test_an_index_is_pushed_from_the_inside_out(
    fake, make_image, open_repository, layout, display
) -> None:
    entries = [make_image(layout, b"x", platform=name) for name in ("amd64", "arm64")]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [e.to_json() for e in entries]}
    index = layout.add(json.dumps(document).encode(), INDEX)
    push(layout, index, open_repository(), ["1"], display)
    put = [path.rpartition("/")[2] for method, path, _ in fake.requests if method == "PUT"][-3:]
    assert set(put[:2]) == {entry.digest for entry in entries}
    assert put[2] == "1"


def test_an_index_that_is_not_all_here_is_refused(
    fake, make_image, open_repository, layout, display
) -> None:
    entry = make_image(layout, b"x")
    away = {**entry.to_json(), "digest": "sha256:" + "0" * 64}
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry.to_json(), away]}
    index = layout.add(json.dumps(document).encode(), INDEX)
    with pytest.raises(BlobNotFoundError, match=r"of the 2 images .* only 1 are here .*--platform"):
        push(layout, index, open_repository(), ["1"], display)
    assert fake.requests == []


def test_a_registry_that_stores_something_else_is_caught(
    fake, make_image, open_repository, layout, display
) -> None:
    fake.fail("PUT", "/manifests/1", send(201, Docker_Content_Digest="sha256:" + "0" * 64))
    with pytest.raises(DigestMismatchError, match="the registry stored sha256:000"):
        push(layout, make_image(layout, b"one"), open_repository(), ["1"], display)
