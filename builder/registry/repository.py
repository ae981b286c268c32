"""One repository of a registry: manifests, and what is asked about blobs (distribution-spec 1.1).

Every manifest is held against its digest; one that was asked for by tag, against what the registry
says its digest is.
"""

from __future__ import annotations

import json

from builder import media_types
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import DigestMismatchError, ImageFormatError, SizeMismatchError
from builder.layout import LARGEST_DOCUMENT
from builder.registry.authentication import Scope
from builder.registry.connection import Connection
from builder.registry.errors import RegistryError, UnreachableError
from builder.registry.retries import own_delay, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    import httpx

    from builder.registry.options import Options
    from builder.registry.reference import Reference

_ACCEPT = ", ".join(
    (
        media_types.INDEX,
        media_types.MANIFEST,
        media_types.DOCKER_INDEX,
        media_types.DOCKER_MANIFEST,
    )
)
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"
_MOST_TAG_PAGES = 1000


class Repository:
    """A repository. A context manager when it owns its connection.

    Attributes:
        connection: to the registry, which repositories of it can share.
        name: without the host.
    """

    def __init__(self, connection: Connection, name: str, *, push: bool = False) -> None:
        """Ask for nothing yet; `push`: the tokens that are asked for allow writing."""
        self.connection = connection
        self.name = name
        self.scopes = (Scope(name, "pull,push" if push else "pull"),)

    @classmethod
    def open(cls, reference: Reference, options: Options, *, push: bool = False) -> Self:
        """The repository of a reference, on a connection of its own."""
        connection = Connection(reference.host, reference.api_host, options)
        return cls(connection, reference.repository, push=push)

    @property
    def host(self) -> str:
        """The registry's, as users write it."""
        return self.connection.host

    @property
    def full_name(self) -> str:
        """`host/name`."""
        return f"{self.host}/{self.name}"

    def shown(self, selector: str) -> str:
        """A tag or digest of this repository, for messages."""
        return f"{self.full_name}{'@' if ':' in selector else ':'}{selector}"

    def url(self, path: str) -> httpx.URL:
        """The address of a path of this repository."""
        return self.connection.url(f"{self.name}/{path}")

    # Manifests.

    def resolve(self, selector: str) -> Descriptor | None:
        """The manifest of a tag or digest without its bytes, None when there is none."""
        doing = f"looking for {self.shown(selector)}"
        answer = self.connection.request(
            "HEAD",
            self.url(f"manifests/{selector}"),
            doing,
            scopes=self.scopes,
            expected=(200, 404),
            headers={"Accept": _ACCEPT},
        )
        answer.close()
        if answer.status_code == 404:
            return None
        stated = answer.headers.get("Docker-Content-Digest", selector)
        size = answer.headers.get("Content-Length", "")
        try:
            digest = Digest(stated)
        except ImageFormatError:
            # It does not tell: only the bytes can.
            found = self.manifest(selector)
            return found[0] if found else None
        return Descriptor(_media_type(answer), digest, int(size) if size.isdigit() else 0)

    def manifest(self, selector: str) -> tuple[Descriptor, bytes] | None:
        """The manifest of a tag or digest, None when there is none.

        Raises DigestMismatchError, SizeMismatchError, ImageFormatError, RegistryError.
        """
        doing = f"pulling {self.shown(selector)}"
        answer, data = self.document(self.url(f"manifests/{selector}"), doing, accept=_ACCEPT)
        if answer.status_code == 404:
            return None
        media_type = _media_type(answer)
        if media_type.startswith(_SCHEMA_1):
            raise ImageFormatError(
                f"{doing}: a manifest of Docker's schema 1, which no tool should use any more",
                subject=selector,
                hint="push the image again with a newer tool",
            )
        if media_type not in media_types.MANIFESTS | media_types.INDEXES:
            media_type = _stated_type(data) or media_type
        stated = selector if ":" in selector else answer.headers.get("Docker-Content-Digest", "")
        digest = _checked(data, stated, doing)
        return Descriptor(media_type, digest, len(data)), data

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """The bytes that a descriptor of an index names. Raises what `manifest` does."""
        doing = f"pulling {self.shown(descriptor.digest)}"
        found = self.manifest(descriptor.digest)
        if found is None:
            raise RegistryError(
                f"{doing}: the registry has no such manifest", status=404, subject=descriptor.digest
            )
        if len(found[1]) != descriptor.size:
            raise SizeMismatchError(
                f"{doing}: {len(found[1])} bytes where the descriptor says {descriptor.size}",
                subject=descriptor.digest,
            )
        return found[1]

    def put_manifest(self, data: bytes, media_type: str, selector: str) -> httpx.Headers:
        """Store a manifest under a tag or its digest; gives the headers of the answer."""
        doing = f"pushing {self.shown(selector)}"
        answer = self.connection.request(
            "PUT",
            self.url(f"manifests/{selector}"),
            doing,
            scopes=self.scopes,
            expected=(201, 200, 202),
            headers={"Content-Type": media_type},
            content=data,
        )
        answer.close()
        stated = answer.headers.get("Docker-Content-Digest")
        digest = Digest.of(data)
        if stated and stated.startswith("sha256:") and stated != digest:
            raise DigestMismatchError(
                f"{doing}: the registry stored {stated[:80]} instead of {digest}", subject=digest
            )
        return answer.headers

    def tags(self) -> list[str]:
        """Every tag, in the registry's order; none for a repository that is not there."""
        doing = f"listing the tags of {self.full_name}"
        url = self.url("tags/list")
        found: list[str] = []
        for _ in range(_MOST_TAG_PAGES):
            answer, data = self.document(url, doing)
            if answer.status_code == 404:
                return found
            document = json_object(data, doing)
            found += [tag for tag in document.get("tags") or [] if isinstance(tag, str)]
            following = answer.links.get("next", {}).get("url")
            if not following:
                break
            url = self.connection.target_of(url, following)
        return found

    # Blobs.

    def has_blob(self, digest: Digest) -> bool:
        """Whether the registry has a blob in this repository."""
        answer = self.connection.request(
            "HEAD",
            self.url(f"blobs/{digest}"),
            f"looking for blob {digest} in {self.full_name}",
            scopes=self.scopes,
            expected=(200, 404),
        )
        answer.close()
        return answer.status_code == 200

    def close(self) -> None:
        """Close the connection. Safe to repeat."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def document(
        self,
        url: httpx.URL,
        doing: str,
        *,
        expected: tuple[int, ...] = (200, 404),
        accept: str = "application/json",
    ) -> tuple[httpx.Response, bytes]:
        """A small document: the answer and its body. An answer that is cut off is asked for again.

        Raises ImageFormatError when it is larger than documents are, and what `request` raises.
        """
        import httpx

        options = self.connection.options
        attempt = 0
        while True:
            attempt += 1
            answer = self.connection.request(
                "GET",
                url,
                doing,
                scopes=self.scopes,
                expected=expected,
                headers={"Accept": accept},
            )
            data = b""
            try:
                for chunk in answer.iter_raw():
                    data += chunk
                    if len(data) > LARGEST_DOCUMENT:
                        raise ImageFormatError(f"{doing}: more than {LARGEST_DOCUMENT} bytes")
                return answer, data
            except httpx.TransportError as error:
                if attempt >= options.attempts:
                    why = str(error) or type(error).__name__
                    raise UnreachableError(
                        f"{doing}: the answer is cut off ({why}), tried {attempt} times",
                        subject=self.host,
                    ) from None
                wait(own_delay(attempt), options)
            finally:
                answer.close()


def _media_type(answer: httpx.Response) -> str:
    stated: str = answer.headers.get("Content-Type", "")
    return stated.partition(";")[0].strip().lower()


def _stated_type(data: bytes) -> str | None:
    """What a manifest says about itself: some registries send `application/json`."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    stated = document.get("mediaType") if isinstance(document, dict) else None
    if isinstance(stated, str):
        return stated
    if not isinstance(document, dict):
        return None
    return media_types.INDEX if "manifests" in document else media_types.MANIFEST


def _checked(data: bytes, stated: str, doing: str) -> Digest:
    """The digest of the bytes, which must be the stated one."""
    try:
        wanted = Digest(stated)
    except ImageFormatError:
        return Digest.of(data)
    found = Digest.of(data, wanted.algorithm)
    if found != wanted:
        raise DigestMismatchError(
            f"{doing}: the registry sent the bytes of {found} for {wanted}", subject=wanted
        )
    return found


def json_object(data: bytes, doing: str) -> dict[str, Any]:
    """A registry's answer as JSON. Raises RegistryError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"{doing}: the answer is no JSON object")
    return document
