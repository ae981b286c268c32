"""Content descriptors (image-spec descriptor.md): media type, digest and size of a blob."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from builder.digest import Digest
from builder.errors import ImageFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

_LARGEST = (1 << 63) - 1  # Go's int64, which every other tool reads sizes into
_LARGEST_DATA = 1 << 20


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Names a blob.

    Attributes:
        media_type: of the blob's bytes.
        digest: of the blob's bytes.
        size: of the blob in bytes.
        annotations: of the reference, not of the blob.
        platform: in an index, what the image runs on: the JSON members of image-index.md.
        artifact_type: of the artifact when the blob is a manifest of one.
        data: the blob itself, embedded; already checked against digest and size.
        urls: where else the blob can be downloaded.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    platform: Mapping[str, Any] | None = field(default=None, hash=False)
    artifact_type: str | None = None
    data: bytes | None = field(default=None, repr=False)
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, document: Any, where: str) -> Self:
        """Check a descriptor of untrusted JSON; `where` names its place in errors.

        Raises ImageFormatError.
        """
        if not isinstance(document, dict):
            raise _malformed(where, "a descriptor must be an object")
        media_type = document.get("mediaType")
        if not isinstance(media_type, str) or not media_type:
            raise _malformed(where, "mediaType must be a string that is not empty")
        text = document.get("digest")
        if not isinstance(text, str):
            raise _malformed(where, "digest must be a string")
        digest = Digest(text)
        size = document.get("size")
        if type(size) is not int or not 0 <= size <= _LARGEST:
            raise _malformed(where, "size must be a number of bytes")
        platform = document.get("platform")
        if platform is not None and not isinstance(platform, dict):
            raise _malformed(where, "platform must be an object")
        artifact_type = document.get("artifactType")
        if artifact_type is not None and not isinstance(artifact_type, str):
            raise _malformed(where, "artifactType must be a string")
        urls = document.get("urls")
        if urls is None:
            urls = []
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise _malformed(where, "urls must be a list of strings")
        return cls(
            media_type=media_type,
            digest=digest,
            size=size,
            annotations=checked_annotations(document.get("annotations"), where),
            platform=platform,
            artifact_type=artifact_type,
            data=_embedded(document.get("data"), digest, size, where),
            urls=tuple(urls),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON object, members in the order of image-spec's Go types."""
        document: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.urls:
            document["urls"] = list(self.urls)
        if self.annotations:
            document["annotations"] = dict(sorted(self.annotations.items()))
        if self.data is not None:
            from base64 import b64encode

            document["data"] = b64encode(self.data).decode()
        if self.platform:
            document["platform"] = dict(self.platform)
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    def replace(self, **changes: Any) -> Self:
        """A copy with the given fields changed."""
        return replace(self, **changes)


def checked_annotations(document: Any, where: str) -> dict[str, str]:
    """The member `annotations` of untrusted JSON: strings by string.

    Raises ImageFormatError.
    """
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        raise _malformed(where, "annotations must be an object of strings")
    return document


def _embedded(text: Any, digest: Digest, size: int, where: str) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > _LARGEST_DATA:
        raise _malformed(where, f"data must be a string of at most {_LARGEST_DATA} characters")
    from base64 import b64decode

    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise _malformed(where, "data is not base64") from None
    if len(data) != size or Digest.of(data, digest.algorithm) != digest:
        raise _malformed(where, f"the embedded data is not that of {digest}")
    return data


def _malformed(where: str, why: str) -> ImageFormatError:
    return ImageFormatError(f"reading {where}: {why}", subject=where)
