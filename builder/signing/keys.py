"""Key pairs: made, read from files, used to sign and to check.

| file | read | made |
|---|---|---|
| `ENCRYPTED COSIGN PRIVATE KEY`, `ENCRYPTED SIGSTORE PRIVATE KEY` | yes | the first |
| PKCS#8 (`PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`), `EC PRIVATE KEY`, `RSA PRIVATE KEY` | yes | no |
| `PUBLIC KEY` (SubjectPublicKeyInfo) | yes | yes |

Algorithms: ECDSA on P-256, P-384 and P-521 and RSA PKCS#1 v1.5 from 2048 bits, all over SHA-256,
as cosign does; Ed25519 over the message itself.
"""

from __future__ import annotations

import os

from builder.errors import KeyFileError
from builder.signing import encrypted_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    AnyPrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    AnyPublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    Password = Callable[[], bytes]

_LARGEST_FILE = 1 << 16
_SMALLEST_RSA = 2048
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


class PublicKey:
    """A key that signatures are checked with."""

    __slots__ = ("_key", "algorithm", "name")

    def __init__(self, key: AnyPublicKey, name: str) -> None:
        """Take a key of `cryptography`; `name` is the file's, for messages.

        Raises KeyFileError for an algorithm that is not accepted.
        """
        self._key = key
        self.name = name
        self.algorithm = _algorithm(key, name)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature of the message is by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

        key = self._key
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            elif isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            else:
                key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    @property
    def der(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        """The file's contents."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the digest of the SubjectPublicKeyInfo in hex."""
        import hashlib

        return "sha256:" + hashlib.sha256(self.der).hexdigest()


class PrivateKey:
    """A key that signs."""

    __slots__ = ("_key", "public")

    def __init__(self, key: AnyPrivateKey, name: str) -> None:
        """Take a key of `cryptography`; `name` is the file's, for messages.

        Raises KeyFileError for an algorithm that is not accepted.
        """
        self._key = key
        self.public = PublicKey(key.public_key(), name)

    @classmethod
    def generate(cls, name: str = "new key") -> PrivateKey:
        """A new ECDSA P-256 key."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(ec.generate_private_key(ec.SECP256R1()), name)

    def sign(self, message: bytes) -> bytes:
        """The signature; ASN.1 DER for ECDSA."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

        key = self._key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def encrypted(self, password: bytes) -> bytes:
        """The contents of an encrypted key file."""
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        pkcs8 = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return encrypted_key.encrypt(pkcs8, password)


def load_private_key(path: str, password: Password) -> PrivateKey:
    """Read a private key; `password` is asked only when the file is encrypted.

    Raises KeyFileError.
    """
    data = _read(path)
    if b"-----BEGIN PUBLIC KEY-----" in data:
        raise KeyFileError(
            f"reading key {path}: this is a public key",
            hint="sign with the private key, verify with the public one",
            subject=path,
        )
    for label in encrypted_key.PEM_LABELS:
        body = _pem_body(data, label, path)
        if body is not None:
            return _from_der(encrypted_key.decrypt(body, password(), path), path)
    return _from_pem(data, password, path)


def load_public_key(path: str) -> PublicKey:
    """Read a public key. Raises KeyFileError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _read(path)
    if b"PRIVATE KEY-----" in data:
        raise KeyFileError(
            f"reading key {path}: this is a private key",
            hint="verify with the public key, whose file keygen named .pub",
            subject=path,
        )
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(
            f"reading key {path}: not a public key in PEM form", subject=path
        ) from None
    return PublicKey(key, path)  # type: ignore[arg-type]


def write_key_pair(prefix: str, password: bytes) -> tuple[str, str]:
    """Make a key pair as PREFIX.key (encrypted, mode 0600) and PREFIX.pub; gives both paths.

    Raises KeyFileError when one of them exists: a key that signs images is never overwritten.
    """
    private, public = f"{prefix}.key", f"{prefix}.pub"
    for path in (private, public):
        if os.path.lexists(path):
            raise _exists(path)
    key = PrivateKey.generate()
    _write_new(private, key.encrypted(password), 0o600)
    try:
        _write_new(public, key.public.pem, 0o644)
    except BaseException:
        os.unlink(private)
        raise
    return private, public


def _exists(path: str) -> KeyFileError:
    return KeyFileError(
        f"writing key {path}: the file exists",
        hint="remove it yourself if no image needs it any more, or give another --output",
        subject=path,
    )


def _write_new(path: str, data: bytes, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise KeyFileError(f"writing key {path}: {error.strerror}", subject=path) from None
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        os.unlink(path)
        raise KeyFileError(f"writing key {path}: {error.strerror}", subject=path) from None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"reading key {path}: {error.strerror}", subject=path) from None
    if len(data) > _LARGEST_FILE:
        raise KeyFileError(f"reading key {path}: too large for a key", subject=path)
    return data


def _pem_body(data: bytes, label: str, name: str) -> bytes | None:
    """The decoded body of the file's PEM block of that label, None when it has none."""
    import base64

    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    _, found, rest = data.partition(begin)
    if not found:
        return None
    body, found, _ = rest.partition(end)
    try:
        if not found:
            raise ValueError
        return base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        raise KeyFileError(f"reading key {name}: the PEM block is damaged", subject=name) from None


def _from_pem(data: bytes, password: Password, name: str) -> PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    encrypted = b"ENCRYPTED" in data
    secret = password() if encrypted else None
    try:
        key = load_pem_private_key(data, secret or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"reading key {name}: not a private key in PEM form"
        if encrypted:
            message = f"decrypting key {name}: wrong password, or the file is damaged"
        raise KeyFileError(message, subject=name) from None
    return PrivateKey(key, name)  # type: ignore[arg-type]


def _from_der(pkcs8: bytes, name: str) -> PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        key = load_der_private_key(pkcs8, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(
            f"reading key {name}: what is encrypted in it is no PKCS#8 key", subject=name
        ) from None
    return PrivateKey(key, name)  # type: ignore[arg-type]


def _algorithm(key: AnyPublicKey, name: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return f"ECDSA {_CURVES[key.curve.name]}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SMALLEST_RSA:
        return f"RSA {key.key_size}"
    raise KeyFileError(
        f"reading key {name}: its algorithm or size is not accepted",
        hint="use ECDSA on P-256, P-384 or P-521, Ed25519, or RSA from 2048 bits",
        subject=name,
    )
