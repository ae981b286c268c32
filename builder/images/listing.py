"""The images of a store: `images`, `tag`, `rm`."""

from __future__ import annotations

from builder.contents import is_index
from builder.descriptor import Descriptor
from builder.dockerfile.record import Record
from builder.errors import BuilderError, ImageNotFoundError
from builder.image import Image
from builder.images.describe import index_entries, size_of
from builder.images.locate import Located, images_of, locate
from builder.layout import KIND, REF_NAME
from builder.signing.storage import drop_orphans, read_signatures
from builder.store.names import layout_reference, normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.store import Store


class Row(Record):
    """One name of the store.

    Attributes:
        name: in full.
        descriptor: of its manifest or index.
        platforms: `linux/amd64`, several for an index.
        created: RFC 3339, "" when the image does not say.
        size: bytes of its blobs in the store.
        signatures: how many it has, by whomever.
        fault: what is wrong with it, "" for nothing.
    """

    name: str
    descriptor: Descriptor
    platforms: tuple[str, ...] = ()
    created: str = ""
    size: int = 0
    signatures: int = 0
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """As `images --format json` prints it."""
        return {
            "name": self.name,
            "digest": str(self.descriptor.digest),
            "mediaType": self.descriptor.media_type,
            "platforms": list(self.platforms),
            "created": self.created,
            "size": self.size,
            "signatures": self.signatures,
            **({"fault": self.fault} if self.fault else {}),
        }


def list_images(store: Store) -> list[Row]:
    """Every name of the store, sorted; a damaged image is listed with its fault."""
    named = [
        (entry.annotations.get(REF_NAME, ""), entry) for entry in images_of(store.layout.index())
    ]
    return [_row(store, name, entry) for name, entry in sorted(named, key=lambda pair: pair[0])]


def tag_image(store: Store, source: str, name: str) -> str:
    """Give an image another name, copying it to the store from a layout. Returns the full name.

    Raises ImageNotFoundError, InvalidReferenceError, StoreError and the errors of damaged blobs.
    """
    normalize(name)  # before anything is copied
    located = locate(source, lambda: store)
    if located.layout.path != store.layout.path:
        from builder.images.check import check_image
        from builder.signing.storage import copy_signatures

        for blob in check_image(located.layout, located.descriptor):
            store.layout.adopt(located.layout, blob.descriptor)
        full = store.tag(name, _unmarked(located.descriptor))
        copy_signatures(located.layout, store.layout, located.descriptor)
        return full
    return store.tag(name, _unmarked(located.descriptor))


def remove_image(store: Store, name: str) -> list[str]:
    """Take a name away, or all names of a digest. Returns them.

    The blobs stay until `prune`, signatures go with the last name. Raises ImageNotFoundError,
    InvalidReferenceError, StoreError.
    """
    if layout_reference(name):
        raise ImageNotFoundError(
            f"removing {name}: an image layout is not in the store",
            subject=name,
            hint="delete its directory",
        )
    located = locate(name, lambda: store)
    if located.layout.path != store.layout.path:
        raise ImageNotFoundError(f"removing {name}: not in the store {store.root}", subject=name)
    names = [located.reference]
    if located.shown == located.descriptor.digest:
        names = [
            entry.annotations.get(REF_NAME)
            for entry in images_of(store.layout.index())
            if entry.digest == located.descriptor.digest
        ]
    removed = [full for full in names if full]
    for full in removed:
        store.untag(full)
    drop_orphans(store.layout)
    return removed


def _row(store: Store, name: str, entry: Descriptor) -> Row:
    located = Located(store.layout, entry, name, name)
    try:
        inner = index_entries(located) if is_index(entry) else [entry]
        images = [Image.load(store.layout, one) for one in inner if store.layout.has(one)]
        return Row(
            name=name,
            descriptor=entry,
            platforms=tuple(_platform(image) for image in images),
            created=next((str(i.config.get("created") or "") for i in images), ""),
            size=sum(size_of(image) for image in images),
            signatures=len(read_signatures(store.layout, entry.digest)),
        )
    except BuilderError as error:
        return Row(name=name, descriptor=entry, fault=error.message)


def _platform(image: Image) -> str:
    members = image.platform
    return "/".join(
        str(members[part]) for part in ("os", "architecture", "variant") if members.get(part)
    )


def _unmarked(descriptor: Descriptor) -> Descriptor:
    """Without the mark that makes it the one image of a layout for cosign."""
    kept = {k: v for k, v in descriptor.annotations.items() if k not in (KIND, REF_NAME)}
    return descriptor.replace(annotations=kept)
