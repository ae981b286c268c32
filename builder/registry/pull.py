"""Pulling: the manifest, those of the platforms that are wanted, their blobs, in this order back.

    registry ──manifest──▶ index? ──platform──▶ manifest ──▶ config, layers ──parallel──▶ layout
                                                                  └── then manifests, index last

What the layout has already is not downloaded. A pull that is killed leaves whole blobs and nothing
that speaks of missing ones.
"""

from __future__ import annotations

from builder import contents
from builder.descriptor import Descriptor
from builder.errors import ImageNotFoundError
from builder.image import choose_manifest
from builder.registry.blob_download import download
from builder.registry.transfers import Transfer, transfer_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from builder.dockerfile.platforms import Platform
    from builder.layout import Layout
    from builder.progress import Display
    from builder.registry.repository import Repository

_DEEPEST = 4


class EveryPlatform:
    """In place of platforms: all that an index has."""


EVERY_PLATFORM = EveryPlatform()


def pull(
    repository: Repository,
    selector: str,
    layout: Layout,
    display: Display,
    platforms: Sequence[Platform | None] | EveryPlatform = (None,),
    elsewhere: Callable[[Descriptor], bool] | None = None,
) -> Descriptor:
    """Pull an image into a layout; gives the descriptor of what the tag or digest names.

    Of an index only the images for the platforms come along (None: this machine's). The layout's
    own index is not changed. `elsewhere` says of blobs that they are not needed.

    Raises ImageNotFoundError, ImageFormatError, DigestMismatchError, SizeMismatchError,
    RegistryError, StoreError.
    """
    found = repository.manifest(selector)
    if found is None:
        shown = repository.shown(selector)
        raise ImageNotFoundError(
            f"pulling {shown}: the registry has no such image",
            subject=shown,
            hint="are the name and the tag right?",
        )
    return _Pull(repository, layout, platforms).run(*found, display, elsewhere)


class _Pull:
    def __init__(
        self,
        repository: Repository,
        layout: Layout,
        platforms: Sequence[Platform | None] | EveryPlatform,
    ) -> None:
        self._repository = repository
        self._layout = layout
        self._platforms = platforms
        self._manifests: dict[str, tuple[Descriptor, bytes]] = {}
        self._blobs: dict[str, Descriptor] = {}

    def run(
        self,
        top: Descriptor,
        data: bytes,
        display: Display,
        elsewhere: Callable[[Descriptor], bool] | None,
    ) -> Descriptor:
        self._walk(top, data, _DEEPEST)

        def work(transfer: Transfer) -> None:
            if self._layout.has(transfer.blob) or (elsewhere and elsewhere(transfer.blob)):
                transfer.skipped()
                return
            transfer.begin("")
            download(self._repository, transfer.blob, self._layout, transfer.progress)
            transfer.finished()

        transfer_all(
            list(self._blobs.values()),
            work,
            label="pull",
            display=display,
            options=self._repository.connection.options,
        )
        for descriptor, content in reversed(self._manifests.values()):
            contents.keep(self._layout, descriptor, content)
        return top

    def _walk(self, descriptor: Descriptor, data: bytes, depth: int) -> None:
        """Collect manifests, the outer ones first, and blobs."""
        if descriptor.digest in self._manifests:
            return
        document = contents.parse(data, descriptor)
        self._manifests[descriptor.digest] = descriptor, data
        if not contents.is_index(descriptor):
            self._blobs.update((b.digest, b) for b in contents.blobs_of(document, descriptor))
            return
        if depth == 0:
            raise ImageNotFoundError(f"pulling {descriptor.digest}: indexes inside indexes")
        for entry in self._wanted(document, descriptor, data):
            self._walk(entry, self._read(entry), depth - 1)

    def _wanted(
        self, document: Mapping[str, Any], descriptor: Descriptor, data: bytes
    ) -> list[Descriptor]:
        if isinstance(self._platforms, EveryPlatform):
            return contents.entries_of(dict(document), descriptor)
        chosen = [choose_manifest(data, descriptor, platform) for platform in self._platforms]
        return list({entry.digest: entry for entry in chosen}.values())

    def _read(self, entry: Descriptor) -> bytes:
        if self._layout.has(entry):
            return self._layout.read(entry)
        return self._repository.read_manifest(entry)
