"""Images between registries and the store: pulled under their name, pushed under a name.

What a name means is asked of the store first; the registry only when the store has no such image,
not for the platform that is wanted, or when the caller wants the newest.
"""

from __future__ import annotations

from builder import contents
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.dockerfile.record import Record
from builder.errors import BuilderError
from builder.registry.pull import EveryPlatform, pull
from builder.registry.push import push
from builder.registry.reference import Reference
from builder.registry.repository import Repository
from builder.registry.signatures import pull_signatures, push_signatures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.dockerfile.platforms import Platform
    from builder.layout import Layout
    from builder.progress import Display
    from builder.registry.options import Options
    from builder.store import Store
    from builder.store.origins import Origins


class Pulled(Record):
    """What a pull came to: the name in the store, the image, whether it was there already."""

    name: str
    descriptor: Descriptor
    is_unchanged: bool


def pull_image(
    store: Store,
    reference: Reference,
    options: Options,
    display: Display,
    platforms: Sequence[Platform | None] | EveryPlatform = (None,),
) -> Pulled:
    """Pull an image with its signatures into the store, under its name.

    Raises what `builder.registry.pull.pull` raises.
    """
    before = store.lookup(str(reference))
    with Repository.open(reference, options) as repository:
        descriptor = pull(repository, reference.selector, store.layout, display, platforms)
        name = store.tag(reference.stored_name, descriptor)
        try:
            pull_signatures(repository, descriptor, store.layout)
        except BuilderError as error:
            # An image is not less usable without signatures; `verify` will say that it has none.
            display.note(f"the signatures of {reference} could not be pulled: {error.message}")
        blobs = blobs_below(store.layout, descriptor)
        store.origins.add(reference.host, reference.repository, blobs)
    return Pulled(name, descriptor, before is not None and before.digest == descriptor.digest)


def push_local(
    layout: Layout,
    image: Descriptor,
    reference: Reference,
    options: Options,
    display: Display,
    *,
    origins: Origins | None = None,
    signatures: bool = True,
    as_referrers: bool = True,
) -> int:
    """Push an image of a layout with its signatures; gives how many signatures it has there.

    `origins` is the store's when the layout is. Raises what `builder.registry.push.push` raises.
    """

    def sources(digest: Digest) -> Sequence[str]:
        return [] if origins is None else origins.of(reference.host, digest)

    with Repository.open(reference, options, push=True) as repository:
        tags = [reference.tag] if reference.tag else []
        push(layout, image, repository, tags, display, sources)
        if origins is not None:
            origins.add(reference.host, reference.repository, blobs_below(layout, image))
        if not signatures:
            return 0
        return push_signatures(layout, image, repository, as_referrers=as_referrers)


def blobs_below(layout: Layout, image: Descriptor) -> set[Digest]:
    """The digests of all blobs of an image that a layout has."""
    found: set[Digest] = set()
    todo = [image]
    while todo:
        descriptor = todo.pop()
        if not layout.has(descriptor):
            continue
        document = contents.parse(layout.read(descriptor), descriptor)
        if contents.is_index(descriptor):
            todo += contents.entries_of(document, descriptor)
        else:
            found.update(blob.digest for blob in contents.blobs_of(document, descriptor))
    return found
