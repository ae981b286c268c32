"""What a manifest or an index leads to, be it an image, a signature or another artifact.

Checked as descriptors are, not as images: `builder.image.Image` does that.
"""

from __future__ import annotations

from builder import canonical_json, media_types
from builder.descriptor import Descriptor
from builder.errors import ImageFormatError
from builder.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 4096


def is_index(descriptor: Descriptor) -> bool:
    """Whether it is an index, one of several manifests."""
    return descriptor.media_type in media_types.INDEXES


def parse(data: bytes, descriptor: Descriptor) -> dict[str, Any]:
    """A manifest or index that is what its media type says. Raises ImageFormatError."""
    what = f"manifest {descriptor.digest}"
    document = canonical_json.decode(data, what)
    if not isinstance(document, dict):
        raise ImageFormatError(f"reading {what}: not a JSON object", subject=descriptor.digest)
    if descriptor.media_type not in media_types.MANIFESTS | media_types.INDEXES:
        raise ImageFormatError(
            f"reading {what}: media type {descriptor.media_type[:100]!r} is not that of an image",
            subject=descriptor.digest,
        )
    # One that says something else could be read in two ways (CVE-2021-41190).
    stated = document.get("mediaType", descriptor.media_type)
    wrong = "layers" if is_index(descriptor) else "manifests"
    if stated != descriptor.media_type or wrong in document:
        raise ImageFormatError(
            f"reading {what}: it is not what its media type {descriptor.media_type} says",
            subject=descriptor.digest,
        )
    return document


def blobs_of(document: dict[str, Any], descriptor: Descriptor) -> list[Descriptor]:
    """Config and layers of a manifest, each once. Raises ImageFormatError."""
    what = f"manifest {descriptor.digest}"
    blobs = [Descriptor.from_json(document.get("config"), f"{what} /config")]
    blobs += _listed(document, "layers", what)
    return list({blob.digest: blob for blob in blobs}.values())


def entries_of(document: dict[str, Any], descriptor: Descriptor) -> list[Descriptor]:
    """The entries of an index that are manifests or indexes. Raises ImageFormatError."""
    known = media_types.MANIFESTS | media_types.INDEXES
    entries = _listed(document, "manifests", f"index {descriptor.digest}")
    return [entry for entry in entries if entry.media_type in known]


def keep(layout: Layout, descriptor: Descriptor, data: bytes) -> None:
    """Write a manifest that was verified into a layout. Raises StoreError."""
    if layout.has(descriptor):
        return
    with layout.writer(descriptor.digest.algorithm) as writer:
        writer.write(data)
        writer.commit(descriptor.media_type)


def _listed(document: dict[str, Any], member: str, what: str) -> list[Descriptor]:
    listed = document.get(member)
    if not isinstance(listed, list) or len(listed) > _MOST:
        raise ImageFormatError(
            f"reading {what}: {member} must be a list of at most {_MOST}", subject=what
        )
    return [
        Descriptor.from_json(entry, f"{what} /{member}/{position}")
        for position, entry in enumerate(listed)
    ]


def take_over(source: Layout, target: Layout, image: Descriptor) -> None:
    """Copy an image, or of an index all images that are there, to another layout, verified.

    The target's index is not changed. Raises ImageFormatError and what `Layout.adopt` raises.
    """
    document = parse(source.read(image), image)
    if is_index(image):
        for entry in entries_of(document, image):
            if source.has(entry):
                take_over(source, target, entry)
    else:
        for blob in blobs_of(document, image):
            target.adopt(source, blob)
    target.adopt(source, image)
