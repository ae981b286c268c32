"""Every blob of an image against its digest and its size: the manifest, the config, the layers.

The digest of the manifest is where trust begins, by a signature or a digest that somebody wrote
down; everything else follows from it.
"""

from __future__ import annotations

from builder import canonical_json, media_types
from builder.blob import CHUNK
from builder.descriptor import Descriptor
from builder.dockerfile.record import Record
from builder.errors import BuilderError, ImageFormatError
from builder.image import Image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.layout import Layout

_DEEPEST = 4
_MOST_MANIFESTS = 1000


class CheckedBlob(Record):
    """A blob that was read to its end: what it is for, and its descriptor."""

    role: str
    descriptor: Descriptor


def check_image(layout: Layout, image: Descriptor) -> list[CheckedBlob]:
    """Read all blobs of an image, or of each image of an index. Returns them, each once.

    Raises DigestMismatchError, SizeMismatchError, BlobNotFoundError, ImageFormatError for the first
    that is not as it must be.
    """
    checked: dict[str, CheckedBlob] = {}
    _check(layout, image, checked, _DEEPEST)
    return list(checked.values())


def find_faults(layout: Layout, image: Descriptor) -> list[BuilderError]:
    """The same, but go on after a damaged layer; gives all faults."""
    faults: list[BuilderError] = []
    try:
        _check(layout, image, {}, _DEEPEST, faults)
    except BuilderError as error:
        faults.append(error)
    return faults


def _check(
    layout: Layout,
    image: Descriptor,
    checked: dict[str, CheckedBlob],
    depth: int,
    faults: list[BuilderError] | None = None,
) -> None:
    if image.digest in checked:
        return
    if depth == 0:
        raise ImageFormatError(f"checking {image.digest}: indexes inside indexes inside indexes")
    if image.media_type not in media_types.INDEXES:
        loaded = Image.load(layout, image)
        checked[image.digest] = CheckedBlob("manifest", image)
        config = loaded.config_descriptor
        checked.setdefault(config.digest, CheckedBlob("config", config))
        for layer in loaded.layers:
            if layer.digest in checked:
                continue
            try:
                _read(layout, layer)
            except BuilderError as error:
                if faults is None:
                    raise
                faults.append(error)
            checked[layer.digest] = CheckedBlob("layer", layer)
        return
    what = f"index {image.digest}"
    document = canonical_json.decode(layout.read(image), what)
    listed = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_MANIFESTS:
        raise ImageFormatError(
            f"reading {what}: manifests must be a list of at most {_MOST_MANIFESTS}", subject=what
        )
    checked[image.digest] = CheckedBlob("index", image)
    known = media_types.MANIFESTS | media_types.INDEXES
    for position, entry in enumerate(listed):
        inner = Descriptor.from_json(entry, f"{what} /manifests/{position}")
        if inner.media_type in known and not _is_attestation(inner):
            _check(layout, inner, checked, depth - 1, faults)
        elif inner.digest not in checked:
            _read(layout, inner)
            checked[inner.digest] = CheckedBlob("other", inner)


def _is_attestation(entry: Descriptor) -> bool:
    """BuildKit's attestations sit among the images; they are manifests of something else."""
    return entry.annotations.get("vnd.docker.reference.type") == "attestation-manifest"


def _read(layout: Layout, descriptor: Descriptor) -> None:
    with layout.open_blob(descriptor) as reader:
        while reader.read(CHUNK):
            pass
        reader.finish()
