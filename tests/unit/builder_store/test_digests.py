"""Digests, DiffIDs and ChainIDs."""

from __future__ import annotations

import hashlib

import pytest

from builder.digest import ChainID, DiffID, Digest, chain_ids
from builder.errors import ImageFormatError

HEX = hashlib.sha256(b"x").hexdigest()


def test_a_digest_is_a_string_with_parts() -> None:
    digest = Digest(f"sha256:{HEX}")
    assert digest == f"sha256:{HEX}"
    assert (digest.algorithm, digest.hex, digest.short) == ("sha256", HEX, HEX[:12])


def test_digest_of_data() -> None:
    assert Digest.of(b"x") == f"sha256:{HEX}"
    assert Digest.of(b"x", "sha512") == "sha512:" + hashlib.sha512(b"x").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX[:-1]}\n",
        f" sha256:{HEX}",
        f"sha256:../{HEX[3:]}",
        f"sha512:{HEX}",
        f"SHA256:{HEX}",
        f":{HEX}",
        "sha256:" + "٣" * 64,
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ImageFormatError):
        Digest(text)


def test_an_algorithm_that_is_not_supported_is_named() -> None:
    with pytest.raises(ImageFormatError, match=r"algorithm md5 is not supported \(sha256 and"):
        Digest("md5:" + "0" * 32)


def test_chain_ids_are_those_of_the_image_specification() -> None:
    first, second, third = (DiffID.of(data) for data in (b"1", b"2", b"3"))
    two = "sha256:" + hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    three = "sha256:" + hashlib.sha256(f"{two} {third}".encode()).hexdigest()
    assert chain_ids([first, second, third]) == [first, two, three]
    assert all(isinstance(chain_id, ChainID) for chain_id in chain_ids([first, second]))
    assert chain_ids([]) == []
