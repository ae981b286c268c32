"""cosign, where it is installed, as the judge of our keys, signatures and layouts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from builder.image import Image
from builder.layout import REF_NAME, Layout

pytestmark = pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not installed")


@pytest.fixture
def cosign(tmp_path):
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["cosign", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "COSIGN_PASSWORD": "secret", "HOME": str(tmp_path)},
            timeout=120,
        )

    return call


@pytest.fixture
def layout(builder, rootfs, tmp_path) -> str:
    """A layout that holds one image."""
    builder("import", str(rootfs), "base")
    store = Layout.open(str(tmp_path / "store"))
    image = store.resolve("docker.io/library/base:latest")
    path = str(tmp_path / "layout")
    target = Layout.create(path)
    Image.load(store, image).copy_to(target)
    entry = image.replace(annotations={REF_NAME: "docker.io/library/base:latest"})
    target.edit_index(lambda index: index["manifests"].append(entry.to_json()))
    return path


def verify(cosign, key: str, layout: str):
    return cosign("verify", "--key", key, "--insecure-ignore-tlog", "--local-image", layout)


def test_our_signature_is_verified(builder, cosign, layout) -> None:
    builder("keygen", "-o", "k")
    builder("sign", "--key", "k.key", layout)
    done = verify(cosign, "k.pub", layout)
    assert done.returncode == 0, done.stderr
    (payload,) = json.loads(done.stdout)
    identity = payload["critical"]["identity"]["docker-reference"]
    assert identity == "docker.io/library/base:latest"


def test_each_of_two_signatures_is_verified(builder, cosign, layout) -> None:
    for name in ("one", "two"):
        builder("keygen", "-o", name)
        builder("sign", "--key", f"{name}.key", layout)
    assert verify(cosign, "one.pub", layout).returncode == 0
    assert verify(cosign, "two.pub", layout).returncode == 0


def test_another_key_is_refused_by_both(builder, cosign, layout) -> None:
    builder("keygen", "-o", "k")
    builder("keygen", "-o", "other")
    builder("sign", "--key", "k.key", layout)
    assert verify(cosign, "other.pub", layout).returncode != 0
    builder("verify", "--key", "other.pub", layout, status=1)


def test_our_private_key_is_read_by_cosign(builder, cosign, tmp_path) -> None:
    builder("keygen", "-o", "k")
    done = cosign("public-key", "--key", "k.key")
    assert done.stdout == (tmp_path / "k.pub").read_text(), done.stderr


def test_cosign_s_private_key_signs_here(builder, cosign, layout) -> None:
    assert cosign("generate-key-pair").returncode == 0
    builder("sign", "--key", "cosign.key", layout)
    assert verify(cosign, "cosign.pub", layout).returncode == 0
    builder("verify", "--key", "cosign.pub", layout)
