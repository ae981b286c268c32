"""Signatures in an image layout: where they are, and that nothing of them is taken on trust."""

from __future__ import annotations

import base64
import json
import os
import threading

import pytest

from builder import canonical_json
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import (
    BlobNotFoundError,
    DigestMismatchError,
    ImageFormatError,
    SignatureError,
)
from builder.image import Image
from builder.layout import REF_NAME, Layout, is_accessory
from builder.signing import PrivateKey, copy_signatures, sign_image, verify_image
from builder.signing.storage import drop_orphans, read_signatures, signature_tag


def entry_of_signatures(layout, image) -> Descriptor:
    tag = signature_tag(image.digest)
    return next(e for e in layout.index() if e.annotations.get(REF_NAME) == tag)


def manifest_of(layout, entry) -> dict:
    return canonical_json.decode(layout.read(entry), "manifest")


def test_signed_image_verifies(layout, image, key) -> None:
    signed = sign_image(layout, image, key, "me/tool:1")
    assert not signed.already
    (verified,) = verify_image(layout, image, [key.public])
    assert verified.payload.digest == image.digest
    assert verified.payload.reference == "docker.io/me/tool:1"


def test_image_without_a_name_can_be_signed(layout, image, key) -> None:
    sign_image(layout, image, key)
    (verified,) = verify_image(layout, image, [key.public])
    assert verified.payload.reference == ""


def test_unsigned_image_does_not_verify(layout, image, key) -> None:
    with pytest.raises(SignatureError, match="not signed"):
        verify_image(layout, image, [key.public])


def test_image_signed_by_another_key_does_not_verify(layout, image, key, other_key) -> None:
    sign_image(layout, image, other_key)
    with pytest.raises(SignatureError, match="signed by another key"):
        verify_image(layout, image, [key.public])


def test_signing_again_adds_nothing(layout, image, key, index_of) -> None:
    sign_image(layout, image, key, "me/tool:1")
    before = index_of(layout)
    assert sign_image(layout, image, key, "me/tool:1").already
    assert index_of(layout) == before


def test_second_key_s_signature_is_added_to_the_first(layout, image, key, other_key) -> None:
    sign_image(layout, image, key)
    sign_image(layout, image, other_key)
    assert len(read_signatures(layout, image.digest)) == 2
    assert verify_image(layout, image, [key.public])
    assert verify_image(layout, image, [other_key.public])


def test_one_key_may_sign_for_two_names(layout, image, key) -> None:
    sign_image(layout, image, key, "me/tool:1")
    sign_image(layout, image, key, "me/tool:2")
    names = {v.payload.reference for v in verify_image(layout, image, [key.public])}
    assert names == {"docker.io/me/tool:1", "docker.io/me/tool:2"}
    assert len(verify_image(layout, image, [key.public], "me/tool:2")) == 1


def test_index_json_is_as_cosign_s_local_image_expects(layout, image, key, index_of) -> None:
    sign_image(layout, image, key)
    first, second = index_of(layout)["manifests"]
    assert first["digest"] == image.digest
    assert first["annotations"]["kind"] == "dev.cosignproject.cosign/image"
    assert second["annotations"] == {
        "kind": "dev.cosignproject.cosign/sigs",
        REF_NAME: f"sha256-{image.digest.hex}.sig",
    }


def test_signature_manifest_is_as_cosign_writes_it(layout, image, key) -> None:
    sign_image(layout, image, key, "me/tool:1")
    manifest = manifest_of(layout, entry_of_signatures(layout, image))
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    assert list(layer["annotations"]) == ["dev.cosignproject.cosign/signature"]
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    config = canonical_json.decode(
        layout.read(Descriptor.from_json(manifest["config"], "config")), "config"
    )
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]


def test_signature_is_of_the_payload_s_bytes(layout, image, key) -> None:
    sign_image(layout, image, key)
    (signature,) = read_signatures(layout, image.digest)
    raw = base64.b64decode(signature.candidate.signature)
    assert key.public.verifies(raw, layout.read(signature.descriptor))


def test_only_image_of_a_layout_gets_a_kind(layout, image, another_image, key, index_of) -> None:
    sign_image(layout, image, key)
    kinds = [e["annotations"].get("kind") for e in index_of(layout)["manifests"]]
    assert kinds == [None, None, "dev.cosignproject.cosign/sigs"]


def test_signatures_of_two_images_are_kept_apart(layout, image, another_image, key) -> None:
    sign_image(layout, image, key)
    with pytest.raises(SignatureError, match="not signed"):
        verify_image(layout, another_image, [key.public])
    sign_image(layout, another_image, key)
    assert len(read_signatures(layout, image.digest)) == 1


def test_signature_filed_under_another_image_does_not_count(
    layout, image, another_image, key
) -> None:
    sign_image(layout, image, key)
    entry = entry_of_signatures(layout, image)

    def move(index):
        stolen = entry.replace(
            annotations={**entry.annotations, REF_NAME: signature_tag(another_image.digest)}
        )
        index["manifests"].append(stolen.to_json())

    layout.edit_index(move)
    with pytest.raises(SignatureError, match="made for another image"):
        verify_image(layout, another_image, [key.public])


