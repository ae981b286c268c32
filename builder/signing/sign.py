"""Signing an image of a layout, and demanding that one is signed.

Signed is the digest of the manifest, or of the index of an image for several platforms: through it
every byte of the image.
"""

from __future__ import annotations

import base64

from builder.dockerfile.record import Record
from builder.errors import SignatureError
from builder.signing import payload as simple_signing
from builder.signing.payload import Payload
from builder.signing.storage import add_signature, read_signatures
from builder.signing.verify import Candidate, Verified, check_signature, check_signatures
from builder.store.names import normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.descriptor import Descriptor
    from builder.layout import Layout
    from builder.signing.keys import PrivateKey, PublicKey


class Signed(Record):
    """The outcome of signing: what was signed, and whether the key had signed it before."""

    payload: Payload
    already: bool


def sign_image(
    layout: Layout, image: Descriptor, key: PrivateKey, reference: str | None = None
) -> Signed:
    """Sign an image of the layout; `reference` is the name it is signed as.

    A second signature of the same key for the same name adds nothing. Signatures by other keys
    stay. Raises InvalidReferenceError, StoreError, and for a damaged manifest the blob's errors.
    """
    layout.read(image)  # never sign a digest that the bytes do not have
    name = "" if reference is None else normalize(reference).partition("@")[0]
    payload = Payload(image.digest, name)
    message = simple_signing.encode(payload)
    for signature in read_signatures(layout, image.digest):
        if signature.candidate.payload == message and _is_by(key.public, signature.candidate):
            return Signed(payload, already=True)
    signature_text = base64.b64encode(key.sign(message)).decode()
    add_signature(layout, image, Candidate(message, signature_text))
    return Signed(payload, already=False)


def verify_image(
    layout: Layout,
    image: Descriptor,
    keys: Sequence[PublicKey],
    reference: str | None = None,
) -> list[Verified]:
    """The signatures of an image by any of the keys, at least one.

    With `reference` only those that were made for that name count. The manifest's bytes are
    verified, the other blobs are not: `builder.images.check` does that. Raises SignatureError when
    there is none, and for a damaged manifest the blob's errors.
    """
    layout.read(image)
    candidates = [signature.candidate for signature in read_signatures(layout, image.digest)]
    return check_signatures(candidates, keys, image.digest, reference)


def _is_by(key: PublicKey, candidate: Candidate) -> bool:
    try:
        check_signature(candidate, [key], simple_signing.decode(candidate.payload).digest)
    except SignatureError:
        return False
    return True
