"""Where signatures live in an image layout, as cosign's tags and its `--local-image` expect them.

index.json
  ├─ the image                    kind: dev.cosignproject.cosign/image (or /imageIndex)
  └─ the signature manifest       kind: dev.cosignproject.cosign/sigs
       │                          org.opencontainers.image.ref.name: sha256-<hex>.sig
       ├─ config                  its diff_ids are the digests of the payloads
       └─ layers                  one payload for each signature, which is in the annotation
                                  dev.cosignproject.cosign/signature

Pushed under the tag `sha256-<hex>.sig`, the same manifest is what registries' clients look for.
cosign reads one image from a layout, so the image gets its `kind` only while it is the only one.
"""

from __future__ import annotations

from builder import canonical_json, media_types
from builder.descriptor import Descriptor
from builder.dockerfile.record import Record
from builder.errors import ImageFormatError, SignatureError
from builder.layout import KIND, KIND_ATTESTATIONS, KIND_SIGNATURES, REF_NAME, annotation_of
from builder.signing import payload as simple_signing
from builder.signing.verify import Candidate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.digest import Digest
    from builder.layout import Layout

_KIND_IMAGE = "dev.cosignproject.cosign/image"
_KIND_INDEX = "dev.cosignproject.cosign/imageIndex"
SIGNATURE = "dev.cosignproject.cosign/signature"
_NEVER = "0001-01-01T00:00:00Z"
_MOST_SIGNATURES = 1000


class SignatureLayer(Record):
    """One signature of a signature manifest: the payload's descriptor and both parts."""

    descriptor: Descriptor
    candidate: Candidate


