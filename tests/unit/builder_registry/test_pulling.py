"""Pulling: what arrives is what was asked for, or nothing does."""

from __future__ import annotations

import json
import os
import socket

import pytest

from builder.digest import Digest
from builder.dockerfile.platforms import parse_platform
from builder.errors import (
    DigestMismatchError,
    ImageFormatError,
    ImageNotFoundError,
    SizeMismatchError,
)
from builder.execute.cancel import Cancellation, Cancelled
from builder.image import Image
from builder.layout import Layout
from builder.registry.errors import RegistryError, UnreachableError
from builder.registry.pull import EVERY_PLATFORM, pull

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BIG = bytes(range(256)) * 4096


@pytest.fixture
def publish(fake, make_image, tmp_path):
    """Puts an image into the fake; gives its layout and descriptor."""

    def call(*contents: bytes, tag: str = "1", platform: str = "amd64"):
        source = Layout.create(str(tmp_path / "published"))
        image = make_image(source, *contents, platform=platform)
        manifest = source.read(image)
        loaded = Image.load(source, image)
        for blob in (loaded.config_descriptor, *loaded.layers):
            fake.put_blob("team/tool", source.read(blob))
        fake.put_manifest("team/tool", tag, manifest, MANIFEST)
        return source, image

    return call


@pytest.fixture
def publish_index(fake, publish):
    def call(*platforms: str, **members):
        entries = []
        for name in platforms:
            _, image = publish(name.encode(), platform=name.split("/")[1])
            system, architecture, *variant = name.split("/")
            platform = {"os": system, "architecture": architecture}
            if variant:
                platform["variant"] = variant[0]
            entries.append({**image.to_json(), "platform": platform})
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        fake.put_manifest("team/tool", "1", data, INDEX)
        return entries

    return call


def blobs(layout: Layout) -> list[str]:
    return sorted(os.listdir(f"{layout.path}/blobs/sha256"))


def nothing_left(layout: Layout) -> bool:
    """No blob that is not whole, nothing half-written."""
    for name in blobs(layout):
        with open(f"{layout.path}/blobs/sha256/{name}", "rb") as file:
            assert Digest.of(file.read()).hex == name
    ingest = f"{layout.path}/ingest"
    return not os.path.isdir(ingest) or not os.listdir(ingest)


def cut(after: int):
    """Announces everything, sends some of it and goes away."""

    def fault(handler) -> None:
        digest = handler.path.rpartition("/")[2]
        data = handler.fake.blobs["team/tool", digest]
        wanted = handler.headers.get("Range")
        start = int(wanted[6:-1]) if wanted else 0
        handler.send_response(206 if wanted else 200)
        handler.send_header("Content-Length", str(len(data) - start))
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.end_headers()
        handler.wfile.write(data[start : start + after])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    return fault


def send(data: bytes, status: int = 200, **headers):
    def fault(handler) -> None:
        handler.answer(status, data, **headers)

    return fault


def test_an_image_arrives_as_it_was(publish, open_repository, layout, display) -> None:
    _, image = publish(b"one", BIG)
    assert pull(open_repository(), "1", layout, display).digest == image.digest
    loaded = Image.load(layout, image)
    assert [layout.read(blob) for blob in loaded.layers] == [b"one", BIG]


def test_an_image_is_pulled_by_digest(publish, open_repository, layout, display) -> None:
    _, image = publish(b"one")
    assert pull(open_repository(), image.digest, layout, display).digest == image.digest


def test_what_is_there_is_not_downloaded(fake, publish, open_repository, layout, display) -> None:
    publish(b"one", b"two")
    layout.add(b"one", "x")
    pull(open_repository(), "1", layout, display)
    assert len(fake.asked("GET", "/blobs/")) == 2  # the config and "two"


def test_the_image_of_the_platform_is_chosen(
    publish_index, open_repository, layout, display
) -> None:
    entries = publish_index("linux/amd64", "linux/arm64", "linux/s390x")
    top = pull(open_repository(), "1", layout, display, [parse_platform("linux/arm64")])
    assert top.media_type == INDEX
    loaded = Image.load(layout, top, parse_platform("linux/arm64"))
    assert loaded.descriptor.digest == entries[1]["digest"]
    assert not layout.has(Digest(entries[0]["digest"]))


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("arm/v7", "arm/v6"), ("arm/v6", "arm/v6"), ("arm/v5", "arm/v5"), ("amd64/v2", "amd64")],
)
def test_the_best_variant_is_chosen(
    publish_index, open_repository, layout, display, wanted, chosen
) -> None:
    entries = publish_index("linux/amd64", "linux/arm/v5", "linux/arm/v6", "linux/amd64/v3")
    top = pull(open_repository(), "1", layout, display, [parse_platform(f"linux/{wanted}")])
    loaded = Image.load(layout, top, parse_platform(f"linux/{wanted}"))
    found = [e["platform"] for e in entries if e["digest"] == loaded.descriptor.digest]
    assert "/".join(list(found[0].values())[1:]) == chosen


