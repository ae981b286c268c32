"""Pushing: blobs, then manifests from the inside out, then the tag: nothing speaks of what is not
there.

A blob that the repository has is not sent. One that another repository of the same registry has is
linked from there, when it is known that it came from there (`sources`).
"""

from __future__ import annotations

from builder import contents
from builder.errors import BlobNotFoundError
from builder.registry.blob_upload import mount, upload
from builder.registry.transfers import Transfer, transfer_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from builder.descriptor import Descriptor
    from builder.digest import Digest
    from builder.layout import Layout
    from builder.progress import Display
    from builder.registry.repository import Repository

_DEEPEST = 4


def push(
    layout: Layout,
    image: Descriptor,
    repository: Repository,
    tags: Sequence[str],
    display: Display,
    sources: Callable[[Digest], Sequence[str]] = lambda _: (),
) -> None:
    """Push an image or an index with all it leads to, under tags; without any by its digest.

    Raises BlobNotFoundError when the layout lacks a part, ImageFormatError, RegistryError, and
    for damaged blobs what reading them raises.
    """
    manifests: dict[str, tuple[Descriptor, bytes]] = {}
    blobs: dict[str, Descriptor] = {}
    _collect(layout, image, manifests, blobs, _DEEPEST)

    def work(transfer: Transfer) -> None:
        blob = transfer.blob
        if repository.has_blob(blob.digest):
            transfer.skipped()
            return
        transfer.begin("")
        if mount(repository, blob, sources(blob.digest)):
            transfer.finished("linked from another repository")
            return
        upload(repository, blob, layout, transfer.progress)
        transfer.finished()

    transfer_all(
        list(blobs.values()),
        work,
        label="push",
        display=display,
        options=repository.connection.options,
    )
    *inner, (_, data) = reversed(manifests.values())
    for descriptor, content in inner:
        put_if_missing(repository, descriptor, content)
    for tag in tags or (image.digest,):
        repository.put_manifest(data, image.media_type, tag)


def put_if_missing(repository: Repository, descriptor: Descriptor, data: bytes) -> None:
    """Store a manifest under its digest unless it is there."""
    if repository.resolve(descriptor.digest) is None:
        repository.put_manifest(data, descriptor.media_type, descriptor.digest)


def _collect(
    layout: Layout,
    descriptor: Descriptor,
    manifests: dict[str, tuple[Descriptor, bytes]],
    blobs: dict[str, Descriptor],
    depth: int,
) -> None:
    """Everything an image leads to; outer manifests first."""
    if descriptor.digest in manifests:
        return
    data = layout.read(descriptor)
    document = contents.parse(data, descriptor)
    manifests[descriptor.digest] = descriptor, data
    if not contents.is_index(descriptor):
        blobs.update((blob.digest, blob) for blob in contents.blobs_of(document, descriptor))
        return
    entries = contents.entries_of(document, descriptor)
    missing = [entry for entry in entries if not layout.has(entry)]
    if missing or depth == 0:
        there = len(entries) - len(missing)
        raise BlobNotFoundError(
            f"pushing {descriptor.digest}: of the {len(entries)} images of this index only"
            f" {there} are here",
            subject=descriptor.digest,
            hint="push one with --platform, or pull the others with --all-platforms",
        )
    for entry in entries:
        _collect(layout, entry, manifests, blobs, depth - 1)
