"""The checks of an image layout, from the files down to the entries of layers.

oci-layout, index.json ──▶ indexes, manifests ──▶ configurations ──▶ layers

Everything that can be reached is judged; a fault does not keep the rest from being looked at.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import Any

import specs
from conformance.judge import FaultError
from conformance.layout.blobs import Blobs, Descriptor, descriptor, read_document
from conformance.layout.layers import compression_of, read_layer
from conformance.report import FAILED, PASSED, SKIPPED, Finding, Report

_OCI = "application/vnd.oci.image."
_INDEXES = (
    f"{_OCI}index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    f"{_OCI}manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CONFIGS = (f"{_OCI}config.v1+json", "application/vnd.docker.container.image.v1+json")
_EMPTY = "application/vnd.oci.empty.v1+json"
_RESTRICTED_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"{_RESTRICTED_NAME}/{_RESTRICTED_NAME}\Z")
_REF_NAME = re.compile(r"[A-Za-z0-9]+(?:[-._:@/+][A-Za-z0-9]+|--[A-Za-z0-9]+)*\Z")
_PORT = re.compile(r"\d{1,5}(?:-\d{1,5})?(?:/(?:tcp|udp|sctp))?\Z")
_KNOWN_ANNOTATIONS = {
    f"org.opencontainers.image.{name}"
    for name in (
        *("authors", "base.digest", "base.name", "created", "description", "documentation"),
        *("licenses", "ref.name", "revision", "source", "title", "url", "vendor", "version"),
    )
}
_RESERVED = "org.opencontainers."
_DEEPEST = 8


def judge_layout(path: str) -> Report:
    """Judge the layout in a directory."""
    judge = _LayoutJudge(path)
    judge.layout()
    return Report(path, "image-spec", judge.findings)


class _LayoutJudge:
    def __init__(self, path: str) -> None:
        self.path = path
        self.blobs = Blobs(path)
        self.findings: list[Finding] = []
        self._seen: set[tuple[str, str]] = set()
        self._layers: dict[str, str] = {}

    def check(self, requirement: str, holds: object, detail: str, case: str) -> None:
        status = PASSED if holds else FAILED
        self.findings.append(Finding(requirement, status, case, "" if holds else detail))

    def layout(self) -> None:
        """The files of the layout itself."""
        try:
            version = read_document(f"{self.path}/oci-layout", "oci-layout")
            faults = specs.faults("image/layout", version)
        except FaultError as error:
            faults = [str(error)]
        self.check("image-layout-file", not faults, "; ".join(faults), "oci-layout")
        has_blobs = os.path.isdir(self.blobs.directory)
        self.check("image-layout-blobs", has_blobs, "there is no directory blobs", "blobs")
        if has_blobs:
            for algorithm, name in self.blobs.names():
                fault = self.blobs.fault(algorithm, name)
                case = f"blobs/{algorithm}/{name[:12]}"
                misnamed = fault is not None and "not the name" in fault
                self.check("image-layout-blob-path", not misnamed, fault or "", case)
                self.check("image-layout-blob-digest", fault is None, fault or "", case)
        try:
            index = read_document(f"{self.path}/index.json", "index.json")
        except FaultError as error:
            self.check("image-layout-index", False, str(error), "index.json")
            return
        self.index(index, "index.json", _DEEPEST)
        for entry in _objects(index.get("manifests")):
            tag = _annotations(entry).get("org.opencontainers.image.ref.name")
            if tag is not None:
                well_formed = isinstance(tag, str) and _REF_NAME.match(tag)
                detail = f"the name {tag!r} has not the form of one"
                self.check("image-layout-ref-name", well_formed, detail, "index.json")

    def index(self, document: dict[str, Any], where: str, depth: int) -> None:
        """An index, in index.json or a blob."""
        faults = specs.faults("image/index", document)
        requirement = "image-layout-index" if where == "index.json" else "image-index-manifests"
        self.check(requirement, not faults, f"{where}: {'; '.join(faults[:3])}", where)
        version = document.get("schemaVersion")
        self.check("image-index-schema-version", version == 2, f"{where}: {version!r}", where)
        stated = document.get("mediaType")
        self.check("image-index-media-type", stated in _INDEXES, f"{where}: {stated!r}", where)
        self.annotations(document, where)
        entries = document.get("manifests")
        if not isinstance(entries, list):
            self.check("image-index-manifests", False, f"{where} has no array manifests", where)
            return
        self.check("image-index-manifests", True, "", where)
        for position, entry in enumerate(entries):
            place = f"{where} /manifests/{position}"
            found = self.descriptor(entry, place)
            if found is None:
                continue
            platform = found.document.get("platform")
            if platform is not None:
                named = isinstance(platform, dict) and all(
                    isinstance(platform.get(n), str) and platform[n] for n in ("architecture", "os")
                )
                self.check("image-index-platform", named, f"{place}: {platform!r}", where)
            if depth and self.blobs.has(found.digest):
                self.manifest_or_index(found, depth - 1)

    def manifest_or_index(self, found: Descriptor, depth: int) -> None:
        """What an entry of an index leads to."""
        key = (found.digest, found.media_type)
        if key in self._seen or found.media_type not in (*_INDEXES, *_MANIFESTS):
            return
        self._seen.add(key)
        where = f"{'index' if found.media_type in _INDEXES else 'manifest'} {_short(found.digest)}"
        try:
            document = self.blobs.document(found.digest)
        except FaultError as error:
            self.check("image-manifest-schema-version", False, str(error), where)
            return
        if found.media_type in _INDEXES:
            self.index(document, where, depth)
        else:
            self.manifest(document, where)

    def manifest(self, document: dict[str, Any], where: str) -> None:
        """A manifest, its configuration and its layers."""
        faults = specs.faults("image/manifest", document)
        self.check("image-manifest-config", not faults, f"{where}: {'; '.join(faults[:3])}", where)
        version = document.get("schemaVersion")
        self.check("image-manifest-schema-version", version == 2, f"{where}: {version!r}", where)
        stated = document.get("mediaType")
        self.check("image-manifest-media-type", stated in _MANIFESTS, f"{where}: {stated!r}", where)
        self.annotations(document, where)
        config = self.descriptor(document.get("config"), f"{where} /config")
        if document.get("subject") is not None:
            try:
                descriptor(document["subject"], f"{where} /subject")
                self.check("image-manifest-subject", True, "", where)
            except FaultError as error:
                self.check("image-manifest-subject", False, str(error), where)
        listed = document.get("layers")
        layers = [
            self.descriptor(entry, f"{where} /layers/{position}")
            for position, entry in enumerate(listed if isinstance(listed, list) else [])
        ]
        if config is None:
            return
        if config.media_type == _EMPTY:
            named = isinstance(document.get("artifactType"), str) and document["artifactType"]
            self.check("image-manifest-artifact-type", named, f"{where} has none", where)
        if config.media_type in _CONFIGS and self.blobs.has(config.digest):
            self.config(config, [layer for layer in layers if layer is not None], where)

    def config(self, found: Descriptor, layers: list[Descriptor], manifest: str) -> None:
        """An image's configuration, held against the manifest's layers."""
        where = f"config {_short(found.digest)}"
        try:
            document = self.blobs.document(found.digest)
        except FaultError as error:
            self.check("image-config-rootfs", False, str(error), where)
            return
        is_image = all(compression_of(layer.media_type) is not None for layer in layers)
        faults = specs.faults("image/config", document)
        self.check("image-config-rootfs", not faults, f"{where}: {'; '.join(faults[:3])}", where)
        diff_ids = (document.get("rootfs") or {}).get("diff_ids")
        if not isinstance(diff_ids, list):
            return
        agree = len(diff_ids) == len(layers)
        detail = f"{manifest} has {len(layers)} layers, {where} {len(diff_ids)} DiffIDs"
        self.check("image-manifest-layers", agree, detail, where)
        if not is_image:
            return  # an artifact that borrows the type, such as cosign's signatures
        self.config_members(document, len(layers), where)
        for layer, diff_id in zip(layers, diff_ids):
            if self.blobs.has(layer.digest):
                self.layer(layer, diff_id)

    def config_members(self, document: dict[str, Any], layers: int, where: str) -> None:
        """The members of an image's configuration."""
        named = all(
            isinstance(document.get(name), str) and document[name]
            for name in ("architecture", "os")
        )
        self.check("image-config-platform", named, f"{where}: architecture or os is missing", where)
        created = document.get("created")
        if created is not None:
            self.check("image-config-created", _is_time(created), f"{where}: {created!r}", where)
        history = document.get("history")
        if isinstance(history, list):
            filled = sum(1 for entry in _objects(history) if not entry.get("empty_layer"))
            detail = f"{where}: {layers} layers, the history tells of {filled}"
            self.check("image-config-history", filled == layers, detail, where)
        config = document.get("config")
        config = config if isinstance(config, dict) else {}
        ports = [port for port in config.get("ExposedPorts") or {} if not _PORT.match(port)]
        if config.get("ExposedPorts"):
            self.check("image-config-exposed-ports", not ports, f"{where}: {ports}", where)
        if config.get("User"):
            user = config["User"]
            holds = isinstance(user, str) and user.count(":") <= 1 and not re.search(r"\s", user)
            self.check("image-config-user", holds, f"{where}: {user!r}", where)

    def layer(self, found: Descriptor, diff_id: Any) -> None:
        """A layer's archive, once however many images have it."""
        where = f"layer {_short(found.digest)}"
        known = self._layers.get(found.digest)
        if known is None:
            compression = compression_of(found.media_type)
            algorithm = str(diff_id).partition(":")[0]
            if compression is None or algorithm not in ("sha256", "sha512"):
                return
            try:
                archive = read_layer(self.blobs.path(found.digest), compression, algorithm)
            except (OSError, ValueError) as error:
                self.check("image-layer-media-types", False, f"{where}: {error}", where)
                return
            self.check("image-layer-media-types", True, "", where)
            self._layer_rules(archive.faults, archive.opaque, where)
            distributable = "nondistributable" not in found.media_type
            detail = f"{where} is non-distributable"
            self.check("image-layer-non-distributable", distributable, detail, where)
            known = self._layers[found.digest] = archive.diff_id
        detail = f"{where} has the DiffID {known}, the configuration says {diff_id}"
        self.check("image-config-diff-id", known == diff_id, detail, where)

    def _layer_rules(self, faults: list[tuple[str, str]], opaque: int, where: str) -> None:
        rules = ("applied-in-order", "attributes", "hardlinks", "no-escape", "whiteout")
        for rule in (f"image-layer-{name}" for name in rules):
            reasons = [reason for requirement, reason in faults if requirement == rule]
            detail = f"{where}: {'; '.join(reasons[:3])}"
            self.check(rule, not reasons, detail, where)
        detail = f"{where} has {opaque} opaque whiteouts"
        self.check("image-layer-whiteout-explicit", not opaque, detail, where)

    def descriptor(self, document: Any, where: str) -> Descriptor | None:
        """A descriptor and whether its content is what it says; None when it leads nowhere."""
        try:
            found = descriptor(document, where)
        except FaultError as error:
            self.check("image-descriptor-digest", False, str(error), where)
            return None
        well_formed = _MEDIA_TYPE.match(found.media_type)
        detail = f"{where}: {found.media_type!r}"
        self.check("image-descriptor-media-type", well_formed, detail, where)
        self.check("image-descriptor-digest", True, "", where)
        self.annotations(found.document, where)
        self._embedded(found)
        if not self.blobs.has(found.digest):
            # Allowed: a layout may be a part of something larger.
            detail = f"{where}: {_short(found.digest)} is not here"
            self.findings.append(Finding("image-layout-missing-blobs", SKIPPED, where, detail))
            return found
        size = self.blobs.size(found.digest)
        detail = f"{where}: size {found.size}, but {_short(found.digest)} has {size} bytes"
        self.check("image-descriptor-size", size == found.size, detail, where)
        return found

    def _embedded(self, found: Descriptor) -> None:
        text = found.document.get("data")
        if text is None:
            return
        import base64
        import hashlib

        algorithm = found.digest.partition(":")[0]
        try:
            data = base64.b64decode(text, validate=True)
            holds = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}" == found.digest
        except (ValueError, TypeError):
            holds = False
        detail = f"{found.where}: data is not the content of {_short(found.digest)}"
        self.check("image-descriptor-data", holds, detail, found.where)

    def annotations(self, document: dict[str, Any], where: str) -> None:
        """Annotations of a descriptor, manifest or index."""
        annotations = document.get("annotations")
        if annotations is None:
            return
        holds = isinstance(annotations, dict) and all(
            name and isinstance(value, str) for name, value in annotations.items()
        )
        self.check("image-annotations-strings", holds, f"{where}: {annotations!r}", where)
        reserved = [
            name
            for name in _annotations(document)
            if name.startswith(_RESERVED) and name not in _KNOWN_ANNOTATIONS
        ]
        detail = f"{where}: {', '.join(reserved)}"
        self.check("image-annotations-reserved", not reserved, detail, where)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []


def _annotations(document: dict[str, Any]) -> dict[str, Any]:
    annotations = document.get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and "T" in value and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _short(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}:{encoded[:12]}"
