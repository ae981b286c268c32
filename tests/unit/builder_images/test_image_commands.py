"""The commands on images, as a person calls them."""

from __future__ import annotations

import json
import os

import pytest

from builder.images.text import age_text, printable, shortened, size_text, table
from builder.store import Store


@pytest.fixture
def image(tmp_path, make, archive):
    with Store(str(tmp_path / "store")) as store:
        image = make(
            store.layout,
            archive(("a", b"a" * 3000)),
            Cmd=["/a"],
            top={
                "created": "2020-01-01T00:00:00Z",
                "history": [
                    {"created_by": "COPY a /a", "created": "2020-01-01T00:00:00Z"},
                    {"created_by": "CMD\x1b[31m", "empty_layer": True},
                ],
            },
        )
        store.tag("me/tool:1", image)
        return image


@pytest.fixture
def keys(command):
    assert command("keygen", "-o", "k")[0] == 0
    assert command("keygen", "-o", "other")[0] == 0


def test_keygen_refuses_to_overwrite(command, keys) -> None:
    status, out, err = command("keygen", "-o", "k")
    assert (status, out) == (1, "")
    assert err.startswith("pyoci-builder: writing key k.key: the file exists")
    assert err.count("\n") == 1


def test_signed_image_verifies(command, image, keys) -> None:
    status, out, _ = command("sign", "--key", "k.key", "me/tool:1")
    assert status == 0
    assert out == f"{image.digest} signed as docker.io/me/tool:1\n"
    assert "signed already by this key" in command("sign", "--key", "k.key", "me/tool:1")[1]
    status, out, err = command("verify", "--key", "k.pub", "me/tool:1")
    assert (status, err) == (0, "")
    assert f"verified {image.digest}" in out
    assert "by k.pub (ECDSA P-256), made for docker.io/me/tool:1" in out
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        *("signature", "manifest", "config", "layer"),
    ]


def test_unsigned_image_is_refused_in_one_line(command, image, keys) -> None:
    status, out, err = command("verify", "--key", "k.pub", "me/tool:1")
    assert (status, out) == (1, "")
    assert "the image is not signed" in err
    assert err.count("\n") == 1


def test_signature_by_another_key_is_refused(command, image, keys) -> None:
    command("sign", "--key", "other.key", "me/tool:1")
    status, out, err = command("verify", "--key", "k.pub", "me/tool:1")
    assert (status, out) == (1, "")
    assert "no valid signature by k.pub: signed by another key" in err
    assert err.count("\n") == 1


def test_any_of_several_keys_verifies(command, image, keys) -> None:
    command("sign", "--key", "other.key", "me/tool:1")
    status, out, _ = command("verify", "--key", "k.pub", "--key", "other.pub", "me/tool:1")
    assert status == 0
    assert "by other.pub" in out


def test_signature_for_another_name_is_refused_when_asked(command, image, keys) -> None:
    command("sign", "--key", "k.key", "me/tool:1")
    assert command("verify", "--key", "k.pub", "--reference", "me/tool:1", "me/tool:1")[0] == 0
    status, _, err = command("verify", "--key", "k.pub", "--reference", "me/evil", "me/tool:1")
    assert status == 1
    assert "made for the name 'docker.io/me/tool:1'" in err


def test_wrong_password_is_one_line(command, image, keys, tmp_path) -> None:
    (tmp_path / "pw").write_text("wrong\n")
    status, _, err = command("sign", "--key", "k.key", "--password-file", "pw", "me/tool:1")
    assert status == 1
    assert err == "pyoci-builder: decrypting key k.key: wrong password, or the file is damaged\n"


