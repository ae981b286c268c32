"""Writing archives.

oci-layout, index.json, blobs/…    an OCI image layout: an OCI archive
manifest.json                      with it the same file is a Docker archive, too: `docker load`,
                                   podman and skopeo find config, layers and names by it

The blobs are the same in both, so digests, signatures and compression stay what they are. The same
images give the same bytes.
"""

from __future__ import annotations

from builder import canonical_json, contents, media_types
from builder.descriptor import Descriptor
from builder.image import Image
from builder.layer import entry as kinds
from builder.layer.entry import Entry
from builder.layer.tar_writer import TarWriter
from builder.layout import FULL_NAME, KIND, KIND_SIGNATURES, REF_NAME
from builder.signing.storage import signature_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from builder.blob import VerifiedReader
    from builder.dockerfile.platforms import Platform
    from builder.layout import Layout

_VERSION = b'{"imageLayoutVersion":"1.0.0"}'


def write_archive(
    sink: Callable[[bytes | bytearray], Any],
    layout: Layout,
    images: Sequence[tuple[Descriptor, Sequence[str]]],
    *,
    docker: bool = True,
    platform: Platform | None = None,
) -> None:
    """Write images with their names and signatures.

    Args:
        sink: takes the bytes.
        layout: where the images are.
        images: each with its full names, or none.
        docker: whether it is to be a Docker archive as well.
        platform: which image of an index Docker is told of; None for this machine's.

    Raises ImageFormatError, StoreError, and what reading damaged blobs raises.
    """
    entries = [
        _entry(descriptor, name) for descriptor, names in images for name in (names or ("",))
    ]
    signatures = _signatures(layout, [descriptor for descriptor, _ in images])
    blobs = _blobs(layout, [descriptor for descriptor, _ in images] + signatures)
    tar = TarWriter(sink)
    tar.add(Entry.of_bytes(b"oci-layout", _VERSION))
    for directory in ("blobs", *sorted({f"blobs/{blob.digest.algorithm}" for blob in blobs})):
        tar.add(Entry(directory.encode(), kinds.DIRECTORY, mode=0o755))
    for blob in blobs:
        name = f"blobs/{blob.digest.algorithm}/{blob.digest.hex}".encode()
        with layout.open_blob(blob) as reader:
            tar.add(Entry(name, kinds.FILE, size=blob.size, content=_opener(reader)))
            reader.finish()
    index = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [*entries, *(signature.to_json() for signature in signatures)],
    }
    tar.add(Entry.of_bytes(b"index.json", canonical_json.encode(index)))
    if docker:
        listed = [_docker_item(layout, *image, platform) for image in images]
        tar.add(Entry.of_bytes(b"manifest.json", canonical_json.encode(listed)))
    tar.finish()


def _opener(reader: VerifiedReader) -> Callable[[], VerifiedReader]:
    return lambda: reader


def _entry(descriptor: Descriptor, name: str) -> dict[str, Any]:
    annotations = {k: v for k, v in descriptor.annotations.items() if k not in (REF_NAME, KIND)}
    if name:
        annotations[FULL_NAME] = name
        if "@" not in name:
            annotations[REF_NAME] = name.rpartition(":")[2]
    return descriptor.replace(annotations=annotations, data=None).to_json()


def _signatures(layout: Layout, images: Sequence[Descriptor]) -> list[Descriptor]:
    tags = {signature_tag(image.digest) for image in images}
    return [
        entry
        for entry in layout.index()
        if entry.annotations.get(KIND) == KIND_SIGNATURES
        and entry.annotations.get(REF_NAME) in tags
    ]


def _blobs(layout: Layout, images: Iterable[Descriptor]) -> list[Descriptor]:
    """All blobs that images lead to, by digest; of an index those that are here."""
    found: dict[str, Descriptor] = {}
    todo = list(images)
    while todo:
        descriptor = todo.pop()
        if descriptor.digest in found:
            continue
        found[descriptor.digest] = descriptor
        document = contents.parse(layout.read(descriptor), descriptor)
        if contents.is_index(descriptor):
            entries = contents.entries_of(document, descriptor)
            todo += [entry for entry in entries if layout.has(entry)]
        else:
            found.update((b.digest, b) for b in contents.blobs_of(document, descriptor))
    return [found[digest] for digest in sorted(found)]


def _docker_item(
    layout: Layout, image: Descriptor, names: Sequence[str], platform: Platform | None
) -> dict[str, Any]:
    loaded = Image.load(layout, image, platform)
    tags = [name for name in names if "@" not in name]
    return {
        "Config": _path(loaded.config_descriptor),
        "RepoTags": [tag.removeprefix("docker.io/").removeprefix("library/") for tag in tags],
        "Layers": [_path(layer) for layer in loaded.layers],
    }


def _path(blob: Descriptor) -> str:
    return f"blobs/{blob.digest.algorithm}/{blob.digest.hex}"
