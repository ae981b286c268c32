"""Signatures of images in registries: looked for, taken along, pushed.

    tag sha256-<hex>.sig              cosign's signature manifest of the image sha256:<hex>
    referrers of sha256:<hex>         manifests with that subject (distribution-spec 1.1): the same
                                      signatures once more, artifactType …cosign.artifact.sig…

A layout keeps the first as `builder.signing.storage` does, and referrers as entries of their own
with `artifactType`.
"""

from __future__ import annotations

from builder import canonical_json, contents, media_types
from builder.descriptor import Descriptor
from builder.layout import KIND, KIND_SIGNATURES, REF_NAME
from builder.progress import QuietDisplay
from builder.registry.pull import EVERY_PLATFORM, pull
from builder.registry.push import push
from builder.registry.referrers import add_referrer, find_referrers
from builder.signing.storage import (
    SIGNATURE,
    add_signature,
    enter,
    read_manifest,
    read_signatures,
    signature_tag,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.layout import Layout
    from builder.registry.repository import Repository

ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
"""What cosign calls a signature manifest that refers to its image."""
_MOST_REFERRERS = 200


def pull_signatures(repository: Repository, image: Descriptor, layout: Layout) -> int:
    """Take an image's signatures into a layout that holds the image; gives how many it has then.

    Raises what pulling raises; that there are none is no error.
    """
    tag = signature_tag(image.digest)
    found = []
    tagged = repository.resolve(tag)
    if tagged is not None:
        found.append(pull(repository, tag, layout, QuietDisplay(), EVERY_PLATFORM))
    for entry in find_referrers(repository, image.digest)[:_MOST_REFERRERS]:
        referrer = pull(repository, entry.digest, layout, QuietDisplay(), EVERY_PLATFORM)
        if entry.artifact_type == ARTIFACT_TYPE:
            found.append(referrer)
        elif not contents.is_index(referrer):
            enter(layout, referrer.replace(artifact_type=entry.artifact_type, annotations={}))
    for manifest in found:
        _merge(layout, image, manifest, tag)
    return len(read_signatures(layout, image.digest))


def push_signatures(
    layout: Layout, image: Descriptor, repository: Repository, *, as_referrers: bool = True
) -> int:
    """Push the signatures that a layout has of an image, and what else refers to it.

    Signatures that the registry has already stay. Gives how many signatures there are.
    """
    signatures = read_signatures(layout, image.digest)
    tag = signature_tag(image.digest)
    if signatures and repository.resolve(tag) is not None:
        pull_signatures(repository, image, layout)
        signatures = read_signatures(layout, image.digest)
    for entry in layout.index():
        if signatures and entry.annotations.get(REF_NAME) == tag:
            push(layout, _bare(entry), repository, [tag], QuietDisplay())
            if as_referrers:
                referrer = _as_referrer(layout, entry, image)
                push(layout, referrer, repository, [], QuietDisplay())
                add_referrer(repository, image, referrer)
        elif entry.artifact_type and _subject(layout, entry) == image.digest:
            push(layout, _bare(entry), repository, [], QuietDisplay())
            add_referrer(repository, image, entry)
    return len(signatures)


def _merge(layout: Layout, image: Descriptor, manifest: Descriptor, tag: str) -> None:
    """Add the signatures of a manifest that the layout does not have yet."""
    there = {(s.descriptor.digest, s.candidate) for s in read_signatures(layout, image.digest)}
    document = contents.parse(layout.read(manifest), manifest)
    if not there and "subject" not in document:
        # As it is, with everything that others wrote into it.
        marks = {KIND: KIND_SIGNATURES, REF_NAME: tag}
        enter(layout, manifest.replace(annotations=marks))
        return
    for signature in read_manifest(layout, manifest):
        if (signature.descriptor.digest, signature.candidate) not in there:
            add_signature(layout, image, signature.candidate)


def _as_referrer(layout: Layout, manifest: Descriptor, image: Descriptor) -> Descriptor:
    """The signature manifest once more, as one that says what it refers to."""
    document = contents.parse(layout.read(_bare(manifest)), manifest)
    made = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": layout.add(b"{}", media_types.EMPTY).to_json(),
        "layers": [layer for layer in document["layers"] if SIGNATURE in layer["annotations"]],
        "subject": Descriptor(image.media_type, image.digest, image.size).to_json(),
    }
    data = canonical_json.encode(made)
    return layout.add(data, media_types.MANIFEST, artifact_type=ARTIFACT_TYPE)


def _subject(layout: Layout, entry: Descriptor) -> str | None:
    document = contents.parse(layout.read(_bare(entry)), entry)
    subject = document.get("subject")
    return subject.get("digest") if isinstance(subject, dict) else None


def _bare(entry: Descriptor) -> Descriptor:
    return Descriptor(entry.media_type, entry.digest, entry.size)