def test_damaged_layer_fails_verification_in_spite_of_the_signature(
    command, image, keys, harm, tmp_path
) -> None:
    command("sign", "--key", "k.key", "me/tool:1")
    with Store(str(tmp_path / "store")) as store:
        from builder.image import Image

        layer = Image.load(store.layout, image).layers[0]
        harm(store.layout, layer.digest, 1500)
    status, out, err = command("verify", "--key", "k.pub", "me/tool:1")
    assert (status, out) == (1, "")
    assert layer.digest.hex[:12] in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "me/tool:1"),
        ("inspect", "--raw", "me/tool:1"),
        ("history", "me/tool:1"),
        ("unpack", "me/tool:1", "bundle"),
        ("sign", "--key", "k.key", "me/tool:1"),
        ("verify", "--key", "k.pub", "me/tool:1"),
    ],
)
def test_every_command_refuses_an_altered_manifest(
    command, image, keys, harm, tmp_path, arguments
) -> None:
    with Store(str(tmp_path / "store")) as store:
        harm(store.layout, image.digest, 20)
    status, out, err = command(*arguments)
    assert (status, out) == (1, "")
    assert image.digest.hex[:12] in err
    assert err.count("\n") == 1
    assert not os.path.exists("bundle")


@pytest.mark.parametrize("name", ["inspect", "history", "unpack"])
def test_commands_that_read_the_config_refuse_an_altered_one(
    command, image, harm, tmp_path, name
) -> None:
    from builder.image import Image

    with Store(str(tmp_path / "store")) as store:
        config = Image.load(store.layout, image).config_descriptor
        harm(store.layout, config.digest, 5)
    more = ("bundle",) if name == "unpack" else ()
    status, out, err = command(name, "me/tool:1", *more)
    assert (status, out) == (1, "")
    assert config.digest.hex[:12] in err


def test_inspect_shows_everything(command, image, keys) -> None:
    command("sign", "--key", "k.key", "me/tool:1")
    document = json.loads(command("inspect", "me/tool:1")[1])
    assert document["name"] == "docker.io/me/tool:1"
    assert document["digest"] == image.digest
    assert document["config"] == {"Cmd": ["/a"]}
    assert document["layers"][0]["diffID"] == document["layers"][0]["digest"]
    assert document["signatures"] == [{"reference": "docker.io/me/tool:1", "verified": False}]


def test_inspect_raw_gives_the_bytes_of_the_digest(command, image) -> None:
    from builder.digest import Digest

    raw = command("inspect", "--raw", "me/tool:1")[1]
    assert Digest.of(raw.encode()) == image.digest
    config = command("inspect", "--config", "me/tool:1")[1]
    assert Digest.of(config.encode()) == json.loads(raw)["config"]["digest"]


def test_history_is_newest_first_and_does_not_move_the_cursor(command, image) -> None:
    _, out, _ = command("history", "me/tool:1")
    lines = out.splitlines()
    assert "CMD\\x1b[31m" in lines[1]
    assert "COPY a /a" in lines[2]
    assert "\x1b" not in out
    entries = json.loads(command("history", "--format", "json", "me/tool:1")[1])
    assert [entry["createdBy"] for entry in entries] == ["CMD\\x1b[31m", "COPY a /a"]
    assert entries[1]["size"] > 0


def test_images_lists_names_and_not_signatures(command, image, keys) -> None:
    command("sign", "--key", "k.key", "me/tool:1")
    _, out, _ = command("images")
    assert len(out.splitlines()) == 2
    assert "me/tool:1" in out
    assert command("images", "-q")[1] == "docker.io/me/tool:1\n"
    (row,) = json.loads(command("images", "--format", "json")[1])
    assert row["digest"] == image.digest
    assert row["signatures"] == 1
    assert row["platforms"] == ["linux/amd64"]


def test_images_lists_a_damaged_image_with_its_fault(command, image, harm, tmp_path) -> None:
    with Store(str(tmp_path / "store")) as store:
        harm(store.layout, image.digest)
    status, out, err = command("images")
    assert status == 0
    assert "damaged" in out
    assert image.digest.hex[:12] in err


def test_tag_and_rm_change_names_only(command, image) -> None:
    assert command("tag", "me/tool:1", "other", "third:x")[1] == (
        "docker.io/library/other:latest\ndocker.io/library/third:x\n"
    )
    assert command("rm", "me/tool:1")[1] == "removed docker.io/me/tool:1\n"
    assert json.loads(command("inspect", "other")[1])["digest"] == image.digest
    _, out, _ = command("rm", f"sha256:{image.digest.hex[:12]}")
    assert sorted(out.splitlines()) == [
        "removed docker.io/library/other:latest",
        "removed docker.io/library/third:x",
    ]
    assert command("images", "-q")[1] == ""


