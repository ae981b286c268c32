"""Copying a finished image out of the store, to an image layout of its own."""

from __future__ import annotations

from builder.image import Image
from builder.layout import REF_NAME, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from builder.descriptor import Descriptor

FULL_NAME = "io.containerd.image.name"
"""Where containerd and BuildKit keep the whole name; ref.name is the tag alone."""


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
        found = _annotation(entry, FULL_NAME), _tag(entry)
        return any(found == (_annotation(new, FULL_NAME), _tag(new)) for new in entries)

    kept: list[Any] = []

    def edit(index: dict[str, Any]) -> None:
        old = index["manifests"]
        kept[:] = [entry for entry in old if not is_replaced(entry)]
        gone = _digests(old) - _digests(kept) - {str(descriptor.digest)}
        signatures = {f"{digest.replace(':', '-')}.sig" for digest in gone}
        kept[:] = [entry for entry in kept if _tag(entry) not in signatures]
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


def _annotation(entry: Any, name: str) -> str:
    """An annotation of an entry that somebody else may have written, "" for none."""
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    value = annotations.get(name) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def _tag(entry: Any) -> str:
    return _annotation(entry, REF_NAME)


def _digests(entries: Sequence[Any]) -> set[str]:
    return {str(entry.get("digest")) for entry in entries if isinstance(entry, dict)}
