"""Salsa20, HSalsa20 and the XSalsa20 key stream, for the few hundred bytes of a private key.

`cryptography` has Poly1305 and scrypt but not this cipher, and the key files that the ecosystem
exchanges are sealed with it. Not for bulk data: it makes about a megabyte a second.

Bernstein, "The Salsa20 family of stream ciphers" and "Extending the Salsa20 nonce" (2011).
"""

from __future__ import annotations

import struct

KEY_SIZE = 32
NONCE_SIZE = 24
_BLOCK = struct.Struct("<16L")
_HALF = struct.Struct("<8L")
_SIGMA = struct.unpack("<4L", b"expand 32-byte k")
_MASK = 0xFFFFFFFF

_QUARTERS = (
    *((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)),
    *((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)
"""Indices of the quarter rounds of a column round and of the row round after it."""
_STEPS = ((1, 0, 3, 7), (2, 1, 0, 9), (3, 2, 1, 13), (0, 3, 2, 18))
"""A quarter round: y[target] ^= (y[a] + y[b]) <<< distance."""


def _rounds(words: list[int]) -> list[int]:
    """Twenty rounds, without the final addition."""
    x = list(words)
    for _ in range(10):
        for quarter in _QUARTERS:
            for target, a, b, distance in _STEPS:
                total = (x[quarter[a]] + x[quarter[b]]) & _MASK
                x[quarter[target]] ^= (total << distance & _MASK) | total >> (32 - distance)
    return x


def _state(key: bytes, middle: tuple[int, ...]) -> list[int]:
    """The matrix: constants on the diagonal, the key around the four words in the middle."""
    k = _HALF.unpack(key)
    s = _SIGMA
    return [s[0], *k[:4], s[1], *middle, s[2], *k[4:], s[3]]


def salsa20_block(key: bytes, nonce: bytes, counter: int) -> bytes:
    """The 64 bytes of key stream at block `counter`; `nonce` has 8 bytes."""
    start = _state(key, (*struct.unpack("<2L", nonce), counter & _MASK, counter >> 32))
    return _BLOCK.pack(*((a + b) & _MASK for a, b in zip(start, _rounds(start))))


def hsalsa20(key: bytes, nonce: bytes) -> bytes:
    """The key derived from a key and the first 16 bytes of a long nonce."""
    x = _rounds(_state(key, struct.unpack("<4L", nonce)))
    return _HALF.pack(*(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def xsalsa20_stream(key: bytes, nonce: bytes, size: int) -> bytes:
    """The first `size` bytes of key stream for a 32-byte key and a 24-byte nonce."""
    subkey = hsalsa20(key, nonce[:16])
    blocks = (salsa20_block(subkey, nonce[16:], i) for i in range((size + 63) // 64))
    return b"".join(blocks)[:size]
