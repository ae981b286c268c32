"""Base images of one build: found once, by reference and platform.

The store is asked first. What it does not have, or not for the platform, is pulled from its
registry into the store, where the next build finds it without a network.
"""

from __future__ import annotations

import threading

from builder.dockerfile import DockerfileError
from builder.errors import BuilderError, ImageNotFoundError, InvalidReferenceError
from builder.image import Image
from builder.store.names import layout_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.dockerfile import Platform
    from builder.progress import Display
    from builder.registry.options import Options
    from builder.store import Store

_IMAGE_SCHEME = "docker-image://"


class Images:
    """Finds images in the store, in layouts and in registries."""

    def __init__(
        self, store: Store, display: Display, registries: Options | None, *, pull: bool = False
    ) -> None:
        """Ask nobody yet.

        Args:
            store: where images are, and go to.
            display: is told of what is pulled.
            registries: how they are spoken to; None: not at all.
            pull: ask them even for what the store has: a tag may have moved on.
        """
        self._store = store
        self._display = display
        self._registries = registries
        self._pull = pull
        self._lock = threading.Lock()
        self._found: dict[tuple[str, Platform], Image] = {}

    def get(self, reference: str, platform: Platform) -> Image:
        """The image of a reference, or of the value of an image context.

        Raises ImageNotFoundError, InvalidReferenceError, and what reading it raises.
        """
        with self._lock:
            image = self._found.get((reference, platform))
            if image is None:
                name = reference.removeprefix(_IMAGE_SCHEME)
                image = self._find(name, platform)
                self._found[reference, platform] = image
            return image

    def config(self, reference: str, platform: Platform) -> Mapping[str, Any]:
        """The configuration of an image, for `builder.dockerfile.resolve`.

        Raises DockerfileError, which the resolver gives its place, when there is no such image.
        """
        try:
            return self.get(reference, platform).config
        except (ImageNotFoundError, InvalidReferenceError) as error:
            raise DockerfileError(error.message, hint=error.hint or "") from None

    @property
    def used(self) -> list[tuple[str, Image]]:
        """What was used, by reference."""
        return sorted((key[0], image) for key, image in self._found.items())

    def _find(self, name: str, platform: Platform) -> Image:
        if layout_reference(name) or self._registries is None:
            return self._store.resolve_base(name, platform)
        from builder.store.names import normalize

        is_pinned = "@" in normalize(name)
        if (is_pinned or not self._pull) and (image := self._in_store(name, platform)):
            return image
        return self._from_registry(name, platform, self._registries)

    def _in_store(self, name: str, platform: Platform) -> Image | None:
        """The image when the store has all of it."""
        descriptor = self._store.lookup(name)
        if descriptor is None:
            return None
        layout = self._store.layout
        if descriptor.media_type and not layout.has(descriptor):
            return None
        try:
            image = Image.load(layout, descriptor, platform)
        except BuilderError:
            # The index is here, but not the image for this platform.
            return None
        return image if all(layout.has(layer) for layer in image.layers) else None

    def _from_registry(self, name: str, platform: Platform, registries: Options) -> Image:
        from builder.registry.reference import Reference
        from builder.registry.store_images import pull_image

        reference = Reference.parse(name)
        try:
            pulled = pull_image(self._store, reference, registries, self._display, [platform])
        except BuilderError as error:
            where = "" if self._pull else f"no {reference} in the store {self._store.root}, and "
            raise ImageNotFoundError(
                f"opening image {name}: {where}{error.message}",
                subject=name,
                hint=error.hint or "`pyoci-builder images` lists what is there",
            ) from None
        return Image.load(self._store.layout, pulled.descriptor, platform)
