"""The name of an image in a registry, taken apart: `host/repository[:tag][@digest]`."""

from __future__ import annotations

from builder.digest import Digest
from builder.dockerfile.record import Record
from builder.dockerfile.references import DEFAULT_HOST
from builder.errors import ImageFormatError, InvalidReferenceError
from builder.store.names import normalize

SCHEME = "docker://"
"""What tells a registry's image from one in the store, as skopeo and podman write it."""
_HUB = "registry-1.docker.io"


class Reference(Record):
    """A name in full.

    Attributes:
        host: `docker.io`, `localhost:5000`: with the port, as it is written.
        repository: `library/alpine`.
        tag: None when there is only a digest.
        digest: None when there is only a tag.
    """

    host: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a name as Docker does, with or without `docker://`; short forms work.

        Raises InvalidReferenceError.
        """
        full = normalize(text.removeprefix(SCHEME))
        head, _, encoded = full.partition("@")
        host, _, path = head.partition("/")
        directory, slash, last = path.rpartition("/")
        last, _, tag = last.partition(":")
        try:
            digest = Digest(encoded) if encoded else None
        except ImageFormatError as error:
            raise InvalidReferenceError(
                f"image name {text!r}: {error.message}", subject=text
            ) from None
        return cls(host, f"{directory}{slash}{last}", tag or None, digest)

    @classmethod
    def of_host(cls, text: str) -> Reference:
        """A name at a host, however that is written: `https://index.docker.io/v1/` is one too.

        Raises InvalidReferenceError.
        """
        host = text.partition("://")[2].partition("/")[0] or text.partition("/")[0]
        return cls.parse(f"{host}/x/x")

    @property
    def name(self) -> str:
        """Without tag and digest."""
        return f"{self.host}/{self.repository}"

    @property
    def api_host(self) -> str:
        """The host that answers requests, which is another one for Docker Hub."""
        return _HUB if self.host == DEFAULT_HOST else self.host

    @property
    def selector(self) -> str:
        """What the manifest is asked for by: the digest where there is one."""
        return self.digest or self.tag or "latest"

    @property
    def stored_name(self) -> str:
        """The name that the store gives what was pulled by this one.

        A digest says it all: the tag beside it may have moved on.
        """
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}@{self.digest}" if self.digest else f"{self.name}{tag}"