def signature_tag(digest: Digest) -> str:
    """The tag that signatures of an image are pushed under."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def read_signatures(layout: Layout, digest: Digest) -> list[SignatureLayer]:
    """The signatures of an image, in the order they were made, not verified.

    Raises ImageFormatError and the errors of damaged blobs.
    """
    tag = signature_tag(digest)
    entries = layout.index()
    manifests = [entry for entry in entries if entry.annotations.get(REF_NAME) == tag]
    # `cosign save` writes no names: then what its signatures are for stands in the payloads only.
    manifests += [
        entry
        for entry in entries
        if entry.annotations.get(KIND) == KIND_SIGNATURES and REF_NAME not in entry.annotations
    ]
    return [layer for manifest in manifests for layer in read_manifest(layout, manifest)]


def add_signature(layout: Layout, image: Descriptor, candidate: Candidate) -> Descriptor:
    """Append a signature to those of an image. Returns the signature manifest's descriptor.

    Raises ImageFormatError, StoreError and the errors of damaged blobs.
    """
    payload = layout.add(candidate.payload, simple_signing.MEDIA_TYPE)
    added = SignatureLayer(payload.replace(annotations={SIGNATURE: candidate.signature}), candidate)
    tag = signature_tag(image.digest)
    written: list[Descriptor] = []

    def edit(index: dict[str, Any]) -> None:
        entries = index["manifests"]
        layers = [
            layer
            for entry in entries
            if annotation_of(entry, REF_NAME) == tag
            for layer in read_manifest(layout, Descriptor.from_json(entry, "index.json"))
        ]
        manifest = _write_manifest(layout, [*layers, added], tag)
        written.append(manifest)
        entries[:] = [entry for entry in entries if annotation_of(entry, REF_NAME) != tag]
        entries.append(manifest.to_json())
        _mark_image(entries, image)

    layout.edit_index(edit)
    return written[0]


def copy_signatures(source: Layout, target: Layout, image: Descriptor) -> int:
    """Take the signatures of an image along to another layout. Returns how many there are.

    The image must be in the target already. Raises what reading and writing raises.
    """
    there = {(s.descriptor.digest, s.candidate) for s in read_signatures(target, image.digest)}
    found = read_signatures(source, image.digest)
    for signature in found:
        if (signature.descriptor.digest, signature.candidate) not in there:
            add_signature(target, image, signature.candidate)
    return len(found)


def enter(layout: Layout, entry: Descriptor) -> None:
    """Add an entry to the index of a layout unless it is there. Raises StoreError."""

    def edit(index: dict[str, Any]) -> None:
        document = entry.to_json()
        if document not in index["manifests"]:
            index["manifests"].append(document)

    layout.edit_index(edit)


def drop_orphans(layout: Layout) -> int:
    """Take signatures out of the index whose image is in it no more. Returns how many manifests."""
    dropped: list[str] = []

    def edit(index: dict[str, Any]) -> None:
        entries = index["manifests"]
        tags = {
            f"{algorithm}-{encoded}.sig"
            for entry in entries
            if annotation_of(entry, KIND) != KIND_SIGNATURES and isinstance(entry, dict)
            for algorithm, _, encoded in [str(entry.get("digest")).partition(":")]
        }
        kept = []
        for entry in entries:
            name = annotation_of(entry, REF_NAME)
            if annotation_of(entry, KIND) == KIND_SIGNATURES and name and name not in tags:
                dropped.append(name)
            else:
                kept.append(entry)
        entries[:] = kept

    layout.edit_index(edit)
    return len(dropped)


def read_manifest(layout: Layout, descriptor: Descriptor) -> list[SignatureLayer]:
    """The signatures of one signature manifest, not verified. Raises as `read_signatures`."""
    what = f"signature manifest {descriptor.digest}"
    document = canonical_json.decode(layout.read(descriptor), what)
    listed = document.get("layers") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_SIGNATURES:
        raise ImageFormatError(
            f"reading {what}: layers must be a list of at most {_MOST_SIGNATURES}", subject=what
        )
    layers = [
        Descriptor.from_json(entry, f"{what} /layers/{position}")
        for position, entry in enumerate(listed)
    ]
    return [
        SignatureLayer(
            layer,
            Candidate(layout.read(layer, simple_signing.LARGEST), layer.annotations[SIGNATURE]),
        )
        for layer in layers
        if layer.media_type == simple_signing.MEDIA_TYPE and SIGNATURE in layer.annotations
    ]


def _write_manifest(layout: Layout, signatures: list[SignatureLayer], tag: str) -> Descriptor:
    if len(signatures) > _MOST_SIGNATURES:
        raise SignatureError(f"signing: the image has {_MOST_SIGNATURES} signatures already")
    config = {
        "architecture": "",
        "created": _NEVER,
        "history": [{"created": _NEVER} for _ in signatures],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [str(s.descriptor.digest) for s in signatures]},
        "config": {},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": layout.add(canonical_json.encode(config), media_types.CONFIG).to_json(),
        "layers": [signature.descriptor.to_json() for signature in signatures],
    }
    return layout.add(
        canonical_json.encode(manifest),
        media_types.MANIFEST,
        annotations={KIND: KIND_SIGNATURES, REF_NAME: tag},
    )


def _mark_image(entries: list[Any], image: Descriptor) -> None:
    """Give the image its `kind`; in a layout that holds other images nothing has one."""
    images = [
        entry
        for entry in entries
        if isinstance(entry, dict)
        and annotation_of(entry, KIND) not in (KIND_SIGNATURES, KIND_ATTESTATIONS)
    ]
    alone = all(entry.get("digest") == image.digest for entry in images)
    kind = _KIND_INDEX if image.media_type in media_types.INDEXES else _KIND_IMAGE
    for entry in images:
        annotations = entry.get("annotations")
        annotations = dict(annotations) if isinstance(annotations, dict) else {}
        if alone:
            annotations[KIND] = kind
        elif annotations.get(KIND) in (_KIND_IMAGE, _KIND_INDEX):
            del annotations[KIND]
        if annotations or "annotations" in entry:
            entry["annotations"] = dict(sorted(annotations.items()))