def test_rm_of_the_last_name_takes_the_signatures_along(command, image, keys, tmp_path) -> None:
    command("sign", "--key", "k.key", "me/tool:1")
    command("tag", "me/tool:1", "other")
    command("rm", "me/tool:1")
    assert command("verify", "--key", "k.pub", "other")[0] == 0
    command("rm", "other")
    with Store(str(tmp_path / "store")) as store:
        assert store.layout.index() == []


def test_rm_goes_on_after_a_name_that_is_not_there(command, image) -> None:
    status, out, err = command("rm", "nothing", "me/tool:1")
    assert status == 1
    assert out == "removed docker.io/me/tool:1\n"
    assert "nothing" in err
    assert err.count("\n") == 1


def test_tag_copies_an_image_of_a_layout_with_its_signatures(
    command, keys, layout, make, archive, put
) -> None:
    image = put(layout, make(layout, archive(("a", b"a")), Cmd=["/a"]), "v1")
    command("sign", "--key", "k.key", "layout")
    assert command("tag", "./layout", "copy")[0] == 0
    status, out, _ = command("verify", "--key", "k.pub", "copy")
    assert status == 0
    assert image.digest in out


def test_layout_is_signed_and_verified_without_a_store(
    command, keys, layout, make, archive, put, tmp_path
) -> None:
    put(layout, make(layout, archive(("a", b"a")), Cmd=["/a"]), "v1")
    assert command("sign", "--key", "k.key", "./layout:v1")[0] == 0
    assert command("verify", "--key", "k.pub", "./layout")[0] == 0
    assert not (tmp_path / "store").exists()
    assert sorted(os.listdir("layout")) == ["blobs", "index.json", "oci-layout"]


def test_import_unpack_and_arguments(command, tmp_path, archive) -> None:
    (tmp_path / "root.tar").write_bytes(archive(("bin", None), ("bin/sh", b"x")))
    status, out, err = command("import", "root.tar", "base", "-c", "ENV A=1", "-m", "why")
    assert status == 0, err
    assert out.startswith("docker.io/library/base:latest sha256:")
    status, _, err = command("unpack", "base", "bundle", "sh", "-c", "echo --quiet")
    assert status == 0, err
    document = json.loads((tmp_path / "bundle/config.json").read_text())
    assert document["process"]["args"] == ["sh", "-c", "echo --quiet"]
    assert document["hostname"] == "bundle"


def test_import_with_a_bad_name_reads_nothing(command) -> None:
    status, _, err = command("import", "/no/such/archive", "Bad Name")
    assert status == 1
    assert "Bad Name" in err


def test_source_date_epoch_that_is_no_number_is_refused(command, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    status, _, err = command("import", "/no/such/archive", "base")
    assert status == 2
    assert "SOURCE_DATE_EPOCH='yesterday' is not a number" in err


def test_bad_platform_is_one_line(command, image) -> None:
    status, _, err = command("inspect", "--platform", "a/b/c/d/e", "me/tool:1")
    assert status == 1
    assert "write it as linux/arm64" in err


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1234567, "1.23MB"),
        (999_600, "1MB"),
        (12_345_678_901, "12.3GB"),
    ],
)
def test_sizes_have_three_digits(size, text) -> None:
    assert size_text(size) == text


def test_ages_are_in_the_largest_unit() -> None:
    assert age_text("1970-01-01T00:00:00Z", 90) == "1 minute ago"
    assert age_text("1970-01-01T00:00:00.123456789Z", 86400 * 3) == "2 days ago"
    assert age_text("1970-01-01T00:00:00Z", 0) == "just now"
    assert age_text("nonsense", 0) == ""
    assert age_text("", 0) == ""


def test_tables_align_their_columns() -> None:
    assert table([("A", "BB"), ("CCC", "D")]) == "A     BB\nCCC   D\n"


def test_texts_are_shortened_and_made_printable() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert printable("a\nb\tc\x1b[0m\u202e") == "a b c\\x1b[0m\\u202e"