def test_signatures_that_cosign_saved_without_a_name_are_found(layout, image, key) -> None:
    sign_image(layout, image, key)

    def unname(index):
        for entry in index["manifests"]:
            if entry["annotations"].get("kind") == "dev.cosignproject.cosign/sigs":
                del entry["annotations"][REF_NAME]

    layout.edit_index(unname)
    assert verify_image(layout, image, [key.public])


def test_index_of_an_image_for_several_platforms_is_signed(layout, image, key, index_of) -> None:
    document = {"schemaVersion": 2, "manifests": [image.replace(annotations={}).to_json()]}
    several = layout.add(canonical_json.encode(document), "application/vnd.oci.image.index.v1+json")
    layout.edit_index(lambda index: index.update(manifests=[several.to_json()]))
    sign_image(layout, several, key)
    assert verify_image(layout, several, [key.public])
    kind = index_of(layout)["manifests"][0]["annotations"]["kind"]
    assert kind == "dev.cosignproject.cosign/imageIndex"


def test_altered_manifest_is_neither_signed_nor_verified(layout, image, key) -> None:
    sign_image(layout, image, key)
    path = layout.blob_path(image.digest)
    with open(path, "rb") as file:
        data = file.read()
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(data.replace(b'"schemaVersion":2', b'"schemaVersion":3'))
    with pytest.raises(DigestMismatchError):
        verify_image(layout, image, [key.public])
    with pytest.raises(DigestMismatchError):
        sign_image(layout, image, key)


def test_altered_payload_blob_is_refused(layout, image, key) -> None:
    sign_image(layout, image, key, "me/tool:1")
    (signature,) = read_signatures(layout, image.digest)
    path = layout.blob_path(signature.descriptor.digest)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(60)
        file.write(b"X")
    with pytest.raises(DigestMismatchError):
        verify_image(layout, image, [key.public])


def test_missing_payload_blob_is_refused(layout, image, key) -> None:
    sign_image(layout, image, key)
    (signature,) = read_signatures(layout, image.digest)
    os.unlink(layout.blob_path(signature.descriptor.digest))
    with pytest.raises(BlobNotFoundError):
        verify_image(layout, image, [key.public])


@pytest.mark.parametrize(
    "layers", [None, {}, "x", [1], [{}], [{"mediaType": "x", "digest": "sha256:..", "size": 1}]]
)
def test_malformed_signature_manifest_is_refused(layout, image, key, layers) -> None:
    document = {"schemaVersion": 2, "layers": layers}
    manifest = layout.add(
        json.dumps(document).encode(),
        "application/vnd.oci.image.manifest.v1+json",
        annotations={REF_NAME: signature_tag(image.digest)},
    )
    layout.edit_index(lambda index: index["manifests"].append(manifest.to_json()))
    with pytest.raises(ImageFormatError):
        verify_image(layout, image, [key.public])


def test_layers_of_other_types_are_no_signatures(layout, image, key) -> None:
    payload = layout.add(b"{}", "application/x-other").to_json()
    manifest = layout.add(
        json.dumps({"schemaVersion": 2, "layers": [payload]}).encode(),
        "application/vnd.oci.image.manifest.v1+json",
        annotations={REF_NAME: signature_tag(image.digest)},
    )
    layout.edit_index(lambda index: index["manifests"].append(manifest.to_json()))
    with pytest.raises(SignatureError, match="not signed"):
        verify_image(layout, image, [key.public])


def test_foreign_members_of_index_json_survive_signing(layout, image, key, index_of) -> None:
    layout.edit_index(lambda index: index.update(annotations={"a": "b"}, x=[1]))
    sign_image(layout, image, key)
    assert index_of(layout)["annotations"] == {"a": "b"}
    assert index_of(layout)["x"] == [1]


def test_signatures_are_accessories_and_images_are_not(layout, image, key) -> None:
    sign_image(layout, image, key)
    assert [is_accessory(entry) for entry in layout.index()] == [False, True]


def test_signatures_go_along_to_another_layout(tmp_path, layout, image, key, other_key) -> None:
    sign_image(layout, image, key)
    sign_image(layout, image, other_key)
    target = Layout.create(str(tmp_path / "target"))
    Image.load(layout, image).copy_to(target)
    target.edit_index(lambda index: index["manifests"].append(image.to_json()))
    assert copy_signatures(layout, target, image) == 2
    assert copy_signatures(layout, target, image) == 2
    assert len(read_signatures(target, image.digest)) == 2
    assert verify_image(target, image, [other_key.public])


def test_signatures_of_removed_images_are_dropped(layout, image, another_image, key) -> None:
    sign_image(layout, image, key)
    sign_image(layout, another_image, key)

    def remove(index):
        index["manifests"] = [e for e in index["manifests"] if e["digest"] != image.digest]

    layout.edit_index(remove)
    assert drop_orphans(layout) == 1
    assert drop_orphans(layout) == 0
    assert verify_image(layout, another_image, [key.public])


def test_signatures_made_at_the_same_time_are_all_kept(layout, image) -> None:
    keys = [PrivateKey.generate() for _ in range(6)]
    threads = [threading.Thread(target=sign_image, args=(layout, image, key)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(verify_image(layout, image, [key.public for key in keys])) == 6


def test_digest_that_is_not_there_cannot_be_signed(layout, image, key) -> None:
    absent = image.replace(digest=Digest.of(b"nothing"))
    with pytest.raises(BlobNotFoundError):
        sign_image(layout, absent, key)