def test_every_platform_comes_along_when_asked_for(
    publish_index, open_repository, layout, display
) -> None:
    entries = publish_index("linux/amd64", "linux/arm64")
    pull(open_repository(), "1", layout, display, EVERY_PLATFORM)
    assert all(layout.has(Digest(entry["digest"])) for entry in entries)


def test_a_platform_that_is_missing_is_named_with_what_there_is(
    publish_index, open_repository, layout, display
) -> None:
    publish_index("linux/arm64", "linux/s390x")
    with pytest.raises(ImageNotFoundError, match=r"linux/riscv64.*linux/arm64, linux/s390x"):
        pull(open_repository(), "1", layout, display, [parse_platform("linux/riscv64")])


def test_a_missing_image_is_named(fake, open_repository, layout, display) -> None:
    with pytest.raises(ImageNotFoundError, match=f"pulling {fake.host}/team/tool:9: the registry"):
        pull(open_repository(), "9", layout, display)


def test_a_download_is_resumed_where_it_was_cut(
    fake, publish, open_repository, layout, display
) -> None:
    publish(BIG)
    digest = Digest.of(BIG)
    fake.fail("GET", f"blobs/{digest}", cut(100_000), times=3)
    pull(open_repository(), "1", layout, display)
    ranges = [headers.get("Range") for headers in fake.asked("GET", f"blobs/{digest}")]
    starts = [int(text[6:-1]) for text in ranges[1:]]
    assert ranges[0] is None
    assert starts == sorted(set(starts))
    assert 0 < starts[0] <= 100_000
    assert layout.read(layout.add(BIG, "x")) == BIG


def test_a_registry_without_ranges_is_begun_anew(
    fake, publish, open_repository, layout, display
) -> None:
    publish(BIG)
    fake.fail("GET", f"blobs/{Digest.of(BIG)}", cut(100_000))
    fake.fail("GET", f"blobs/{Digest.of(BIG)}", send(BIG))
    pull(open_repository(), "1", layout, display)
    assert layout.has(Digest.of(BIG))


def test_a_blob_that_never_comes_whole_is_given_up(
    fake, publish, open_repository, layout, display
) -> None:
    publish(BIG)
    fake.fail("GET", f"blobs/{Digest.of(BIG)}", cut(0), times=99)
    with pytest.raises(UnreachableError, match=rf"{Digest.of(BIG)} .*cut off after 0 of 1048576"):
        pull(open_repository(), "1", layout, display)
    assert not layout.has(Digest.of(BIG))
    assert nothing_left(layout)


def test_an_altered_blob_is_refused(fake, publish, open_repository, layout, display) -> None:
    publish(BIG)
    fake.blobs["team/tool", Digest.of(BIG)] = BIG[:-1] + b"x"
    with pytest.raises(DigestMismatchError, match=f"pulling blob {Digest.of(BIG)} of .*team/tool"):
        pull(open_repository(), "1", layout, display)
    assert not layout.has(Digest.of(BIG))
    assert nothing_left(layout)


@pytest.mark.parametrize("data", [BIG + b"x", BIG[:-1], b""])
def test_a_blob_of_another_size_is_refused(
    fake, publish, open_repository, layout, display, data
) -> None:
    publish(BIG)
    fake.blobs["team/tool", Digest.of(BIG)] = data
    with pytest.raises(SizeMismatchError, match=f"{Digest.of(BIG)}.* the manifest says 1048576"):
        pull(open_repository(), "1", layout, display)
    assert nothing_left(layout)


