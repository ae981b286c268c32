"""Copying a finished image out of the store, to an image layout of its own."""

from __future__ import annotations

from builder.image import Image
from builder.layout import FULL_NAME, REF_NAME, Layout, annotation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from builder.descriptor import Descriptor


def export_layout(
    source: Layout, descriptor: Descriptor, path: str, names: Sequence[str]
) -> Layout:
    """Write an image to the layout at path, which is made when there is none.

    Entries of the same names, or without a name when `names` is empty, are replaced with their
    signatures; other images of the layout stay. Raises StoreError, ImageFormatError and what
    reading blobs raises.
    """
    layout = Layout.create(path)
    Image.load(source, descriptor).copy_to(layout)
    entries = [_entry(descriptor, name) for name in names] or [_entry(descriptor, "")]

    def is_replaced(entry: Any) -> bool:
        return any(_names(entry) == _names(new) for new in entries)

    kept: list[Any] = []

    def edit(index: dict[str, Any]) -> None:
        old = index["manifests"]
        kept[:] = [entry for entry in old if not is_replaced(entry)]
        gone = _digests(old) - _digests(kept) - {str(descriptor.digest)}
        signatures = {f"{digest.replace(':', '-')}.sig" for digest in gone}
        kept[:] = [entry for entry in kept if annotation_of(entry, REF_NAME) not in signatures]
        index["manifests"] = [*kept, *entries]

    layout.edit_index(edit)
    if not kept:
        # Nothing but this image is spoken of: what an earlier build left is rubbish.
        image = Image.load(layout, descriptor)
        blobs = (*image.layers, image.config_descriptor, image.descriptor)
        layout.sweep({blob.digest for blob in blobs})
    layout.tidy()
    return layout


def _entry(descriptor: Descriptor, name: str) -> dict[str, Any]:
    annotations = dict(descriptor.annotations)
    annotations.pop(REF_NAME, None)
    if name:
        annotations[FULL_NAME] = name
        annotations[REF_NAME] = name.rpartition(":")[2]
    return descriptor.replace(annotations=annotations, data=None).to_json()


def _names(entry: Any) -> tuple[str, str]:
    return annotation_of(entry, FULL_NAME) or "", annotation_of(entry, REF_NAME) or ""


def _digests(entries: Sequence[Any]) -> set[str]:
    return {str(entry.get("digest")) for entry in entries if isinstance(entry, dict)}
