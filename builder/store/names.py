"""The names that FROM and the command line give images: store names and paths of layouts.

alpine, me/tool:2, host/x@sha256:...   a name in the store, `docker.io/library/alpine:latest`
./dir  ../dir  /dir                    an image layout, optionally with :tag or @digest
oci:dir[:tag]                          the same, as skopeo writes it
oci-layout://dir[:tag|@digest]         the same, as BuildKit writes it
"""

from __future__ import annotations

import os

from builder.errors import InvalidReferenceError

_PATHS = ("./", "../", "/")
_SCHEMES = ("oci-layout://", "oci:")
_ARCHIVES = ("oci-archive:", "docker-archive:")


def normalize(name: str) -> str:
    """The full form of a store name. Raises InvalidReferenceError."""
    from builder.dockerfile.references import normalize_reference

    try:
        return normalize_reference(name)
    except ValueError as error:
        raise InvalidReferenceError(f"image name {name!r}: {error}", subject=name) from None


def layout_reference(name: str) -> tuple[str, str | None] | None:
    """The directory and the tag or digest of a name that is a layout's; None for a store name.

    Raises InvalidReferenceError.
    """
    if name.startswith(_ARCHIVES):
        raise InvalidReferenceError(
            f"image name {name!r}: archives cannot be built on",
            subject=name,
            hint="extract it and name the directory",
        )
    for scheme in _SCHEMES:
        if name.startswith(scheme):
            path = name[len(scheme) :]
            break
    else:
        if not name.startswith(_PATHS) and name not in (".", ".."):
            return None
        path = name
    if not path:
        raise InvalidReferenceError(f"image name {name!r}: names no directory", subject=name)
    if os.path.isdir(path):
        return path, None
    directory, at, digest = path.rpartition("@")
    if at and ":" in digest and directory:
        # A tag before a digest says nothing more than the digest does.
        base, _, _tag = directory.rpartition(":")
        return (base if base and not os.path.isdir(directory) else directory), digest
    directory, colon, tag = path.rpartition(":")
    if colon and directory and tag and "/" not in tag:
        return directory, tag
    return path, None
