"""An image of a layout: its manifest and its config, verified and in agreement."""

from __future__ import annotations

from builder import canonical_json, media_types
from builder.descriptor import Descriptor, checked_annotations
from builder.digest import DiffID
from builder.errors import ImageFormatError, ImageNotFoundError
from builder.layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

    from builder.dockerfile.platforms import Platform
    from builder.layout import Layout

_DEEPEST_INDEX = 4
_MOST_LAYERS = 4096


class Image:
    """One image for one platform.

    Attributes:
        layout: where its blobs are.
        descriptor: of the manifest.
        manifest, manifest_bytes: parsed, and as stored: the bytes are the identity.
        config, config_bytes: the same of the config.
        config_descriptor: of the config.
        layers: of the layers' blobs, lowest first.
        diff_ids: of the layers' tar streams, lowest first.
    """

    def __init__(
        self, layout: Layout, descriptor: Descriptor, manifest_bytes: bytes, what: str
    ) -> None:
        """Read the config of a manifest that was verified: use `load`."""
        self.layout = layout
        self.descriptor = descriptor
        self.manifest_bytes = manifest_bytes
        self.manifest = _object(canonical_json.decode(manifest_bytes, what), what)
        if self.manifest.get("schemaVersion") != 2:
            raise ImageFormatError(f"reading {what}: schemaVersion must be 2", subject=what)
        self.config_descriptor = Descriptor.from_json(
            self.manifest.get("config"), f"{what} /config"
        )
        if self.config_descriptor.media_type not in media_types.CONFIGS:
            raise ImageFormatError(
                f"reading {what}: an artifact of type"
                f" {self.manifest.get('artifactType', self.config_descriptor.media_type)},"
                " not an image",
                subject=what,
            )
        checked_annotations(self.manifest.get("annotations"), what)
        self.layers = _layers(self.manifest.get("layers"), what)
        self.config_bytes = layout.read(self.config_descriptor)
        where = f"config {self.config_descriptor.digest}"
        self.config = _object(canonical_json.decode(self.config_bytes, where), where)
        self.diff_ids = _diff_ids(self.config, where)
        if len(self.diff_ids) != len(self.layers):
            raise ImageFormatError(
                f"reading {what}: {len(self.layers)} layers, but its config lists"
                f" {len(self.diff_ids)} diff_ids",
                subject=what,
            )

    @classmethod
    def load(
        cls,
        layout: Layout,
        descriptor: Descriptor,
        platform: Platform | Mapping[str, Any] | None = None,
    ) -> Self:
        """Read a manifest, or the one of an index that is for platform (default: this machine's).

        Raises ImageFormatError, ImageNotFoundError, and what `Layout.read` raises.
        """
        for _ in range(_DEEPEST_INDEX):
            data = layout.read(descriptor)
            what = f"manifest {descriptor.digest}"
            if descriptor.media_type in media_types.MANIFESTS:
                _check_media_type(data, descriptor, what)
                return cls(layout, descriptor, data, what)
            if descriptor.media_type not in media_types.INDEXES:
                raise ImageFormatError(
                    f"reading {what}: media type {descriptor.media_type} is not an image",
                    subject=descriptor.digest,
                )
            _check_media_type(data, descriptor, what)
            descriptor = choose_manifest(data, descriptor, platform)
        raise ImageFormatError(
            f"reading {descriptor.digest}: indexes inside indexes inside indexes",
            subject=descriptor.digest,
        )

    @property
    def platform(self) -> dict[str, Any]:
        """`os`, `architecture` and, where the config has them, `variant`, `os.version`, ..."""
        names = ("architecture", "os", "os.version", "os.features", "variant")
        return {name: self.config[name] for name in names if self.config.get(name)}

    @property
    def stack(self) -> list[Layer]:
        """The layers with their DiffIDs, lowest first."""
        return [Layer(blob, diff_id) for blob, diff_id in zip(self.layers, self.diff_ids)]

    @property
    def annotations(self) -> dict[str, str]:
        """Of the manifest."""
        return checked_annotations(self.manifest.get("annotations"), "the manifest")

    def copy_to(self, layout: Layout) -> Self:
        """The same image in another layout, all blobs copied and verified; no entry in its index.

        Raises what `Layout.adopt` raises.
        """
        for blob in (*self.layers, self.config_descriptor, self.descriptor):
            layout.adopt(self.layout, blob)
        return type(self).load(layout, self.descriptor)