def test_endless_bytes_are_refused(fake, publish, open_repository, layout, display) -> None:
    def endless(handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")
        except OSError:
            handler.close_connection = True

    publish(BIG)
    fake.fail("GET", f"blobs/{Digest.of(BIG)}", endless)
    with pytest.raises(SizeMismatchError, match="or more where the manifest says"):
        pull(open_repository(), "1", layout, display)
    assert nothing_left(layout)


def test_a_part_from_elsewhere_is_refused(fake, publish, open_repository, layout, display) -> None:
    publish(BIG)
    fake.fail("GET", f"blobs/{Digest.of(BIG)}", cut(100_000))
    wrong = send(BIG[5:], 206, Content_Range=f"bytes 5-{len(BIG) - 1}/{len(BIG)}")
    fake.fail("GET", f"blobs/{Digest.of(BIG)}", wrong)
    with pytest.raises(RegistryError, match="from '5' on"):
        pull(open_repository(), "1", layout, display)
    assert nothing_left(layout)


def test_an_altered_manifest_is_refused(fake, publish, open_repository, layout, display) -> None:
    _, image = publish(b"one")
    kind, data = fake.manifests["team/tool", image.digest]
    fake.manifests["team/tool", image.digest] = kind, data.replace(b"amd64", b"arm64") + b" "
    with pytest.raises(DigestMismatchError, match=image.digest):
        pull(open_repository(), image.digest, layout, display)
    assert blobs(layout) == []


def test_a_manifest_that_is_two_things_is_refused(fake, open_repository, layout, display) -> None:
    data = json.dumps({"schemaVersion": 2, "manifests": [], "layers": [], "config": {}}).encode()
    fake.put_manifest("team/tool", "1", data, MANIFEST)
    with pytest.raises(ImageFormatError, match="not what its media type"):
        pull(open_repository(), "1", layout, display)


def test_schema_1_is_refused_by_name(fake, open_repository, layout, display) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    fake.put_manifest("team/tool", "1", b"{}", kind)
    with pytest.raises(ImageFormatError, match="schema 1"):
        pull(open_repository(), "1", layout, display)


def test_a_manifest_without_end_is_refused(fake, open_repository, layout, display) -> None:
    fake.put_manifest("team/tool", "1", b" " * (5 << 20), MANIFEST)
    with pytest.raises(ImageFormatError, match="more than 4194304 bytes"):
        pull(open_repository(), "1", layout, display)


def test_passing_failures_are_tried_again(
    fake, publish, open_repository, layout, display, no_waiting
) -> None:
    publish(b"one")
    for status in (429, 500, 503):
        fake.fail("GET", "manifests/1", send(b"", status))
    pull(open_repository(), "1", layout, display)
    first, second, third = no_waiting
    assert first < second < third


def test_retry_after_is_kept(fake, publish, open_repository, layout, display, no_waiting) -> None:
    publish(b"one")
    fake.fail("GET", "manifests/1", send(b"", 429, Retry_After="7"))
    pull(open_repository(), "1", layout, display)
    assert no_waiting == [7.0]


def test_a_long_retry_after_is_left_to_the_user(
    fake, publish, open_repository, layout, display, no_waiting
) -> None:
    publish(b"one")
    body = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "slow"}]}).encode()
    fake.fail("GET", "manifests/1", send(body, 429, Retry_After="3600"))
    with pytest.raises(RegistryError, match=r"429.*TOOMANYREQUESTS: slow \(try again in 3600 s\)"):
        pull(open_repository(), "1", layout, display)
    assert no_waiting == []


def test_a_failure_that_stays_is_told_in_the_registrys_words(
    fake, publish, open_repository, layout, display
) -> None:
    publish(b"one")
    body = json.dumps({"errors": [{"code": "UNKNOWN", "message": "disk\x1b[31m full"}]}).encode()
    fake.fail("GET", "/blobs/", send(body, 503), times=99)
    with pytest.raises(RegistryError, match=r"pulling blob sha256:.* 503 .*disk\\x1b\[31m full"):
        pull(open_repository(), "1", layout, display)


def test_the_first_failure_stops_the_others(
    fake, publish, open_repository, layout, display
) -> None:
    publish(*(bytes([number]) * 1000 for number in range(30)))
    fake.fail("GET", "/blobs/", send(b"", 404))
    with pytest.raises(RegistryError, match="no such blob"):
        pull(open_repository(jobs=1), "1", layout, display)
    assert len(fake.asked("GET", "/blobs/")) == 1


def test_a_pull_can_be_stopped(fake, publish, open_repository, layout, display) -> None:
    publish(BIG)
    cancellation = Cancellation()

    def stop(handler) -> None:
        cancellation.cancel()
        handler.answer(200, BIG)

    fake.fail("GET", f"blobs/{Digest.of(BIG)}", stop)
    with pytest.raises(Cancelled):
        pull(open_repository(cancellation=cancellation), "1", layout, display)
    cancellation.close()
    assert not layout.has(Digest.of(BIG))
    assert nothing_left(layout)


def test_warnings_are_shown_once(fake, publish, open_repository, layout, display) -> None:
    _, image = publish(b"one")
    data = fake.manifests["team/tool", "1"][1]
    said: list[str] = []
    for _ in range(2):
        text = '299 - "this tag will go"'
        fake.fail("GET", "manifests/1", send(data, Warning=text, Content_Type=MANIFEST))
    repository = open_repository(warn=said.append)
    for _ in range(2):
        pull(repository, "1", layout, display)
    assert said == [f"registry {fake.host} says: this tag will go"]


def test_tags_are_listed_over_all_pages(fake, open_repository) -> None:
    for tag in "abcde":
        fake.put_manifest("team/tool", tag, b"{}", MANIFEST)
    assert open_repository().tags() == list("abcde")


def test_no_answer_names_the_registry(fake, open_repository, layout, display) -> None:
    repository = open_repository()
    fake.close()
    with pytest.raises(UnreachableError, match=f"pulling {fake.host}/team/tool:1: .*refused"):
        pull(repository, "1", layout, display)
