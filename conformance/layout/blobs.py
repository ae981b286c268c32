"""The blobs of a layout, read by descriptors of untrusted documents."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from conformance.judge import FaultError

LARGEST_DOCUMENT = 16 << 20
_CHUNK = 1 << 20
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+\Z")
_LENGTHS = {"sha256": 64, "sha512": 128}


class Descriptor(NamedTuple):
    """Where a descriptor stands, and the members that lead to content."""

    where: str
    media_type: str
    digest: str
    size: int
    document: dict[str, Any]


def descriptor(document: Any, where: str) -> Descriptor:
    """Read a descriptor. Raises FaultError when it cannot lead to content."""
    if not isinstance(document, dict):
        raise FaultError(f"{where} is no object")
    media_type, digest, size = (document.get(n) for n in ("mediaType", "digest", "size"))
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise FaultError(f"{where}: digest {digest!r} has not the form of one")
    if type(size) is not int or size < 0:
        raise FaultError(f"{where}: size {size!r} is no number of bytes")
    return Descriptor(
        where, media_type if isinstance(media_type, str) else "", digest, size, document
    )


class Blobs:
    """The files below blobs/ of a layout."""

    def __init__(self, layout: str) -> None:
        """Take the layout's directory."""
        self.directory = f"{layout}/blobs"

    def names(self) -> Iterator[tuple[str, str]]:
        """Algorithm and name of each file, sorted."""
        for algorithm in sorted(os.listdir(self.directory)):
            if os.path.isdir(f"{self.directory}/{algorithm}"):
                for name in sorted(os.listdir(f"{self.directory}/{algorithm}")):
                    yield algorithm, name

    def path(self, digest: str) -> str:
        """Where a blob is, or would be; the digest has the form of one."""
        algorithm, _, encoded = digest.partition(":")
        return f"{self.directory}/{algorithm}/{encoded}"

    def has(self, digest: str) -> bool:
        """Whether the blob is a regular file."""
        try:
            return stat.S_ISREG(os.stat(self.path(digest)).st_mode)
        except OSError:
            return False

    def size(self, digest: str) -> int:
        """Its bytes."""
        return os.stat(self.path(digest)).st_size

    def fault(self, algorithm: str, name: str) -> str | None:
        """What is wrong with a file's name or content; None for nothing or what is not known."""
        length = _LENGTHS.get(algorithm)
        if length is None:
            return None
        if len(name) != length or name.strip("0123456789abcdef"):
            return f"blobs/{algorithm}/{name} is not the name of a blob"
        hasher = hashlib.new(algorithm)
        try:
            with open(f"{self.directory}/{algorithm}/{name}", "rb") as file:
                while chunk := file.read(_CHUNK):
                    hasher.update(chunk)
        except OSError as error:
            return f"blobs/{algorithm}/{name}: {error.strerror}"
        if hasher.hexdigest() != name:
            return f"blobs/{algorithm}/{name} has the digest {hasher.hexdigest()}"
        return None

    def document(self, digest: str) -> dict[str, Any]:
        """A blob that is a JSON object. Raises FaultError."""
        return read_document(self.path(digest), digest)


def read_document(path: str, what: str) -> dict[str, Any]:
    """A file that holds a JSON object. Raises FaultError, also for a member that is there twice."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise FaultError(f"{what}: {error.strerror}") from None
    if len(data) > LARGEST_DOCUMENT:
        raise FaultError(f"{what} has more than {LARGEST_DOCUMENT} bytes")
    try:
        document = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise FaultError(f"{what} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise FaultError(f"{what} is no JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members
