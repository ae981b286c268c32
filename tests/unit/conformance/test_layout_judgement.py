"""What the suite says of layouts: nothing about good ones, the right requirement about bad ones."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile

import pytest

from conformance.layout.suite import judge_layout
from conformance.report import FAILED, SKIPPED

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"


class LayoutOnDisk:
    """A layout made by hand: whatever a test wants to be wrong can be."""

    def __init__(self, path) -> None:
        self.path = path
        os.makedirs(path / "blobs/sha256")
        self.write("oci-layout", {"imageLayoutVersion": "1.0.0"})

    def write(self, name: str, document) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        (self.path / name).write_bytes(data)

    def blob(self, content, media_type: str) -> dict:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        name = hashlib.sha256(data).hexdigest()
        self.write(f"blobs/sha256/{name}", data)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}

    def image(self, *layers: bytes, media_type=TAR, compress=None, config=None, manifest=None):
        """Write an image and the index that leads to it."""
        blobs = [self.blob(compress(data) if compress else data, media_type) for data in layers]
        document = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers],
            },
            **(config or {}),
        }
        whole = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(document, CONFIG),
            "layers": blobs,
            **(manifest or {}),
        }
        self.index(self.blob(whole, MANIFEST))

    def index(self, *entries: dict, **members) -> None:
        media_type = "application/vnd.oci.image.index.v1+json"
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}
        self.write("index.json", {**document, **members})

    def judged(self) -> dict[str, str]:
        """The requirements that do not hold, with the reason."""
        report = judge_layout(str(self.path))
        return {r.requirement.id: r.detail for r in report.results if r.status == FAILED}


@pytest.fixture
def layout(tmp_path) -> LayoutOnDisk:
    return LayoutOnDisk(tmp_path / "layout")


def tar(*members, pax=True) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def link(name: str, target: str) -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info, b""


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_good_layout_has_no_fault(layout, compression) -> None:
    zstandard = pytest.importorskip("zstandard")
    compress = {
        "none": None,
        "gzip": gzip.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }[compression]
    suffix = "" if compression == "none" else f"+{compression}"
    layout.image(
        tar(("a", b"a"), link("b", "a"), ("d/.wh.x", b"")),
        tar(("a", b"new")),
        compress=compress,
        media_type=TAR + suffix,
        config={"created": "2026-01-01T00:00:00Z", "config": {"ExposedPorts": {"80/tcp": {}}}},
    )
    assert layout.judged() == {}
    assert not judge_layout(str(layout.path)).failed


@pytest.mark.parametrize(
    ("members", "requirement"),
    [
        ([("a", b"1"), ("a", b"2")], "image-layer-applied-in-order"),
        ([("a", b"1"), ("./a", b"2")], "image-layer-applied-in-order"),
        ([("../a", b"1")], "image-layer-no-escape"),
        ([("/a", b"1")], "image-layer-no-escape"),
        ([link("b", "a"), ("a", b"1")], "image-layer-hardlinks"),
        ([("d/.wh.", b"")], "image-layer-whiteout"),
        ([("d/.wh..", b"")], "image-layer-whiteout"),
        ([("d/.wh.x", b"content")], "image-layer-whiteout"),
        ([("d/.wh..wh..opq", b"")], "image-layer-whiteout-explicit"),
    ],
)
def test_layer_that_breaks_a_rule_is_named(layout, members, requirement) -> None:
    layout.image(tar(*members))
    assert list(layout.judged()) == [requirement]


def test_altered_blob_is_named(layout) -> None:
    layout.image(tar(("a", b"a" * 2000)))
    path = max((layout.path / "blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    faults = layout.judged()
    assert path.name in faults["image-layout-blob-digest"]
    assert "image-config-diff-id" in faults


def test_size_of_a_descriptor_is_held_against_the_blob(layout) -> None:
    blob = layout.blob(tar(("a", b"a")), TAR)
    layout.image(tar(("a", b"a")), manifest={"layers": [{**blob, "size": blob["size"] + 1}]})
    assert list(layout.judged()) == ["image-descriptor-size"]


def test_diff_id_is_that_of_the_uncompressed_archive(layout) -> None:
    wrong = {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}
    layout.image(tar(("a", b"a")), config={"rootfs": wrong})
    assert list(layout.judged()) == ["image-config-diff-id"]


def test_counts_of_layers_and_diff_ids_agree(layout) -> None:
    layout.image(tar(("a", b"a")), config={"rootfs": {"type": "layers", "diff_ids": []}})
    assert "image-manifest-layers" in layout.judged()


def test_history_accounts_for_every_layer(layout) -> None:
    layout.image(tar(("a", b"a")), config={"history": [{"empty_layer": True}]})
    assert list(layout.judged()) == ["image-config-history"]


@pytest.mark.parametrize(
    ("config", "requirement"),
    [
        ({"architecture": ""}, "image-config-platform"),
        ({"created": "yesterday"}, "image-config-created"),
        ({"config": {"ExposedPorts": {"http": {}}}}, "image-config-exposed-ports"),
        ({"config": {"User": "a b"}}, "image-config-user"),
        ({"config": {"Env": "A=1"}}, "image-config-rootfs"),
    ],
)
def test_faults_of_the_configuration_are_named(layout, config, requirement) -> None:
    layout.image(tar(("a", b"a")), config=config)
    assert requirement in layout.judged()


@pytest.mark.parametrize(
    ("manifest", "requirement"),
    [
        ({"schemaVersion": 1}, "image-manifest-schema-version"),
        ({"mediaType": "text/plain"}, "image-manifest-media-type"),
        ({"config": {}}, "image-descriptor-digest"),
        ({"layers": [{"mediaType": "x", "digest": "x", "size": 1}]}, "image-descriptor-digest"),
        ({"annotations": {"a": 1}}, "image-annotations-strings"),
        ({"annotations": {"org.opencontainers.x": "y"}}, "image-annotations-reserved"),
    ],
)
def test_faults_of_the_manifest_are_named(layout, manifest, requirement) -> None:
    layout.image(tar(("a", b"a")), manifest=manifest)
    assert requirement in layout.judged()


def test_embedded_data_is_the_content(layout) -> None:
    layout.image(tar(("a", b"a")))
    entry = json.loads((layout.path / "index.json").read_bytes())["manifests"][0]
    layout.index({**entry, "data": "e30="})
    assert list(layout.judged()) == ["image-descriptor-data"]


def test_missing_blob_is_allowed_but_said(layout) -> None:
    layout.index({"mediaType": MANIFEST, "digest": f"sha256:{'1' * 64}", "size": 5})
    report = judge_layout(str(layout.path))
    by_id = {result.requirement.id: result for result in report.results}
    assert by_id["image-layout-missing-blobs"].status == SKIPPED
    assert "is not here" in by_id["image-layout-missing-blobs"].detail
    assert not report.failed


@pytest.mark.parametrize(
    ("name", "content", "requirement"),
    [
        ("oci-layout", b"{}", "image-layout-file"),
        ("oci-layout", b"nonsense", "image-layout-file"),
        ("oci-layout", b'{"imageLayoutVersion":"9"}', "image-layout-file"),
        ("index.json", b"[]", "image-layout-index"),
        ("index.json", b'{"schemaVersion":2,"schemaVersion":2}', "image-layout-index"),
        ("index.json", b'{"schemaVersion":2}', "image-index-manifests"),
        ("blobs/sha256/x", b"", "image-layout-blob-path"),
    ],
)
def test_faults_of_the_files_are_named(layout, name, content, requirement) -> None:
    layout.image(tar(("a", b"a")))
    layout.write(name, content)
    assert requirement in layout.judged()


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(512) + b"x" * 512, b"\x1f\x8b\x08"])
@pytest.mark.parametrize("media_type", [TAR, f"{TAR}+gzip", f"{TAR}+zstd"])
def test_damaged_layers_are_named_and_stop_nothing(layout, content, media_type) -> None:
    layout.image(tar(("a", b"a")))
    layout.image(content, media_type=media_type)
    faults = layout.judged()
    assert set(faults) <= {"image-layer-media-types", "image-config-diff-id"}


@pytest.mark.parametrize(
    "document",
    [None, 1, "x", [], {}, {"manifests": [None, 1, [], {}]}, {"config": [], "layers": {}}],
)
def test_no_document_breaks_the_suite(layout, document) -> None:
    blob = layout.blob(document, MANIFEST)
    index = layout.blob(document, "application/vnd.oci.image.index.v1+json")
    layout.index(blob, index, {"mediaType": 7, "digest": blob["digest"], "size": 1})
    assert layout.judged()


def test_layout_of_our_own_builder_has_no_fault(tmp_path) -> None:
    from builder.digest import DiffID
    from builder.image import build_image
    from builder.layer import Layer
    from builder.signing import PrivateKey, sign_image
    from builder.store import Store

    with Store(str(tmp_path / "store")) as store:
        data = tar(("a", b"a"))
        layer = Layer(store.layout.add(data, TAR), DiffID.of(data))
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/a"]}}
        image = build_image(store.layout, config, [layer])
        store.tag("me/tool:1", image)
        sign_image(store.layout, image, PrivateKey.generate(), "me/tool:1")
        report = judge_layout(store.root)
    assert [r for r in report.results if r.status == FAILED] == []
