"""Images of Docker archives, as `docker save`, podman and skopeo write them: manifest.json names
the config and the layers of each.

They have no manifest of ours, so one is written; the config stays byte for byte, it is the image's
ID. Layers stay as they are, compressed or not, and are held against the config's diff_ids.
"""

from __future__ import annotations

import hashlib

from builder import canonical_json, media_types
from builder.blob import CHUNK
from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.errors import DigestMismatchError, ImageFormatError
from builder.layer.decompression import decompressor, detect
from builder.store.names import normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.archives.members import Members
    from builder.layout import Layout

_MOST_IMAGES = 1000
_MAGIC = 16


def docker_images(
    layout: Layout, members: Members, what: str
) -> list[tuple[Descriptor, tuple[str, ...]]]:
    """The images with their names. Raises ImageFormatError, DigestMismatchError, StoreError."""
    listed = canonical_json.decode(members.content("manifest.json"), f"manifest.json of {what}")
    if not isinstance(listed, list) or len(listed) > _MOST_IMAGES:
        raise ImageFormatError(f"reading manifest.json of {what}: not a list", subject=what)
    images = []
    for position, item in enumerate(listed):
        where = f"manifest.json of {what} /{position}"
        config, layers = _fields(item, where)
        tags = item.get("RepoTags") or []
        names = tuple(normalize(tag) for tag in tags if isinstance(tag, str))
        images.append((_image(layout, members, config, layers, where), names))
    return images


def _fields(item: Any, where: str) -> tuple[str, list[str]]:
    config = item.get("Config") if isinstance(item, dict) else None
    layers = item.get("Layers") if isinstance(item, dict) else None
    if layers is None:
        layers = []
    if (
        not isinstance(config, str)
        or not isinstance(layers, list)
        or not all(isinstance(name, str) for name in layers)
    ):
        raise ImageFormatError(f"reading {where}: Config and Layers must be names of files")
    return config, layers


def _image(
    layout: Layout, members: Members, config: str, layers: list[str], where: str
) -> Descriptor:
    found = members.blob(config)
    data = found if isinstance(found, bytes) else layout.read(found)
    document = canonical_json.decode(data, f"{where} /Config")
    rootfs = document.get("rootfs") if isinstance(document, dict) else None
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or len(diff_ids) != len(layers):
        raise ImageFormatError(f"reading {where}: its config does not have {len(layers)} diff_ids")
    blobs = [
        _layer(layout, members.blob(name), DiffID(str(diff_id)), name)
        for name, diff_id in zip(layers, diff_ids)
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": layout.add(data, media_types.CONFIG).to_json(),
        "layers": [blob.to_json() for blob in blobs],
    }
    return layout.add(canonical_json.encode(manifest), media_types.MANIFEST)


def _layer(layout: Layout, found: Descriptor | bytes, diff_id: DiffID, name: str) -> Descriptor:
    blob = layout.add(found, "") if isinstance(found, bytes) else found
    hasher = hashlib.new(diff_id.algorithm)
    with layout.open_blob(blob) as reader:
        start = reader.read(_MAGIC)
        kind = detect(start)
        media_type = media_types.LAYERS.get(kind)
        if media_type is None:
            raise ImageFormatError(
                f"layer {name}: compressed with {kind}, which no image can have", subject=name
            )
        pending = [start]
        read = decompressor(
            kind, lambda size: pending.pop() if pending else reader.read(size), f"layer {name}"
        )
        while chunk := read(CHUNK):
            hasher.update(chunk)
        reader.finish()
    if DiffID.finished(diff_id.algorithm, hasher) != diff_id:
        raise DigestMismatchError(
            f"layer {name}: its bytes are not those of {diff_id}",
            subject=diff_id,
            hint="the archive was changed or damaged; get it again",
        )
    return blob.replace(media_type=media_type)
