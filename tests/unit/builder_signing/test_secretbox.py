"""Test vectors of the NaCl library (tests/core1.c, core2.c, secretbox.c) and of its paper."""

from __future__ import annotations

import pytest

from builder.signing.salsa20 import hsalsa20, salsa20_block, xsalsa20_stream
from builder.signing.secretbox import seal, unseal

SHARED = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
FIRST_KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
SECOND_KEY = bytes.fromhex("dc908dda0b9344a953629b733820778880f3ceb421bb61b91cbd4c3e66256ce4")
MESSAGE = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a"
    "1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057"
    "e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040"
    "e082f937763848645e0705"
)
BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4"
    "476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738"
    "b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de"
    "56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)


def test_hsalsa20_gives_the_first_key_of_nacl() -> None:
    assert hsalsa20(SHARED, bytes(16)) == FIRST_KEY


def test_hsalsa20_gives_the_second_key_of_nacl() -> None:
    assert hsalsa20(FIRST_KEY, NONCE[:16]) == SECOND_KEY


def test_salsa20_block_is_that_of_the_specification() -> None:
    # Section 9 of the Salsa20 specification: keys of bytes 1-16 and 201-216, input 101-116.
    key = bytes([*range(1, 17), *range(201, 217)])
    counter = int.from_bytes(bytes(range(109, 117)), "little")
    block = salsa20_block(key, bytes(range(101, 109)), counter)
    assert block == bytes(
        (
            *(69, 37, 68, 39, 41, 15, 107, 193, 255, 139, 122, 6, 170, 233, 217, 98),
            *(89, 144, 182, 106, 21, 51, 200, 65, 239, 49, 222, 34, 215, 114, 40, 126),
            *(104, 197, 7, 225, 197, 153, 31, 2, 102, 78, 76, 176, 84, 245, 246, 184),
            *(177, 160, 133, 130, 6, 72, 149, 119, 192, 195, 132, 236, 234, 103, 246, 74),
        )
    )


def test_stream_is_continuous_over_blocks() -> None:
    whole = xsalsa20_stream(FIRST_KEY, NONCE, 300)
    assert all(xsalsa20_stream(FIRST_KEY, NONCE, size) == whole[:size] for size in range(300))


def test_seal_gives_the_box_of_nacl() -> None:
    assert seal(MESSAGE, NONCE, FIRST_KEY) == BOX


def test_unseal_gives_the_message_back() -> None:
    assert unseal(BOX, NONCE, FIRST_KEY) == MESSAGE


def test_empty_message_round_trips() -> None:
    assert unseal(seal(b"", NONCE, FIRST_KEY), NONCE, FIRST_KEY) == b""


@pytest.mark.parametrize("position", [0, 15, 16, 80, len(BOX) - 1])
def test_altered_box_is_refused(position: int) -> None:
    altered = bytearray(BOX)
    altered[position] ^= 1
    assert unseal(bytes(altered), NONCE, FIRST_KEY) is None


@pytest.mark.parametrize("size", [0, 15, 16, 100])
def test_truncated_box_is_refused(size: int) -> None:
    assert unseal(BOX[:size], NONCE, FIRST_KEY) is None


def test_wrong_key_is_refused() -> None:
    assert unseal(BOX, NONCE, SECOND_KEY) is None


def test_key_of_another_size_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="32-byte key"):
        seal(b"", NONCE, b"short")
