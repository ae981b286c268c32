"""What `inspect` shows of an image: everything its own documents say, in one JSON object."""

from __future__ import annotations

from builder import canonical_json
from builder.contents import is_index
from builder.descriptor import Descriptor
from builder.errors import BuilderError, ImageFormatError, SignatureError
from builder.image import Image
from builder.signing import payload as simple_signing
from builder.signing.storage import read_signatures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.dockerfile.platforms import Platform
    from builder.images.locate import Located


def describe(
    located: Located, platform: Platform | Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The image's description; of an index the image for the platform, and what else it holds.

    Raises ImageFormatError, ImageNotFoundError and the errors of damaged blobs.
    """
    layout, top = located.layout, located.descriptor
    image = Image.load(layout, top, platform)
    document: dict[str, Any] = {
        "name": located.reference,
        "digest": str(top.digest),
        "mediaType": top.media_type,
    }
    if is_index(top):
        document["manifests"] = [
            {"digest": str(entry.digest), "platform": dict(entry.platform or {})}
            for entry in index_entries(located)
        ]
        document["manifest"] = str(image.descriptor.digest)
    config = image.config
    document |= {
        "configDigest": str(image.config_descriptor.digest),
        "platform": image.platform,
        "created": config.get("created"),
        "author": config.get("author"),
        "size": size_of(image),
        "config": config.get("config") or {},
        "layers": [
            {
                "digest": str(layer.digest),
                "mediaType": layer.media_type,
                "size": layer.size,
                "diffID": str(diff_id),
            }
            for layer, diff_id in zip(image.layers, image.diff_ids)
        ],
        "history": config.get("history") or [],
        "annotations": image.annotations,
        "signatures": signatures_of(located),
    }
    return {name: value for name, value in document.items() if value is not None}


def size_of(image: Image) -> int:
    """Bytes of the image's blobs as they are stored and transferred, each counted once."""
    blobs = {
        blob.digest: blob.size
        for blob in (image.descriptor, image.config_descriptor, *image.layers)
    }
    return sum(blobs.values())


def index_entries(located: Located) -> list[Descriptor]:
    """The entries of an image index. Raises ImageFormatError and the errors of damaged blobs."""
    what = f"index {located.descriptor.digest}"
    document = canonical_json.decode(located.layout.read(located.descriptor), what)
    listed = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ImageFormatError(f"reading {what}: no list manifests", subject=what)
    return [
        Descriptor.from_json(entry, f"{what} /manifests/{position}")
        for position, entry in enumerate(listed)
    ]


def signatures_of(located: Located) -> list[dict[str, Any]]:
    """What the stored signatures claim; nothing here is verified."""
    claims: list[dict[str, Any]] = []
    try:
        found = read_signatures(located.layout, located.descriptor.digest)
    except BuilderError as error:
        return [{"damaged": error.message}]
    for signature in found:
        try:
            payload = simple_signing.decode(signature.candidate.payload)
        except SignatureError as error:
            claims.append({"damaged": error.message})
            continue
        if payload.digest == located.descriptor.digest:
            claims.append({"reference": payload.reference, "verified": False})
    return claims
