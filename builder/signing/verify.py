"""The decision whether a signature is good. Values in, values out: no file, no network, no clock.

A signature is accepted when all of this holds, checked in this order:

* the signature is base64 and one of the keys verifies it over the payload's bytes as stored;
* only then the payload is parsed, strictly (`builder.signing.payload`);
* it names the digest that the caller computed from the manifest's bytes;
* it was made for the name that the caller wants, when the caller wants one.

Everything else is refused with the reason, and reasons of several signatures are put in one line.
"""

from __future__ import annotations

from builder.dockerfile.record import Record
from builder.errors import InvalidReferenceError, SignatureError
from builder.signing import payload as simple_signing
from builder.signing.payload import Payload
from builder.store.names import normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.digest import Digest
    from builder.signing.keys import PublicKey

_LONGEST_SIGNATURE = 8192


class Candidate(Record):
    """A signature as it was found.

    Attributes:
        payload: the signed bytes.
        signature: base64 of the signature, as its annotation holds it.
    """

    payload: bytes
    signature: str


class Verified(Record):
    """A signature that was accepted: by which key, and what it says."""

    key: PublicKey
    payload: Payload


def check_signature(
    candidate: Candidate,
    keys: Sequence[PublicKey],
    digest: Digest,
    reference: str | None = None,
) -> Verified:
    """Decide on one signature. Raises SignatureError with the reason."""
    signature = _decoded(candidate.signature)
    if len(candidate.payload) > simple_signing.LARGEST:
        raise SignatureError(f"a payload of {len(candidate.payload)} bytes is too long")
    for key in keys:
        if key.verifies(signature, candidate.payload):
            break
    else:
        raise SignatureError("signed by another key, or altered since")
    payload = simple_signing.decode(candidate.payload)
    if payload.digest != digest:
        raise SignatureError(f"made for another image, {payload.digest}")
    if reference is not None and not same_identity(payload.reference, reference):
        raise SignatureError(f"made for the name {payload.reference[:160]!r}")
    return Verified(key, payload)


def check_signatures(
    candidates: Iterable[Candidate],
    keys: Sequence[PublicKey],
    digest: Digest,
    reference: str | None = None,
) -> list[Verified]:
    """The good ones among an image's signatures, at least one.

    Raises SignatureError when there is none.
    """
    good: list[Verified] = []
    reasons: list[str] = []
    for candidate in candidates:
        try:
            good.append(check_signature(candidate, keys, digest, reference))
        except SignatureError as error:
            if error.message not in reasons:
                reasons.append(error.message)
    if good:
        return good
    wanted = ", ".join(key.name for key in keys) or "no key at all"
    if not reasons:
        raise SignatureError(
            f"verifying {digest}: the image is not signed",
            subject=digest,
            hint="`pyoci-builder sign` signs it",
        )
    raise SignatureError(
        f"verifying {digest}: no valid signature by {wanted}: {'; '.join(reasons)}",
        subject=digest,
    )


def same_identity(claimed: str, wanted: str) -> bool:
    """Whether a payload's name covers the wanted one.

    The repositories must be equal; tags only when both have one, since cosign signs without.
    """
    try:
        claimed_repository, claimed_tag = _split(claimed)
        wanted_repository, wanted_tag = _split(wanted)
    except InvalidReferenceError:
        return False
    if claimed_repository != wanted_repository:
        return False
    return not claimed_tag or not wanted_tag or claimed_tag == wanted_tag


def _split(name: str) -> tuple[str, str]:
    """The full repository and the tag, "" without one; a digest is left out."""
    bare = name.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    last, _, tag = last.partition(":")
    return normalize(head + slash + last).removesuffix(":latest"), tag


def _decoded(text: str) -> bytes:
    import base64

    if len(text) > _LONGEST_SIGNATURE:
        raise SignatureError(f"a signature of {len(text)} characters is too long")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise SignatureError("the signature is not base64") from None
