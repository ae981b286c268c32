"""How places are written, which is skopeo's way:

NAME                             the store
docker://HOST/PATH[:TAG|@DIGEST]   a registry
oci:DIR[:TAG]  ./DIR  /DIR       an image layout
oci-archive:FILE[:TAG]           a layout in a tar
docker-archive:FILE[:NAME]       what `docker save` writes and `docker load` reads
"""

from __future__ import annotations

from builder.dockerfile.record import Record
from builder.errors import InvalidReferenceError
from builder.registry.reference import SCHEME, Reference
from builder.store.names import layout_reference, normalize

STORE, REGISTRY, LAYOUT = "store", "registry", "layout"
OCI_ARCHIVE, DOCKER_ARCHIVE = "oci-archive", "docker-archive"
ARCHIVES = (OCI_ARCHIVE, DOCKER_ARCHIVE)
_UNKNOWN = ("containers-storage:", "docker-daemon:", "dir:", "ostree:", "sif:", "tarball:")


class Place(Record):
    """One place.

    Attributes:
        kind: one of this module's constants.
        text: as it was written.
        path: of a layout or archive; "-" for standard input or output.
        name: in a layout its tag or digest, else the full name of the image; None for none.
        reference: of a registry.
    """

    kind: str
    text: str
    path: str = ""
    name: str | None = None
    reference: Reference | None = None


def parse_place(text: str) -> Place:
    """Read a place. Raises InvalidReferenceError."""
    if text.startswith(SCHEME):
        return Place(REGISTRY, text, reference=Reference.parse(text))
    if text.startswith(_UNKNOWN):
        raise InvalidReferenceError(
            f"place {text!r}: {text.partition(':')[0]} is not supported",
            subject=text,
            hint="docker://, oci:, oci-archive:, docker-archive: and names in the store are",
        )
    for kind in ARCHIVES:
        if text.startswith(f"{kind}:"):
            path, colon, name = text[len(kind) + 1 :].partition(":")
            if not path:
                raise InvalidReferenceError(f"place {text!r}: names no file", subject=text)
            if colon and kind == DOCKER_ARCHIVE:
                name = normalize(name)
            return Place(kind, text, path, name or None)
    if layout := layout_reference(text):
        return Place(LAYOUT, text, *layout)
    return Place(STORE, text, name=normalize(text))
