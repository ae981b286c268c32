from __future__ import annotations

import base64
import json
import os
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from builder.errors import KeyFileError
from builder.signing import PrivateKey, load_private_key, load_public_key
from builder.signing.keys import write_key_pair

# Written by cosign 3.1.3 (generate-key-pair) with the password "xx", and the public key beside it.
COSIGN_KEY = """\
-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiIvUHJXUWlEcW5DeFQySE5KUk15Mjk1M2tlNS9QekZ2
bFBvbTFHTVhmS05RPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiI3Uzc3TnhPU204akJBR1FEUGovMUw4KzhsbjYxdGZLSiJ9LCJj
aXBoZXJ0ZXh0IjoiWEMvRCtSMkxnVXNNQ2s5NXl1Uy9xUGdJY3ovdU9ybURRY0xO
V2N2SnNSWGZSaWUxMU9OKy9Pb2dORmlUUHMrRVB1WTdQLzIvUy9kcUswUk1VeVdv
NGtrZG1uelBodnhucmZoRGUyQ2JvektFdW1NMzBzKzlveVJMTUxrdGt5a1NOQjYz
MzVudnlBV0NwS0NEaEJTLzRjcFhVK1hhZWpmSERWTGs5YXZrbXM1clUyOUdidjUx
SkVwUnpiZmhDVDQ2OC8yZzFZNWN2cTRVbkE9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
"""
COSIGN_PUB = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExwOo8kxxK/CHmd1xNubawAvQ/tZ6
yJu9kDd8v/qUi6SuNKSBdj3VIaowUmnTt8j2HDvS9Hmu1dY8eijAgiIrBw==
-----END PUBLIC KEY-----
"""


def password() -> bytes:
    return b"secret"


def never_asked() -> bytes:
    raise AssertionError("the password of an unencrypted key was asked for")


def make(directory, name: str, data: bytes | str) -> str:
    path = directory / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def document_of(pem: bytes) -> dict:
    return json.loads(base64.b64decode(b"".join(pem.splitlines()[1:-1])))


def with_document(document) -> bytes:
    body = base64.b64encode(json.dumps(document).encode())
    label = b"ENCRYPTED COSIGN PRIVATE KEY"
    return b"-----BEGIN " + label + b"-----\n" + body + b"\n-----END " + label + b"-----\n"


@pytest.fixture
def pair(tmp_path):
    return write_key_pair(str(tmp_path / "my"), password())


def test_written_pair_belongs_together(pair) -> None:
    private = load_private_key(pair[0], password)
    public = load_public_key(pair[1])
    assert private.public.fingerprint == public.fingerprint
    assert public.verifies(private.sign(b"message"), b"message")
    assert not public.verifies(private.sign(b"message"), b"massage")


def test_written_key_is_ecdsa_p256(pair) -> None:
    assert load_public_key(pair[1]).algorithm == "ECDSA P-256"


def test_private_key_file_is_for_its_owner_only(pair) -> None:
    assert stat.S_IMODE(os.stat(pair[0]).st_mode) == 0o600


def test_private_key_is_in_the_form_of_every_cosign_and_skopeo(pair) -> None:
    with open(pair[0], "rb") as file:
        data = file.read()
    assert data.startswith(b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n")
    document = document_of(data)
    assert document["kdf"]["params"] == {"N": 32768, "r": 8, "p": 1}
    assert len(base64.b64decode(document["kdf"]["salt"])) == 32
    assert len(base64.b64decode(document["cipher"]["nonce"])) == 24


def test_two_encryptions_of_one_key_share_neither_salt_nor_nonce(key) -> None:
    first, second = document_of(key.encrypted(b"x")), document_of(key.encrypted(b"x"))
    assert first["kdf"]["salt"] != second["kdf"]["salt"]
    assert first["cipher"]["nonce"] != second["cipher"]["nonce"]


def test_key_that_cosign_made_is_read(tmp_path) -> None:
    private = load_private_key(make(tmp_path, "c.key", COSIGN_KEY), lambda: b"xx")
    public = load_public_key(make(tmp_path, "c.pub", COSIGN_PUB))
    assert private.public.der == public.der


def test_wrong_password_is_refused(pair) -> None:
    with pytest.raises(KeyFileError, match="wrong password"):
        load_private_key(pair[0], lambda: b"wrong")


def test_existing_private_key_is_never_overwritten(tmp_path, pair) -> None:
    with open(pair[0], "rb") as file:
        before = file.read()
    with pytest.raises(KeyFileError, match=r"my\.key: the file exists"):
        write_key_pair(str(tmp_path / "my"), b"x")
    with open(pair[0], "rb") as file:
        assert file.read() == before


def test_existing_public_key_keeps_the_pair_from_being_made(tmp_path) -> None:
    make(tmp_path, "a.pub", "precious")
    with pytest.raises(KeyFileError, match="exists"):
        write_key_pair(str(tmp_path / "a"), b"x")
    assert sorted(os.listdir(tmp_path)) == ["a.pub"]


def test_symlink_in_the_key_file_s_place_is_not_written_through(tmp_path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "a.key")
    with pytest.raises(KeyFileError, match="exists"):
        write_key_pair(str(tmp_path / "a"), b"x")
    assert not (tmp_path / "elsewhere").exists()


def test_key_in_a_directory_that_is_not_there_is_one_line(tmp_path) -> None:
    with pytest.raises(KeyFileError, match="No such file or directory") as caught:
        write_key_pair(str(tmp_path / "no" / "a"), b"x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make_key", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ECDSA P-256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ECDSA P-384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ECDSA P-521"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
        (lambda: rsa.generate_private_key(65537, 2048), "RSA 2048"),
    ],
)
def test_plain_pkcs8_key_signs_and_verifies(tmp_path, make_key, algorithm) -> None:
    raw = make_key()
    pem = raw.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    spki = raw.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = load_private_key(make(tmp_path, "k", pem), never_asked)
    public = load_public_key(make(tmp_path, "p", spki))
    assert public.algorithm == algorithm
    assert public.verifies(private.sign(b"m"), b"m")
    assert not public.verifies(private.sign(b"m"), b"n")
    assert not public.verifies(b"", b"m")


def test_pkcs8_key_with_a_password_is_read(tmp_path) -> None:
    raw = ec.generate_private_key(ec.SECP256R1())
    pem = raw.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    path = make(tmp_path, "k", pem)
    assert load_private_key(path, password).public.algorithm == "ECDSA P-256"
    with pytest.raises(KeyFileError, match="wrong password"):
        load_private_key(path, lambda: b"wrong")
    with pytest.raises(KeyFileError, match="wrong password"):
        load_private_key(path, lambda: b"")


@pytest.mark.parametrize(
    "make_key",
    [
        lambda: ec.generate_private_key(ec.SECP256K1()),
        lambda: rsa.generate_private_key(65537, 1024),
    ],
)
def test_weak_or_unknown_key_is_refused(tmp_path, make_key) -> None:
    pem = make_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyFileError, match="algorithm or size is not accepted"):
        load_private_key(make(tmp_path, "k", pem), never_asked)


def test_public_key_is_not_taken_for_a_private_one(pair) -> None:
    with pytest.raises(KeyFileError, match="this is a public key"):
        load_private_key(pair[1], never_asked)


def test_private_key_is_not_taken_for_a_public_one(pair) -> None:
    with pytest.raises(KeyFileError, match="this is a private key"):
        load_public_key(pair[0])


@pytest.mark.parametrize("data", [b"", b"hello", b"\0" * 100, b"-----BEGIN PUBLIC KEY-----\n"])
def test_garbage_is_no_key(tmp_path, data) -> None:
    path = make(tmp_path, "k", data)
    with pytest.raises(KeyFileError):
        load_public_key(path)
    with pytest.raises(KeyFileError):
        load_private_key(path, password)


def test_key_of_a_megabyte_is_refused(tmp_path) -> None:
    path = make(tmp_path, "k", bytes(1 << 20))
    with pytest.raises(KeyFileError, match="too large"):
        load_public_key(path)


def test_missing_key_is_one_line_that_names_it(tmp_path) -> None:
    with pytest.raises(KeyFileError, match=r"reading key .*/nope: No such file"):
        load_public_key(str(tmp_path / "nope"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["kdf"].update(name="argon2"), "encrypted with 'argon2'"),
        (lambda d: d["cipher"].update(name="aes"), "encrypted with"),
        (lambda d: d["kdf"]["params"].update(N=1 << 40), "out of range"),
        (lambda d: d["kdf"]["params"].update(N=1000), "out of range"),
        (lambda d: d["kdf"]["params"].update(N=0), "out of range"),
        (lambda d: d["kdf"]["params"].update(N=-2), "out of range"),
        (lambda d: d["kdf"]["params"].update(r=0), "out of range"),
        (lambda d: d["kdf"]["params"].update(p=1 << 30), "out of range"),
        (lambda d: d["kdf"]["params"].update(N=True), "wrong type"),
        (lambda d: d["kdf"].pop("salt"), "'salt' is missing"),
        (lambda d: d["kdf"].update(salt="%%%"), "not base64"),
        (lambda d: d["cipher"].update(nonce="AAAA"), "nonce has 3 bytes"),
        (lambda d: d.update(ciphertext="AAAA"), "wrong password, or the file is damaged"),
        (lambda d: d.update(ciphertext=7), "wrong type"),
        (lambda d: d.update(kdf=[]), "wrong type"),
    ],
)
def test_damaged_encrypted_key_is_refused(tmp_path, key, change, message) -> None:
    document = document_of(key.encrypted(password()))
    change(document)
    with pytest.raises(KeyFileError, match=message):
        load_private_key(make(tmp_path, "k", with_document(document)), password)


@pytest.mark.parametrize("body", [b"[]", b"null", b"{", b"\xff", b'{"kdf":1,"kdf":2}'])
def test_encrypted_key_that_is_no_document_is_refused(tmp_path, body) -> None:
    label = b"ENCRYPTED SIGSTORE PRIVATE KEY"
    pem = b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, base64.b64encode(body), label)
    with pytest.raises(KeyFileError):
        load_private_key(make(tmp_path, "k", pem), password)


def test_openssl_verifies_our_signature(tmp_path, key) -> None:
    public = make(tmp_path, "k.pub", key.public.pem)
    message = make(tmp_path, "payload", b'{"a":1}')
    signature = make(tmp_path, "sig.der", key.sign(b'{"a":1}'))
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, message],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "Verified OK\n", done.stderr


def test_we_verify_the_signature_of_openssl(tmp_path) -> None:
    private = str(tmp_path / "k.pem")
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private],
        check=True,
    )
    message = make(tmp_path, "m", b"message")
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", private, message], capture_output=True, check=True
    )
    key = load_private_key(private, never_asked)
    assert key.public.verifies(done.stdout, b"message")


def test_generated_keys_differ() -> None:
    assert PrivateKey.generate().public.der != PrivateKey.generate().public.der
