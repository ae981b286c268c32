"""Layers: what image-spec's layer.md asks of their archives, read with Python's own tarfile."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from typing import IO, Any, NamedTuple, cast

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_CHUNK = 1 << 20

SUFFIXES = {"": "none", "+gzip": "gzip", "+zstd": "zstd", ".gzip": "gzip"}
LAYER_TYPES = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
)


class Archive(NamedTuple):
    """What was found in a layer.

    Attributes:
        diff_id: digest of the uncompressed archive.
        faults: requirement and reason of each thing that is wrong.
        opaque: how many opaque whiteouts there are.
    """

    diff_id: str
    faults: list[tuple[str, str]]
    opaque: int


def compression_of(media_type: str) -> str | None:
    """`none`, `gzip` or `zstd` for the media type of a layer; None for another one."""
    for base in LAYER_TYPES:
        if media_type.startswith(base):
            return SUFFIXES.get(media_type[len(base) :])
    return None


def read_layer(path: str, compression: str, algorithm: str) -> Archive:
    """Read a layer to its end. Raises OSError, ValueError when it is damaged."""
    with open(path, "rb") as file:
        hashing = _Hashing(_decompressed(file, compression), algorithm)
        faults: list[tuple[str, str]] = []
        opaque = 0
        try:
            opaque = _read_archive(hashing, faults)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise ValueError(f"not a tar archive: {error}") from None
        while hashing.read(_CHUNK):
            pass
    return Archive(f"{algorithm}:{hashing.hasher.hexdigest()}", faults, opaque)


class _Hashing:
    """A stream that hashes what is read from it."""

    def __init__(self, stream: IO[bytes], algorithm: str) -> None:
        self._stream = stream
        self.hasher = hashlib.new(algorithm)

    def read(self, size: int = -1) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"damaged gzip stream: {error}") from None
        self.hasher.update(chunk)
        return chunk


def _decompressed(file: IO[bytes], compression: str) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if compression == "zstd":
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return cast("IO[bytes]", _Zstandard(reader, zstandard.ZstdError))
    return file


class _Zstandard:
    """A zstd stream whose faults are ValueError."""

    def __init__(self, reader: Any, fault: type[Exception]) -> None:
        self._reader = reader
        self._fault = fault

    def read(self, size: int = -1) -> bytes:
        try:
            return bytes(self._reader.read(size))
        except self._fault as error:
            raise ValueError(f"damaged zstd stream: {error}") from None


def _read_archive(stream: _Hashing, faults: list[tuple[str, str]]) -> int:
    seen: dict[str, tarfile.TarInfo] = {}
    opaque = 0
    with tarfile.open(fileobj=cast("Any", stream), mode="r|") as archive:
        for member in archive:
            name = _clean(member.name)
            if ".." in name.split("/") or member.name.startswith("/"):
                faults.append(("image-layer-no-escape", f"{member.name!r} leads out of the root"))
            # An archive's own root may be listed as "./"; everything else is there once.
            if name in seen and name:
                faults.append(("image-layer-applied-in-order", f"{name!r} is there twice"))
            seen[name] = member
            if member.issparse():
                faults.append(("image-layer-attributes", f"{name!r} is a sparse file"))
            if member.islnk():
                _judge_link(name, member, seen, faults)
            opaque += _judge_whiteout(name, member, faults)
            if not member.isfile() and not member.islnk() and member.size:
                faults.append(("image-layer-attributes", f"{name!r} has content and is no file"))
    return opaque


def _judge_link(
    name: str,
    member: tarfile.TarInfo,
    seen: dict[str, tarfile.TarInfo],
    faults: list[tuple[str, str]],
) -> None:
    target = _clean(member.linkname)
    if target not in seen:
        reason = f"the hard link {name!r} comes before its target {target!r}"
        faults.append(("image-layer-hardlinks", reason))


def _judge_whiteout(name: str, member: tarfile.TarInfo, faults: list[tuple[str, str]]) -> int:
    """Judge a whiteout; gives 1 for an opaque one."""
    last = name.rpartition("/")[2]
    if not last.startswith(_WHITEOUT):
        return 0
    if last == _OPAQUE:
        return 1
    hidden = last[len(_WHITEOUT) :]
    if hidden in ("", ".", "..") or hidden.startswith(_WHITEOUT):
        faults.append(("image-layer-whiteout", f"{name!r} is no whiteout"))
    elif not member.isfile() or member.size:
        faults.append(("image-layer-whiteout", f"the whiteout {name!r} is no empty file"))
    return 0


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))
