"""ADD of a URL: download once per build, verified, into a file of ours."""

from __future__ import annotations

import hashlib
import os
import posixpath
import threading
from dataclasses import dataclass

from builder.dockerfile import DockerfileError
from builder.execute.cancel import Cancellation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.dockerfile import HttpSource

_TIMEOUT_SECONDS = 60.0
_CHUNK = 1 << 20
_UNNAMED = "__unnamed__"


@dataclass(frozen=True, slots=True)
class Download:
    """A downloaded file.

    Attributes:
        path: where it is.
        name: what it is called in the destination.
        digest: `sha256:` of its content.
        size: bytes.
        mtime: seconds, of its Last-Modified; None when the server does not say.
    """

    path: str
    name: str
    digest: str
    size: int
    mtime: int | None


class Downloads:
    """The downloads of one build, below `directory`."""

    def __init__(self, directory: str, cancellation: Cancellation) -> None:
        self._directory = directory
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self._done: dict[tuple[str, str], Download] = {}

    def get(self, source: HttpSource) -> Download:
        """Download a source, or give what was downloaded before. Raises DockerfileError."""
        with self._lock:
            found = self._done.get((source.url, source.checksum))
            if found is None:
                path = f"{self._directory}/{len(self._done)}"
                found = self._fetch(source, path)
                self._done[source.url, source.checksum] = found
            return found

    def _fetch(self, source: HttpSource, path: str) -> Download:
        import httpx

        try:
            with (
                httpx.Client(follow_redirects=True, timeout=_TIMEOUT_SECONDS) as client,
                client.stream("GET", source.url, headers={"Accept-Encoding": "identity"}) as reply,
            ):
                if reply.status_code != 200:
                    raise DockerfileError(
                        f"downloading {source.url}: the server says"
                        f" {reply.status_code} {reply.reason_phrase}",
                        near=source.url,
                    )
                digests, size = self._save(reply, path, source.checksum)
                name = _name(source, reply)
                mtime = _last_modified(reply.headers.get("Last-Modified", ""))
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise DockerfileError(f"downloading {source.url}: {why}", near=source.url) from None
        if source.checksum and source.checksum not in digests:
            algorithm = source.checksum.partition(":")[0]
            got = next(digest for digest in digests if digest.startswith(f"{algorithm}:"))
            raise DockerfileError(
                f"digest mismatch for {source.url}: expected {source.checksum}, got {got}",
                near=source.checksum,
            )
        return Download(path, name, digests[0], size, mtime)

    def _save(self, reply: Any, path: str, checksum: str) -> tuple[list[str], int]:
        algorithms = list(dict.fromkeys(("sha256", checksum.partition(":")[0] or "sha256")))
        hashers = [hashlib.new(algorithm) for algorithm in algorithms]
        size = 0
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(number, "wb") as file:
            for chunk in reply.iter_raw(_CHUNK):
                self._cancellation.check()
                for hasher in hashers:
                    hasher.update(chunk)
                file.write(chunk)
                size += len(chunk)
        return [f"{a}:{h.hexdigest()}" for a, h in zip(algorithms, hashers)], size


def _name(source: HttpSource, reply: Any) -> str:
    """The name of Content-Disposition, else of the URL; never a path."""
    disposition = reply.headers.get("Content-Disposition", "")
    if "filename" in disposition:
        from email.message import Message

        message = Message()
        message["Content-Disposition"] = disposition
        name = posixpath.basename(message.get_filename() or "")
        if name not in ("", ".", "..") and name.isprintable():
            return name
    return source.filename or _UNNAMED


def _last_modified(text: str) -> int | None:
    from email.utils import parsedate_to_datetime

    try:
        return int(parsedate_to_datetime(text).timestamp()) if text else None
    except (ValueError, OverflowError):
        return None
