"""Opening the image of a place: what is not in a layout already is brought into one for the time.

The temporary layout is below $TMPDIR or /var/tmp: images may be larger than memory.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager

from builder import contents
from builder.archives import read_archive
from builder.descriptor import Descriptor
from builder.dockerfile.record import Record
from builder.errors import BuilderError, ImageNotFoundError, StoreError
from builder.image import choose_manifest
from builder.images.locate import locate
from builder.layout import Layout
from builder.registry.pull import EVERY_PLATFORM, EveryPlatform, pull
from builder.registry.repository import Repository
from builder.registry.signatures import pull_signatures
from builder.signing.storage import enter
from builder.transport.place import ARCHIVES, LAYOUT, REGISTRY, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from builder.archives import ArchivedImage
    from builder.dockerfile.platforms import Platform
    from builder.progress import Display
    from builder.registry.options import Options
    from builder.store import Store


class Opened(Record):
    """An image that can be read: where it is, and its full name, None when it has none."""

    layout: Layout
    descriptor: Descriptor
    name: str | None


@contextmanager
def open_source(
    place: Place,
    store: Callable[[], Store],
    options: Options,
    display: Display,
    platforms: Sequence[Platform | None] | EveryPlatform = EVERY_PLATFORM,
    elsewhere: Callable[[Descriptor], bool] | None = None,
) -> Iterator[Opened]:
    """Open the image of a place, for the platforms; a context manager.

    With several platforms, or all, an index stays one. `elsewhere` says of a registry's blobs that
    they are not needed. Raises what pulling, reading and looking for images raises.
    """
    if place.kind == REGISTRY:
        with temporary_layout() as layout:
            yield _of_registry(place, layout, options, display, platforms, elsewhere)
    elif place.kind in ARCHIVES:
        with temporary_layout() as layout:
            yield _narrowed(_of_archive(place, layout), platforms)
    else:
        located = locate(place.text if place.kind == LAYOUT else place.name or "", store)
        found = Opened(located.layout, located.descriptor, located.reference)
        yield _narrowed(found, platforms)


@contextmanager
def temporary_layout() -> Iterator[Layout]:
    """An empty layout that is gone at the end."""
    try:
        directory = tempfile.TemporaryDirectory(
            prefix="pyoci-builder-", dir=os.environ.get("TMPDIR") or "/var/tmp"
        )
    except OSError as error:
        raise StoreError(
            f"making a temporary directory in {error.filename}: {error.strerror}",
            hint="name another place with $TMPDIR",
        ) from None
    with directory as path:
        yield Layout.create(path)


@contextmanager
def open_archive_file(path: str) -> Iterator[BinaryIO]:
    """The file of an archive, `-` for standard input. Raises StoreError."""
    try:
        file = open(0 if path == "-" else path, "rb", closefd=path != "-")
    except OSError as error:
        raise StoreError(f"reading archive {path}: {error.strerror}", subject=path) from None
    with file:
        yield file


def take_accessories(layout: Layout, accessories: Sequence[Descriptor]) -> None:
    """Enter the signatures of an archive into the index of the layout they are in."""
    for entry in accessories:
        enter(layout, entry)


def _of_registry(
    place: Place,
    layout: Layout,
    options: Options,
    display: Display,
    platforms: Sequence[Platform | None] | EveryPlatform,
    elsewhere: Callable[[Descriptor], bool] | None,
) -> Opened:
    reference = place.reference
    assert reference is not None
    with Repository.open(reference, options) as repository:
        top = pull(repository, reference.selector, layout, display, platforms, elsewhere)
        found = _narrowed(Opened(layout, top, reference.stored_name), platforms)
        try:
            pull_signatures(repository, found.descriptor, layout)
        except BuilderError as error:
            display.note(f"the signatures of {reference} could not be pulled: {error.message}")
    return found


def _of_archive(place: Place, layout: Layout) -> Opened:
    what = place.path if place.path != "-" else "standard input"
    with open_archive_file(place.path) as file:
        images, accessories = read_archive(file, layout, what)
    take_accessories(layout, accessories)
    image = _selected(images, place.name, what)
    name = next((one for one in image.names if one == place.name), None)
    return Opened(layout, image.descriptor, name or next(iter(image.names), None))


def _selected(images: Sequence[ArchivedImage], name: str | None, what: str) -> ArchivedImage:
    """The image of a name, a tag or a digest; without any, the only one."""
    names = [one for image in images for one in image.names]
    if name is None:
        if len(images) == 1:
            return images[0]
        raise ImageNotFoundError(
            f"opening an image of {what}: it holds {len(images)} images",
            subject=what,
            hint=f"name one of: {', '.join(names)}" if names else None,
        )
    for image in images:
        tags = [one.rpartition("/")[2].rpartition(":")[2] for one in image.names]
        if name in (*image.names, *tags, image.descriptor.digest):
            return image
    raise ImageNotFoundError(
        f"opening an image of {what}: no image {name!r} in it",
        subject=name,
        hint=f"there are: {', '.join(names)}" if names else None,
    )


def _narrowed(found: Opened, platforms: Sequence[Platform | None] | EveryPlatform) -> Opened:
    """Of an index the image for the one platform that is wanted."""
    if isinstance(platforms, EveryPlatform) or len(platforms) != 1:
        return found
    descriptor = found.descriptor
    if not contents.is_index(descriptor):
        return found
    data = found.layout.read(descriptor)
    return found.replace(descriptor=choose_manifest(data, descriptor, platforms[0]))
