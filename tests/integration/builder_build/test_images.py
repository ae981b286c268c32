"""The image that comes out: configuration, history, names, layouts, reproducibility."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from builder.image import Image
from builder.layout import Layout

DOCKERFILE = (
    "FROM busybox AS build\nCOPY src /src\nRUN cat /src/* > /all; mkdir -p /d/e; echo y > /d/e/y\n"
    "FROM busybox\nENV A=1\nWORKDIR /work\nCOPY --from=build /all .\nCOPY src /src\n"
    "COPY <<EOF /etc/here\ntext\nEOF\nRUN ln -s x /link && echo z > /z && chmod 4755 /z\n"
    'LABEL l=1\nEXPOSE 80\nVOLUME /data\nSTOPSIGNAL 9\nUSER app\nENTRYPOINT ["/z"]\nCMD ["a"]\n'
)
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


@pytest.fixture
def with_sources(bench):
    bench.write("src/a", "1")
    bench.write("src/b", "2")
    return bench


def test_the_configuration_says_what_the_dockerfile_said(with_sources):
    built = with_sources.build(DOCKERFILE, "--label", "added=yes")
    assert built.config["Env"][-1] == "A=1"
    assert built.config["WorkingDir"] == "/work"
    assert built.config["Labels"] == {"l": "1", "added": "yes"}
    assert built.config["ExposedPorts"] == {"80/tcp": {}}
    assert built.config["Volumes"] == {"/data": {}}
    assert built.config["StopSignal"] == "9"
    assert built.config["User"] == "app"
    assert built.config["Entrypoint"] == ["/z"]
    assert built.config["Cmd"] == ["a"]


def test_history_and_layers_agree(with_sources):
    image = with_sources.build(DOCKERFILE).image
    filled = [entry for entry in image.config["history"] if not entry.get("empty_layer")]
    assert len(filled) == len(image.layers) == len(image.diff_ids)
    assert [entry["created_by"].split()[0] for entry in filled[1:]] == [
        *("WORKDIR", "COPY", "COPY", "COPY", "RUN"),
    ]
    assert all(entry["created"] for entry in image.config["history"])


def test_a_stage_on_a_stage_has_the_history_of_both(bench):
    image = bench.build("FROM busybox AS a\nRUN echo 1 > /1\nFROM a\nRUN echo 2 > /2").image
    told = [entry["created_by"] for entry in image.config["history"][1:]]
    assert told == [
        "RUN /bin/sh -c echo 1 > /1 # buildkit",
        "RUN /bin/sh -c echo 2 > /2 # buildkit",
    ]


def test_the_same_epoch_gives_the_same_digest_in_another_directory_and_store(
    with_sources, another_bench
):
    first = with_sources.build(DOCKERFILE, env=EPOCH)
    shutil.rmtree(another_bench.context)
    shutil.copytree(with_sources.context, another_bench.context)
    for directory, _, names in os.walk(another_bench.context):
        for name in names:
            # Another checkout: times differ, both later than the epoch.
            os.utime(os.path.join(directory, name))
    second = another_bench.build(None, env=EPOCH)
    assert second.digest == first.digest
    third = with_sources.build(None, "--no-cache", env=EPOCH)
    assert third.digest == first.digest
    assert first.image.config["created"] == "2023-11-14T22:13:20Z"
    for layer in first.layers():
        assert max(entry.mtime for entry in layer.values()) <= 1700000000


@pytest.mark.parametrize("kind", ["gzip", "zstd", "none"])
def test_every_compression_is_reproducible(bench, kind):
    text = "FROM busybox\nRUN seq 300000 > /data"
    options = ("--no-cache", "--compression", kind)
    first = bench.build(text, *options, env=EPOCH)
    assert bench.build(None, *options, env=EPOCH).digest == first.digest


def test_the_epoch_can_be_a_build_argument_or_the_contexts_newest_file(bench):
    path = bench.write("a", "1")
    text = "FROM scratch\nCOPY a /a"
    built = bench.build(text, "--build-arg", "SOURCE_DATE_EPOCH=5")
    assert built.image.config["created"] == "1970-01-01T00:00:05Z"
    os.utime(path, (1000, 1000))
    os.utime(bench.context / "Dockerfile", (900, 900))
    built = bench.build(None, "--build-arg", "SOURCE_DATE_EPOCH=context")
    assert built.image.config["created"] == "1970-01-01T00:16:40Z"


def test_an_image_without_layers_of_its_own(bench):
    built = bench.build("FROM scratch\nCMD x")
    assert built.image.layers == []
    assert bench.build(None).digest == built.digest


def test_names_and_the_layout(with_sources, tmp_path):
    out = tmp_path / "out"
    built = with_sources.build(DOCKERFILE, "-t", "one", "-t", "host.example/two:v1", "-o", str(out))
    index = with_sources.index(out)
    assert [entry["annotations"] for entry in index["manifests"]] == [
        {
            "io.containerd.image.name": "docker.io/library/one:latest",
            "org.opencontainers.image.ref.name": "latest",
        },
        {
            "io.containerd.image.name": "host.example/two:v1",
            "org.opencontainers.image.ref.name": "v1",
        },
    ]
    layout = Layout.open(str(out))
    image = Image.load(layout, layout.resolve("v1"))
    assert image.descriptor.digest == built.digest
    blobs = {layer.digest.hex for layer in image.layers}
    blobs |= {image.config_descriptor.digest.hex, image.descriptor.digest.hex}
    assert set(os.listdir(out / "blobs/sha256")) == blobs
    assert sorted(os.listdir(out)) == ["blobs", "index.json", "oci-layout"]


def test_building_into_a_layout_again_replaces_the_image(bench, tmp_path):
    out = tmp_path / "out"
    first = bench.build("FROM busybox\nRUN echo 1 > /1", "-t", "x", "-o", str(out))
    second = bench.build("FROM busybox\nRUN echo 2 > /2", "-t", "x", "-o", str(out))
    assert [entry["digest"] for entry in bench.index(out)["manifests"]] == [second.digest]
    assert not (out / "blobs/sha256" / first.image.layers[-1].digest.hex).exists()


def test_the_image_is_signed_in_the_store_and_in_the_layout(bench, tmp_path):
    out, key = tmp_path / "out", tmp_path / "k"
    password = {"PYOCI_BUILDER_PASSWORD": "x"}
    bench.command("keygen", "-o", str(key), env=password)
    options = ("-t", "x", "-o", str(out), "--sign", f"{key}.key")
    first = bench.build("FROM busybox\nRUN echo 1 > /1", *options, env=password)
    bench.run("verify", "--key", f"{key}.pub", "x")
    bench.command("verify", "--key", f"{key}.pub", str(out))
    second = bench.build("FROM busybox\nRUN echo 2 > /2", *options, env=password)
    bench.command("verify", "--key", f"{key}.pub", str(out))
    entries = bench.index(out)["manifests"]
    assert len(entries) == 2  # the image, and its signatures: the old ones went with the old image
    assert entries[0]["digest"] == second.digest
    assert not (out / "blobs/sha256" / first.digest.partition(":")[2]).exists()


def test_a_wrong_password_costs_no_build(bench, tmp_path):
    key = tmp_path / "k"
    bench.command("keygen", "-o", str(key), env={"PYOCI_BUILDER_PASSWORD": "x"})
    built = bench.build(
        "FROM busybox\nRUN true",
        *("--sign", f"{key}.key"),
        check=False,
        env={"PYOCI_BUILDER_PASSWORD": "y"},
    )
    assert built.status == 1
    assert "wrong password" in built.log and "RUN" not in built.log


def test_other_images_of_a_layout_stay(bench, tmp_path):
    out = tmp_path / "out"
    bench.build("FROM busybox\nRUN echo 1 > /1", "-t", "x:1", "-o", str(out))
    bench.build("FROM busybox\nRUN echo 2 > /2", "-t", "x:2", "-o", str(out))
    layout = Layout.open(str(out))
    for tag in ("1", "2"):
        assert len(Image.load(layout, layout.resolve(tag)).layers) == 2


def test_a_layout_is_a_base(bench, tmp_path):
    out = tmp_path / "out"
    bench.build("FROM busybox\nRUN echo 1 > /1", "-t", "x", "-o", str(out))
    for name in (f"oci-layout://{out}", str(out), f"oci:{out}:latest"):
        built = bench.build(f"FROM {name}\nRUN cat /1 > /copy")
        assert built.files()["copy"] == b"1\n"


def test_a_directory_that_is_no_layout_is_not_written_to(bench, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("x")
    built = bench.build("FROM busybox\nCMD x", "-o", str(tmp_path / "out"), check=False)
    assert built.status == 1
    assert os.listdir(tmp_path / "out") == ["precious"]


def test_files_about_the_result(bench, tmp_path):
    iid, metadata = tmp_path / "iid", tmp_path / "metadata"
    built = bench.build(
        "FROM busybox\nCMD x",
        *("-t", "x", "--iidfile", str(iid), "--metadata-file", str(metadata)),
    )
    assert iid.read_text() == built.digest
    told = json.loads(metadata.read_text())
    assert told["containerimage.digest"] == built.digest
    assert told["containerimage.config.digest"] == built.image.config_descriptor.digest
    assert told["image.name"] == "docker.io/library/x:latest"


def test_quiet_says_only_the_digest(bench):
    built = bench.build("FROM busybox\nRUN echo loud", "--quiet")
    assert built.log == ""
    assert built.digest.startswith("sha256:")


def test_lint_findings_are_shown(bench):
    built = bench.build("FROM busybox\nMAINTAINER me\nCMD x")
    assert "MaintainerDeprecated: Maintainer instruction is deprecated" in built.log
    assert "(line 2)" in built.log


def test_an_image_for_another_platform(bench):
    built = bench.build("FROM scratch\nCOPY Dockerfile /d", "--platform", "linux/arm64")
    assert built.image.platform == {"os": "linux", "architecture": "arm64"}


def test_a_base_without_history_gets_entries_for_its_layers(bench, tmp_path):
    from builder import canonical_json, media_types
    from builder.store import Store

    with Store(str(bench.store)) as store:
        base = Image.load(store.layout, store.lookup("busybox"))
        config = {name: value for name, value in base.config.items() if name != "history"}
        manifest = dict(base.manifest)
        manifest["config"] = store.layout.add(
            canonical_json.encode(config), media_types.CONFIG
        ).to_json()
        data = canonical_json.encode(manifest)
        store.tag("bare", store.layout.add(data, media_types.MANIFEST))
    image = bench.build("FROM bare\nRUN echo x > /x").image
    assert [bool(entry.get("empty_layer")) for entry in image.config["history"]] == [False, False]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_the_layout(bench, tmp_path):
    out = tmp_path / "out"
    built = bench.build("FROM busybox\nRUN echo x > /x", "-t", "x:v", "-o", str(out))
    done = subprocess.run(
        ["skopeo", "inspect", f"oci:{out}:v"], capture_output=True, check=True, text=True
    )
    assert json.loads(done.stdout)["Digest"] == built.digest


@pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci")
def test_umoci_unpacks_the_layout(bench, tmp_path):
    out = tmp_path / "out"
    bench.build("FROM busybox\nRUN echo x > /x && rm /etc/group", "-t", "x:v", "-o", str(out))
    subprocess.run(
        ["umoci", "unpack", "--image", f"{out}:v", str(tmp_path / "bundle")],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "bundle/rootfs/x").read_text() == "x\n"
    assert not (tmp_path / "bundle/rootfs/etc/group").exists()
