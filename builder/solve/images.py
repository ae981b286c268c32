"""Base images of one build: found once, by reference and platform."""

from __future__ import annotations

import threading

from builder.dockerfile import DockerfileError
from builder.errors import ImageNotFoundError, InvalidReferenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.dockerfile import Platform
    from builder.image import Image
    from builder.store import Store

_IMAGE_SCHEME = "docker-image://"


class Images:
    """Finds images in the store and in layouts."""

    def __init__(self, store: Store) -> None:
        self._store = store
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
                image = self._store.resolve_base(name, platform)
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
