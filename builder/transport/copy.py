"""Copying an image from a place to another one.

Between registries a blob that the target has, or that can be linked there, is not downloaded.
"""

from __future__ import annotations

from builder.registry.blob_upload import mount
from builder.registry.pull import EveryPlatform
from builder.registry.repository import Repository
from builder.transport.place import REGISTRY, Place
from builder.transport.source import open_source
from builder.transport.target import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from builder.descriptor import Descriptor
    from builder.digest import Digest
    from builder.dockerfile.platforms import Platform
    from builder.progress import Display
    from builder.registry.options import Options
    from builder.registry.reference import Reference
    from builder.store import Store


def copy_image(
    source: Place,
    target: Place,
    store: Callable[[], Store],
    options: Options,
    display: Display,
    platforms: Sequence[Platform | None] | EveryPlatform,
    *,
    signatures: bool = True,
) -> Digest:
    """Copy an image; gives its digest. Raises what reading there and writing here raises."""
    elsewhere = None
    repository = None
    if source.kind == target.kind == REGISTRY:
        assert source.reference is not None
        assert target.reference is not None
        repository = Repository.open(target.reference, options, push=True)
        elsewhere = _at_target(repository, source.reference)
    try:
        with open_source(source, store, options, display, platforms, elsewhere) as opened:
            put(opened, target, store, options, display, signatures=signatures)
            return opened.descriptor.digest
    finally:
        if repository is not None:
            repository.close()


def _at_target(repository: Repository, source: Reference) -> Callable[[Descriptor], bool]:
    """Whether a blob is at the target without being brought there."""

    def is_there(blob: Descriptor) -> bool:
        if repository.has_blob(blob.digest):
            return True
        return source.host == repository.host and mount(repository, blob, [source.repository])

    return is_there
