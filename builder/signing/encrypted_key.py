"""The encrypted private key file that cosign, skopeo and podman read and write.

    PEM block "ENCRYPTED COSIGN PRIVATE KEY", its body a JSON document:
    {"kdf": {"name": "scrypt", "params": {"N": …, "r": 8, "p": 1}, "salt": base64},
     "cipher": {"name": "nacl/secretbox", "nonce": base64}, "ciphertext": base64}

The ciphertext is a secretbox around the PKCS#8 DER, under scrypt(password, salt).
"""

from __future__ import annotations

from builder import canonical_json
from builder.errors import ImageFormatError, KeyFileError
from builder.signing.salsa20 import KEY_SIZE, NONCE_SIZE
from builder.signing.secretbox import seal, unseal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PEM_LABELS = ("ENCRYPTED COSIGN PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY")
"""What is read; the first is written, since older skopeo and podman know no other."""

_N, _R, _P = 32768, 8, 1
"""The only cost that skopeo before 1.10 takes; everything newer takes it too."""
_SALT_SIZE = 32
_MOST_MEMORY = 1 << 30
_LINE = 64


def encrypt(pkcs8: bytes, password: bytes) -> bytes:
    """The PEM file of a private key."""
    import base64
    import os

    salt, nonce = os.urandom(_SALT_SIZE), os.urandom(NONCE_SIZE)
    box = seal(pkcs8, nonce, _derive(password, salt, _N, _R, _P))
    document = {
        "kdf": {"name": "scrypt", "params": {"N": _N, "r": _R, "p": _P}, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(box),
    }
    body = base64.b64encode(canonical_json.encode(document)).decode()
    lines = [body[i : i + _LINE] for i in range(0, len(body), _LINE)]
    label = PEM_LABELS[0]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def decrypt(body: bytes, password: bytes, name: str) -> bytes:
    """The PKCS#8 DER in the decoded body of a PEM block; `name` is the file's, for messages.

    Raises KeyFileError when the document is damaged or the password is wrong.
    """
    try:
        document = canonical_json.decode(body, "the key's JSON")
    except ImageFormatError as error:
        raise KeyFileError(f"reading key {name}: {error.message}", subject=name) from None
    kdf, cipher = _member(document, "kdf", dict, name), _member(document, "cipher", dict, name)
    if kdf.get("name") != "scrypt" or cipher.get("name") != "nacl/secretbox":
        raise KeyFileError(
            f"reading key {name}: encrypted with {kdf.get('name')!r} and {cipher.get('name')!r}",
            hint="only scrypt with nacl/secretbox is known",
            subject=name,
        )
    params = _member(kdf, "params", dict, name)
    n, r, p = (_member(params, letter, int, name) for letter in ("N", "r", "p"))
    # A hostile file must not make us spend minutes or all of the memory before it is refused.
    if n < 2 or n & (n - 1) or r < 1 or not 1 <= p <= 16 or 128 * n * r > _MOST_MEMORY:
        raise KeyFileError(
            f"reading key {name}: scrypt parameters N={n} r={r} p={p} are out of range",
            subject=name,
        )
    salt, nonce = _bytes(kdf, "salt", name), _bytes(cipher, "nonce", name)
    box = _bytes(document, "ciphertext", name)
    if len(nonce) != NONCE_SIZE:
        raise KeyFileError(
            f"reading key {name}: the nonce has {len(nonce)} bytes, not {NONCE_SIZE}", subject=name
        )
    pkcs8 = unseal(box, nonce, _derive(password, salt, n, r, p))
    if pkcs8 is None:
        raise KeyFileError(
            f"decrypting key {name}: wrong password, or the file is damaged", subject=name
        )
    return pkcs8


def _derive(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    import hashlib

    memory = 128 * r * (n + p + 2)
    return hashlib.scrypt(
        password, salt=salt, n=n, r=r, p=p, maxmem=memory + (1 << 20), dklen=KEY_SIZE
    )


def _text(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def _member(document: Any, key: str, kind: type, name: str) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    if type(value) is not kind:
        raise KeyFileError(
            f"reading key {name}: member {key!r} is missing or of the wrong type",
            hint="the file is damaged or is no cosign key",
            subject=name,
        )
    return value


def _bytes(document: Any, key: str, name: str) -> bytes:
    import base64

    text = _member(document, key, str, name)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise KeyFileError(
            f"reading key {name}: member {key!r} is not base64", subject=name
        ) from None