def build_image(
    layout: Layout,
    config: Mapping[str, Any],
    layers: Sequence[Layer],
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Write config and manifest of an image whose layers are in the layout.

    `rootfs` of the config is set from the layers. Media types of Docker become OCI's names for the
    same bytes. Returns the manifest's descriptor, with the platform of the config. Raises
    ImageFormatError when config and layers cannot belong together, StoreError.
    """
    document = dict(config)
    document["rootfs"] = {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]}
    filled = sum(1 for entry in document.get("history", ()) if not entry.get("empty_layer"))
    if document.get("history") and filled != len(layers):
        raise ImageFormatError(
            f"writing an image: {len(layers)} layers, but its history tells of {filled}"
        )
    for name in ("architecture", "os"):
        if not document.get(name):
            raise ImageFormatError(f"writing an image: its config has no {name}")
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": layout.add(canonical_json.encode(document), media_types.CONFIG).to_json(),
        "layers": [_as_oci(layer.descriptor).to_json() for layer in layers],
    }
    if annotations:
        manifest["annotations"] = dict(sorted(annotations.items()))
    names = ("architecture", "os", "os.version", "os.features", "variant")
    platform = {name: document[name] for name in names if document.get(name)}
    return layout.add(canonical_json.encode(manifest), media_types.MANIFEST, platform=platform)


def _as_oci(blob: Descriptor) -> Descriptor:
    media_type = media_types.OCI_EQUIVALENTS.get(blob.media_type, blob.media_type)
    return Descriptor(media_type, blob.digest, blob.size, annotations=blob.annotations)


def _object(document: Any, what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ImageFormatError(f"reading {what}: not a JSON object", subject=what)
    return document


def _check_media_type(data: bytes, descriptor: Descriptor, what: str) -> None:
    """A document that says it is something else could mean two things (CVE-2021-41190)."""
    document = _object(canonical_json.decode(data, what), what)
    stated = document.get("mediaType")
    if stated is not None and stated != descriptor.media_type:
        raise ImageFormatError(
            f"reading {what}: it says it is {str(stated)[:80]!r}, its descriptor says"
            f" {descriptor.media_type}",
            subject=descriptor.digest,
        )
    wrong = "manifests" if descriptor.media_type in media_types.MANIFESTS else "layers"
    if wrong in document:
        raise ImageFormatError(
            f"reading {what}: a {descriptor.media_type} with {wrong}", subject=descriptor.digest
        )


def _layers(document: Any, what: str) -> list[Descriptor]:
    if not isinstance(document, list) or len(document) > _MOST_LAYERS:
        raise ImageFormatError(
            f"reading {what}: layers must be a list of at most {_MOST_LAYERS}", subject=what
        )
    layers = [
        Descriptor.from_json(entry, f"{what} /layers/{position}")
        for position, entry in enumerate(document)
    ]
    for position, layer in enumerate(layers):
        if layer.media_type not in media_types.LAYER_COMPRESSIONS:
            raise ImageFormatError(
                f"reading {what} /layers/{position}: media type {layer.media_type[:100]}"
                " is not that of a layer",
                subject=what,
            )
    return layers


def _diff_ids(config: dict[str, Any], where: str) -> list[DiffID]:
    rootfs = config.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise ImageFormatError(
            f"reading {where}: rootfs.diff_ids must be a list of digests", subject=where
        )
    return [DiffID(text) for text in listed]


def choose_manifest(
    data: bytes, index: Descriptor, platform: Platform | Mapping[str, Any] | None
) -> Descriptor:
    """The first manifest of an index for the platform (image-spec image-index.md).

    `data` are the bytes of the index, None is this machine's platform. Raises ImageFormatError,
    ImageNotFoundError.
    """
    what = f"index {index.digest}"
    document = _object(canonical_json.decode(data, what), what)
    listed = document.get("manifests")
    if not isinstance(listed, list):
        raise ImageFormatError(f"reading {what}: no list manifests", subject=what)
    entries = [
        Descriptor.from_json(entry, f"{what} /manifests/{position}")
        for position, entry in enumerate(listed)
    ]
    known = media_types.MANIFESTS | media_types.INDEXES
    # Media types that nobody knows yet are not an error, only nothing to choose.
    entries = [entry for entry in entries if entry.media_type in known]
    wanted = _platform(platform)
    for entry in entries:
        if entry.platform is not None and _platform(entry.platform) == wanted:
            return entry
    # What an earlier variant runs, a later one does (arm/v6 on v7); the latest of them is best.
    fitting = [
        entry
        for entry in entries
        for *system, variant in [_platform(entry.platform or {})]
        if system == [*wanted[:2]] and variant <= wanted[2]
    ]
    if fitting:
        return max(fitting, key=lambda entry: _platform(entry.platform or {})[2])
    for entry in entries:
        if entry.platform is None:
            return entry
    offered = ", ".join("/".join(filter(None, _platform(e.platform or {}))) for e in entries)
    raise ImageNotFoundError(
        f"choosing from {what}: no image for {'/'.join(filter(None, wanted))}",
        subject=index.digest,
        hint=f"it has: {offered}" if offered else None,
    )


def _platform(given: Platform | Mapping[str, Any] | None) -> tuple[str, str, str]:
    from builder.dockerfile.platforms import Platform, host_platform, normalize_architecture

    if given is None:
        given = host_platform()
    if isinstance(given, Platform):
        os, architecture, variant = given.os, given.architecture, given.variant
    else:
        os, architecture, variant = (
            str(given.get(name) or "") for name in ("os", "architecture", "variant")
        )
    return (os, *normalize_architecture(architecture, variant))
