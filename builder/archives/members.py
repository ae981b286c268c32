"""What an archive holds by name: small files, blobs, and links among them."""

from __future__ import annotations

import posixpath

from builder.errors import ImageFormatError
from builder.layout import LARGEST_DOCUMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.descriptor import Descriptor

LARGEST_SMALL = LARGEST_DOCUMENT
_MOST_BYTES = 64 << 20
_MOST_MEMBERS = 100_000
_MOST_LINKS = 8


class Members:
    """The members of one archive; `what` names it in errors."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._small: dict[str, bytes] = {}
        self._blobs: dict[str, Descriptor] = {}
        self._links: dict[str, str] = {}
        self._bytes = 0

    def __contains__(self, name: str) -> bool:
        return name in self._small

    @staticmethod
    def normal(name: bytes) -> str:
        """A member's name without `./` and the like; `..` leads nowhere."""
        text = name.decode("utf-8", "replace")
        return posixpath.normpath(f"/{text}").lstrip("/")

    def keep(self, name: str, data: bytes) -> None:
        """Remember a small file. Raises ImageFormatError when they become too many."""
        self._bytes += len(data) + len(name)
        if self._bytes > _MOST_BYTES or len(self._small) > _MOST_MEMBERS:
            raise ImageFormatError(
                f"reading {self._what}: too many small files", subject=self._what
            )
        self._small[name] = data

    def keep_blob(self, name: str, blob: Descriptor) -> None:
        """Remember where a large file is."""
        self._blobs[name] = blob

    def link(self, name: str, target: bytes, *, is_symbolic: bool) -> None:
        """Remember a link: old Docker archives have every layer in one place only."""
        if len(self._links) < _MOST_MEMBERS:
            base = posixpath.dirname(name) if is_symbolic else ""
            self._links[name] = self.normal(f"{base}/".encode() + target)

    def content(self, name: str) -> bytes:
        """A small file, through links. Raises ImageFormatError when there is none."""
        found = self._small.get(self._followed(name))
        if found is None:
            raise self._missing(name)
        return found

    def blob(self, name: str) -> Descriptor | bytes:
        """A file, large or small, through links. Raises ImageFormatError when there is none."""
        followed = self._followed(name)
        found = self._blobs.get(followed) or self._small.get(followed)
        if found is None:
            raise self._missing(name)
        return found

    def _followed(self, name: str) -> str:
        name = self.normal(name.encode())
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                break
            name = self._links[name]
        return name

    def _missing(self, name: str) -> ImageFormatError:
        return ImageFormatError(
            f"reading {self._what}: no file {name[:200]!r} in it", subject=self._what
        )
