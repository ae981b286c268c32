"""Descriptors of untrusted JSON."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import ImageFormatError

GOOD: dict[str, Any] = {
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": Digest.of(b"{}"),
    "size": 2,
}


def test_every_member_survives() -> None:
    document = {
        **GOOD,
        "urls": ["https://example.com/x"],
        "annotations": {"a": "1", "b": "2"},
        "data": base64.b64encode(b"{}").decode(),
        "platform": {"os": "linux", "architecture": "arm64", "os.features": ["x"]},
        "artifactType": "application/x",
    }
    assert Descriptor.from_json(document, "it").to_json() == document


def test_absent_members_stay_absent() -> None:
    assert Descriptor.from_json(GOOD, "it").to_json() == GOOD


def test_descriptors_can_be_members_of_sets() -> None:
    first = Descriptor.from_json(GOOD, "it")
    second = Descriptor.from_json({**GOOD, "annotations": {}}, "it")
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mediaType": None}, "mediaType"),
        ({"mediaType": ""}, "mediaType"),
        ({"digest": 7}, "digest"),
        ({"digest": "sha256:00"}, "digits"),
        ({"size": -1}, "size"),
        ({"size": "2"}, "size"),
        ({"size": True}, "size"),
        ({"size": 2.0}, "size"),
        ({"size": 1 << 63}, "size"),
        ({"annotations": {"a": 1}}, "annotations"),
        ({"annotations": []}, "annotations"),
        ({"platform": "linux"}, "platform"),
        ({"urls": "x"}, "urls"),
        ({"urls": [1]}, "urls"),
        ({"artifactType": 1}, "artifactType"),
        ({"data": "e30"}, "base64"),
        ({"data": "W10="}, "embedded data"),
        ({"data": "e30=", "size": 3}, "embedded data"),
        ({"data": 1}, "data"),
    ],
)
def test_a_wrong_member_is_named(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ImageFormatError) as caught:
        Descriptor.from_json({**GOOD, **change}, "manifest x /layers/0")
    assert why in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(ImageFormatError, match="manifest x /config: a descriptor must be an obj"):
        Descriptor.from_json(document, "manifest x /config")
