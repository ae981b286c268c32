"""`builder.signing.verify`: which signatures are good, by values alone."""

from __future__ import annotations

import base64

import pytest

from builder.digest import Digest
from builder.errors import SignatureError
from builder.signing.payload import Payload, encode
from builder.signing.verify import Candidate, check_signature, check_signatures, same_identity

DIGEST = Digest.of(b"the manifest")
OTHER = Digest.of(b"another manifest")


def signed(key, payload: Payload | bytes) -> Candidate:
    message = payload if isinstance(payload, bytes) else encode(payload)
    return Candidate(message, base64.b64encode(key.sign(message)).decode())


def test_good_signature_is_accepted(key) -> None:
    payload = Payload(DIGEST, "docker.io/me/tool")
    verified = check_signature(signed(key, payload), [key.public], DIGEST)
    assert verified.payload == payload
    assert verified.key is key.public


def test_any_of_several_keys_will_do(key, other_key) -> None:
    candidate = signed(key, Payload(DIGEST, "x"))
    assert check_signature(candidate, [other_key.public, key.public], DIGEST).key is key.public


def test_signature_by_another_key_is_refused(key, other_key) -> None:
    with pytest.raises(SignatureError, match="signed by another key"):
        check_signature(signed(other_key, Payload(DIGEST, "x")), [key.public], DIGEST)


def test_without_keys_nothing_is_accepted(key) -> None:
    with pytest.raises(SignatureError):
        check_signature(signed(key, Payload(DIGEST, "x")), [], DIGEST)


def test_signature_of_another_image_is_refused(key) -> None:
    with pytest.raises(SignatureError, match=f"made for another image, {OTHER}"):
        check_signature(signed(key, Payload(OTHER, "x")), [key.public], DIGEST)


def test_signature_for_another_name_is_refused_when_a_name_is_wanted(key) -> None:
    candidate = signed(key, Payload(DIGEST, "docker.io/me/tool"))
    assert check_signature(candidate, [key.public], DIGEST, "me/tool:3")
    with pytest.raises(SignatureError, match="made for the name 'docker.io/me/tool'"):
        check_signature(candidate, [key.public], DIGEST, "me/evil")


def test_altered_payload_is_refused(key) -> None:
    candidate = signed(key, Payload(OTHER, "x"))
    forged = Candidate(encode(Payload(DIGEST, "x")), candidate.signature)
    with pytest.raises(SignatureError, match="another key, or altered"):
        check_signature(forged, [key.public], DIGEST)


def test_every_altered_byte_of_a_payload_is_noticed(key) -> None:
    candidate = signed(key, Payload(DIGEST, "x"))
    for position in range(len(candidate.payload)):
        altered = bytearray(candidate.payload)
        altered[position] ^= 0x20
        with pytest.raises(SignatureError):
            check_signature(Candidate(bytes(altered), candidate.signature), [key.public], DIGEST)


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "A" * 9000, "MEUCIQ=", "é"])
def test_what_is_no_signature_is_refused(key, signature) -> None:
    candidate = Candidate(encode(Payload(DIGEST, "x")), signature)
    with pytest.raises(SignatureError):
        check_signature(candidate, [key.public], DIGEST)


@pytest.mark.parametrize("message", [b"", b"{}", b"\xff", b"null"])
def test_signed_nonsense_is_refused_even_with_the_right_key(key, message) -> None:
    with pytest.raises(SignatureError, match="reading the signed payload"):
        check_signature(signed(key, message), [key.public], DIGEST)


def test_huge_payload_is_refused_before_it_is_hashed(key) -> None:
    with pytest.raises(SignatureError, match="too long"):
        check_signature(signed(key, bytes(2 << 20)), [key.public], DIGEST)


def test_one_good_signature_among_bad_ones_is_enough(key, other_key) -> None:
    candidates = [
        signed(other_key, Payload(DIGEST, "x")),
        Candidate(b"", ""),
        signed(key, Payload(OTHER, "x")),
        signed(key, Payload(DIGEST, "x")),
    ]
    assert len(check_signatures(candidates, [key.public], DIGEST)) == 1


def test_all_reasons_are_in_one_line(key, other_key) -> None:
    candidates = [signed(other_key, Payload(DIGEST, "x")), signed(key, Payload(OTHER, "x"))]
    with pytest.raises(SignatureError) as caught:
        check_signatures(candidates, [key.public], DIGEST)
    text = str(caught.value)
    assert "no valid signature by first.key" in text
    assert "signed by another key" in text
    assert f"made for another image, {OTHER}" in text
    assert "\n" not in text


def test_unsigned_image_is_said_to_be_unsigned(key) -> None:
    with pytest.raises(SignatureError, match="the image is not signed"):
        check_signatures([], [key.public], DIGEST)


@pytest.mark.parametrize(
    ("claimed", "wanted", "same"),
    [
        ("docker.io/me/tool", "me/tool", True),
        ("docker.io/me/tool", "me/tool:7", True),
        ("docker.io/me/tool:7", "me/tool:7", True),
        ("docker.io/me/tool:7", "me/tool", True),
        ("docker.io/me/tool:7", "me/tool:8", False),
        ("docker.io/me/tool", "host.example/me/tool", False),
        ("host:5000/me/tool", "host:5000/me/tool:1", True),
        ("host:5000/me/tool", "host/me/tool", False),
        ("docker.io/library/alpine", "alpine", True),
        ("docker.io/me/tool", "me/tool-evil", False),
        ("", "me/tool", False),
        ("Not A Name", "me/tool", False),
        ("me/tool", f"docker.io/me/tool@{DIGEST}", True),
    ],
)
def test_names_that_mean_the_same(claimed, wanted, same) -> None:
    assert same_identity(claimed, wanted) is same
