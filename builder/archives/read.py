"""Reading archives, as a stream and once: from a file, compressed or not, or from a pipe.

    member blobs/<algorithm>/<hex>  ──▶ a blob of that digest, or an error
    other large members             ──▶ blobs (layers of Docker archives)
    small ones, links               ──▶ remembered by name
    at the end: index.json, or else manifest.json, says which images there are

Nothing is written outside of the layout, whatever members are called.
"""

from __future__ import annotations

from builder import canonical_json, contents, media_types
from builder.archives.docker import docker_images
from builder.archives.members import LARGEST_SMALL, Members
from builder.blob import CHUNK
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.dockerfile.record import Record
from builder.errors import BlobNotFoundError, DigestMismatchError, ImageFormatError
from builder.layer import entry as kinds
from builder.layer.decompression import detecting_decompressor
from builder.layer.tar_reader import TarReader
from builder.layout import FULL_NAME, KIND, REF_NAME, Layout, is_accessory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.layer.entry import Entry, Readable

_BLOBS = "blobs/"


class ArchivedImage(Record):
    """An image of an archive: its manifest or index, now in the layout, and the names it had."""

    descriptor: Descriptor
    names: tuple[str, ...]


def read_archive(
    file: Readable, layout: Layout, what: str
) -> tuple[list[ArchivedImage], list[Descriptor]]:
    """Read all blobs of an archive into a layout; gives its images, and signatures of theirs.

    The layout's index is not changed. `what` names the archive in errors. Raises ImageFormatError,
    DigestMismatchError, BlobNotFoundError, StoreError, and what file.read raises.
    """
    members = Members(what)
    tar = TarReader(detecting_decompressor(file.read, what), what)
    for entry in tar:
        _take(tar, entry, layout, members, what)
    tar.drain()
    if "index.json" in members:
        return _oci_images(layout, members, what)
    if "manifest.json" in members:
        images = docker_images(layout, members, what)
        return [ArchivedImage(descriptor, names) for descriptor, names in images], []
    raise ImageFormatError(
        f"reading {what}: neither an OCI nor a Docker archive (no index.json, no manifest.json)",
        subject=what,
        hint="`pyoci-builder import` makes an image of a root file system",
    )


def _take(tar: TarReader, entry: Entry, layout: Layout, members: Members, what: str) -> None:
    name = members.normal(entry.name)
    if entry.kind in (kinds.SYMLINK, kinds.HARDLINK):
        members.link(name, entry.target, is_symbolic=entry.kind == kinds.SYMLINK)
        return
    if entry.kind != kinds.FILE:
        return
    wanted = _digest_of(name) if name.startswith(_BLOBS) else None
    if wanted is None and entry.size <= LARGEST_SMALL and not name.endswith(".tar"):
        members.keep(name, b"".join(iter(lambda: tar.read(CHUNK), b"")))
        return
    with layout.writer(wanted.algorithm if wanted else "sha256") as writer:
        while chunk := tar.read(CHUNK):
            writer.write(chunk)
        if wanted is not None and writer.digest != wanted:
            raise DigestMismatchError(
                f"reading {what}: the bytes of {name} have the digest {writer.digest}",
                subject=wanted,
                hint="the archive was changed or damaged; get it again",
            )
        members.keep_blob(name, writer.commit(""))


def _digest_of(name: str) -> Digest | None:
    """The digest that the name of a member says."""
    _, _, rest = name.partition(_BLOBS)
    try:
        return Digest(rest.replace("/", ":", 1))
    except ImageFormatError:
        return None


def _oci_images(
    layout: Layout, members: Members, what: str
) -> tuple[list[ArchivedImage], list[Descriptor]]:
    document = canonical_json.decode(members.content("index.json"), f"index.json of {what}")
    listed = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ImageFormatError(f"reading index.json of {what}: no list manifests", subject=what)
    images: dict[str, tuple[Descriptor, list[str]]] = {}
    accessories = []
    for position, one in enumerate(listed):
        entry = Descriptor.from_json(one, f"index.json of {what} /manifests/{position}")
        if entry.media_type not in media_types.MANIFESTS | media_types.INDEXES:
            continue
        if is_accessory(entry):
            accessories.append(entry)
            continue
        _check_complete(layout, entry, what)
        kept = {k: v for k, v in entry.annotations.items() if k not in (REF_NAME, KIND, FULL_NAME)}
        _, names = images.setdefault(entry.digest, (entry.replace(annotations=kept), []))
        names += [name for name in [_name_of(entry)] if name and name not in names]
    return [ArchivedImage(image, tuple(names)) for image, names in images.values()], accessories


def _name_of(entry: Descriptor) -> str:
    full = entry.annotations.get(FULL_NAME)
    if full:
        return full
    # Podman writes the whole name here; a bare tag is no name of an image.
    name = entry.annotations.get(REF_NAME, "")
    return name if "/" in name or ":" in name else ""


def _check_complete(layout: Layout, image: Descriptor, what: str) -> None:
    """An image must be there with all its blobs; of an index, one at least."""
    document = contents.parse(layout.read(image), image)
    if contents.is_index(image):
        there = [e for e in contents.entries_of(document, image) if layout.has(e)]
        for entry in there:
            _check_complete(layout, entry, what)
        if there:
            return
    missing = [b for b in contents.blobs_of(document, image) if not layout.has(b)]
    if missing:
        raise BlobNotFoundError(
            f"reading {what}: blob {missing[0].digest} of image {image.digest} is not in it",
            subject=missing[0].digest,
        )
