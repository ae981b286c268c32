from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.digest import Digest
from builder.errors import SignatureError
from builder.signing.payload import Payload, decode, encode

DIGEST = Digest("sha256:" + "ab" * 32)

GOOD = {
    "critical": {
        "identity": {"docker-reference": "docker.io/me/tool"},
        "image": {"docker-manifest-digest": DIGEST},
        "type": "cosign container image signature",
    },
    "optional": None,
}


def changed(change) -> bytes:
    document = json.loads(json.dumps(GOOD))
    change(document)
    return json.dumps(document).encode()


def test_bytes_are_those_of_cosign() -> None:
    assert encode(Payload(DIGEST, "docker.io/me/tool")) == (
        b'{"critical":{"identity":{"docker-reference":"docker.io/me/tool"},'
        b'"image":{"docker-manifest-digest":"sha256:' + b"ab" * 32 + b'"},'
        b'"type":"cosign container image signature"},"optional":null}'
    )


def test_optional_members_are_sorted_and_escaped_as_go_does() -> None:
    data = encode(Payload(DIGEST, "x", {"b": 1, "a": "<&>"}))
    assert data.endswith(b'"optional":{"a":"\\u003c\\u0026\\u003e","b":1}}')


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.none() | st.dictionaries(st.sampled_from(["x", "y", "creator"]), st.text("ab<>")),
)
def test_what_is_written_is_read(reference, optional) -> None:
    assert decode(encode(Payload(DIGEST, reference, optional))) == Payload(
        DIGEST, reference, optional
    )


def test_order_of_members_is_free() -> None:
    data = json.dumps(GOOD, sort_keys=True, indent=3).encode()
    assert decode(data).digest == DIGEST


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(extra=1), "payload has an unknown member 'extra'"),
        (lambda d: d["critical"].update(extra=1), "critical has an unknown member"),
        (lambda d: d["critical"]["image"].update(extra=1), "image has an unknown member"),
        (lambda d: d["critical"]["identity"].update(extra=1), "identity has an unknown member"),
        (lambda d: d.pop("optional"), "payload lacks the member 'optional'"),
        (lambda d: d.pop("critical"), "lacks the member 'critical'"),
        (lambda d: d["critical"].pop("type"), "lacks the member 'type'"),
        (lambda d: d["critical"].pop("image"), "lacks the member 'image'"),
        (lambda d: d["critical"].update(image=[]), "'image' is of the wrong type"),
        (lambda d: d["critical"].update(type="atomic container signature"), "its type is"),
        (lambda d: d["critical"]["identity"].update({"docker-reference": None}), "wrong type"),
        (lambda d: d["critical"]["image"].update({"docker-manifest-digest": 1}), "wrong type"),
        (lambda d: d["critical"]["image"].update({"docker-manifest-digest": "x"}), "not a digest"),
        (
            lambda d: d["critical"]["image"].update({"docker-manifest-digest": "md5:" + "a" * 32}),
            "md5 is not supported",
        ),
        (lambda d: d.update(optional=[]), "optional is neither null nor an object"),
        (lambda d: d.update(optional="x"), "optional is neither"),
        (lambda d: d.update(optional={"creator": 1}), "optional.creator is not of type str"),
        (lambda d: d.update(optional={"timestamp": 1.5}), "optional.timestamp is not of type int"),
        (lambda d: d.update(optional={"timestamp": True}), "optional.timestamp"),
        (lambda d: d.update(optional={"timestamp": "1"}), "optional.timestamp"),
    ],
)
def test_payload_that_is_not_exactly_one_is_refused(change, message) -> None:
    with pytest.raises(SignatureError, match=message):
        decode(changed(change))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"critical":{},"critical":{},"optional":null}',
        b'{"critical":NaN,"optional":null}',
        b"[" * 100000,
        json.dumps(GOOD).encode() + b"x",
        b" " * (1 << 21),
    ],
)
def test_garbage_is_refused(data) -> None:
    with pytest.raises(SignatureError):
        decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data) -> None:
    with pytest.raises(SignatureError):
        decode(data)


def test_other_optional_statements_are_kept() -> None:
    data = changed(lambda d: d.update(optional={"creator": "x", "timestamp": 5, "env": "prod"}))
    assert decode(data).optional == {"creator": "x", "timestamp": 5, "env": "prod"}
