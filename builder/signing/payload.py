"""The signed document: simple signing, in the bytes that cosign writes.

    {"critical": {"identity": {"docker-reference": REFERENCE},
                  "image": {"docker-manifest-digest": DIGEST},
                  "type": "cosign container image signature"},
     "optional": null or an object}

The reader is as strict as that of containers/image: exactly these members, none twice, of these
types.
"""

from __future__ import annotations

from builder import canonical_json
from builder.digest import Digest
from builder.dockerfile.record import Record
from builder.errors import ImageFormatError, SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
TYPE = "cosign container image signature"
LARGEST = 1 << 20


class Payload(Record):
    """What a signature says.

    Attributes:
        digest: of the manifest or index that is signed.
        reference: the name that it was signed as; "" when its signer named none.
        optional: further statements of the signer; nothing is decided by them.
    """

    digest: Digest
    reference: str
    optional: Mapping[str, Any] | None = None


def encode(payload: Payload) -> bytes:
    """The bytes to sign."""
    optional = payload.optional
    return canonical_json.encode(
        {
            "critical": {
                "identity": {"docker-reference": payload.reference},
                "image": {"docker-manifest-digest": str(payload.digest)},
                "type": TYPE,
            },
            "optional": None if optional is None else dict(sorted(optional.items())),
        }
    )


def decode(data: bytes) -> Payload:
    """Read a payload whose signature was found good. Raises SignatureError."""
    if len(data) > LARGEST:
        raise _refused(f"{len(data)} bytes are too many")
    try:
        document = canonical_json.decode(data, "the signed payload")
        _members(document, "payload", {"critical": dict}, ("optional",))
        critical = document["critical"]
        _members(critical, "critical", {"identity": dict, "image": dict, "type": str})
        _members(critical["identity"], "identity", {"docker-reference": str})
        _members(critical["image"], "image", {"docker-manifest-digest": str})
        if critical["type"] != TYPE:
            raise _refused(f"its type is {critical['type'][:80]!r}, not {TYPE!r}")
        digest = Digest(critical["image"]["docker-manifest-digest"])
    except ImageFormatError as error:
        raise _refused(error.message) from None
    return Payload(
        digest=digest,
        reference=critical["identity"]["docker-reference"],
        optional=_optional(document["optional"]),
    )


def _optional(document: Any) -> Mapping[str, Any] | None:
    if document is None:
        return None
    if type(document) is not dict:
        raise _refused("optional is neither null nor an object")
    for name, kind in (("creator", str), ("timestamp", int)):
        if name in document and type(document[name]) is not kind:
            raise _refused(f"optional.{name} is not of type {kind.__name__}")
    return document


def _members(
    document: Any, what: str, kinds: Mapping[str, type], others: tuple[str, ...] = ()
) -> None:
    if type(document) is not dict:
        raise _refused(f"{what} is not an object")
    unknown = sorted(document.keys() - kinds.keys() - set(others))
    if unknown:
        raise _refused(f"{what} has an unknown member {unknown[0][:80]!r}")
    for name in (*kinds, *others):
        if name not in document:
            raise _refused(f"{what} lacks the member {name!r}")
    for name, kind in kinds.items():
        if type(document[name]) is not kind:
            raise _refused(f"member {name!r} is of the wrong type")


def _refused(why: str) -> SignatureError:
    return SignatureError(f"reading the signed payload: {why}")
