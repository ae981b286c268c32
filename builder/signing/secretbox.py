"""NaCl's secretbox: XSalsa20 encryption with a Poly1305 tag in front.

The first 32 bytes of the key stream are the one-time key of the tag, the message is encrypted with
what follows. https://nacl.cr.yp.to/secretbox.html
"""

from __future__ import annotations

from builder.signing.salsa20 import KEY_SIZE, NONCE_SIZE, xsalsa20_stream

TAG_SIZE = 16


def seal(message: bytes, nonce: bytes, key: bytes) -> bytes:
    """Tag and ciphertext. A nonce must never be used twice with one key."""
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    tag_key, ciphertext = _apply(message, nonce, key)
    return Poly1305.generate_tag(tag_key, ciphertext) + ciphertext


def unseal(box: bytes, nonce: bytes, key: bytes) -> bytes | None:
    """The message, or None when the tag does not fit: a wrong key or altered bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    if len(box) < TAG_SIZE:
        return None
    tag, ciphertext = box[:TAG_SIZE], box[TAG_SIZE:]
    tag_key, message = _apply(ciphertext, nonce, key)
    try:
        Poly1305.verify_tag(tag_key, ciphertext, tag)
    except InvalidSignature:
        return None
    return message


def _apply(data: bytes, nonce: bytes, key: bytes) -> tuple[bytes, bytes]:
    """The one-time key of the tag, and the data with the key stream over it."""
    if len(key) != KEY_SIZE or len(nonce) != NONCE_SIZE:
        raise ValueError(f"a secretbox has a {KEY_SIZE}-byte key and a {NONCE_SIZE}-byte nonce")
    stream = xsalsa20_stream(key, nonce, KEY_SIZE + len(data))
    masked = int.from_bytes(data, "big") ^ int.from_bytes(stream[KEY_SIZE:], "big")
    return stream[:KEY_SIZE], masked.to_bytes(len(data), "big")
