"""Pull, push, copy and login against Debian's docker-registry, with skopeo as an outside reader."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess

import pytest

USER, PASSWORD = "tester", "open sesame"


def skopeo(*arguments: str) -> str:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is missing: apt-get install skopeo")
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_skopeo_reads_what_we_push(home, image, plain, tmp_path) -> None:
    home.call("push", "-q", "tool", f"{plain.host}/out/tool:1")
    source = f"docker://{plain.host}/out/tool:1"
    skopeo("copy", "-q", "--src-tls-verify=false", source, f"oci:{tmp_path}/read:1")
    index = json.loads((tmp_path / "read/index.json").read_text())
    assert [entry["digest"] for entry in index["manifests"]] == [image]


def test_we_pull_what_skopeo_pushes(home, another_home, image, plain, tmp_path) -> None:
    home.call("copy", "-q", "tool", "oci:made:1")
    target = f"docker://{plain.host}/in/tool:1"
    skopeo("copy", "-q", "--dest-tls-verify=false", f"oci:{home.path}/made:1", target)
    assert another_home.call("pull", "-q", f"{plain.host}/in/tool:1").strip() == image


def test_signatures_travel_along(home, another_home, image, plain) -> None:
    home.call("keygen", "--output", "k")
    home.call("sign", "--key", "k.key", "--reference", f"{plain.host}/signed/tool", "tool")
    home.call("push", "-q", "tool", f"{plain.host}/signed/tool:1")
    another_home.call("pull", "-q", f"{plain.host}/signed/tool:1")
    shutil.copy(home.path / "k.pub", another_home.path)
    said = another_home.call("verify", "--key", "k.pub", f"{plain.host}/signed/tool:1")
    assert f"verified {image}" in said
    # And once more as a referrer, under the tag that stands in for the API.
    raw = skopeo(
        *("inspect", "--raw", "--tls-verify=false"),
        f"docker://{plain.host}/signed/tool:{image.replace(':', '-')}",
    )
    assert [e["artifactType"] for e in json.loads(raw)["manifests"]] == [
        "application/vnd.dev.cosign.artifact.sig.v1+json"
    ]


def test_a_second_repository_gets_blobs_linked(home, image, proxy) -> None:
    home.call("push", "-q", "tool", f"{proxy.host}/first/tool:1")
    home.call("push", "-q", "tool", f"{proxy.host}/second/tool:1")
    sent = [path for method, path, _ in proxy.requests if method == "PATCH"]
    assert [path for path in sent if "/second/" in path] == []


def test_from_a_registry_builds_and_then_needs_none(home, image, plain, another_home) -> None:
    home.call("push", "-q", "tool", f"{plain.host}/base/tool:1")
    context = another_home.path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {plain.host}/base/tool:1@{image}\nCOPY --from={plain.host}/base/tool:1 data /copy\n"
    )
    digest = another_home.call("build", "-q", "-t", "made", "context")
    assert another_home.call("build", "-q", "--offline", "context") == digest
    another_home.call("push", "-q", "made", f"{plain.host}/made/tool:1")


def test_an_unknown_base_is_named_with_its_line(home, plain) -> None:
    (home.path / "context").mkdir()
    (home.path / "context/Dockerfile").write_text(f"FROM {plain.host}/no/such:1\n")
    said = home.call("build", "context", status=1)
    assert f"{plain.host}/no/such:1: the registry has no such image" in said
    assert "Dockerfile:1" in said
    said = home.call("build", "--offline", "context", status=1)
    assert f"no {plain.host}/no/such:1 in the store" in said


def test_archives_and_registries_keep_the_digest(home, another_home, image, plain) -> None:
    home.call("save", "-o", "a.tar", "tool")
    assert "tool" in another_home.call("load", data=(home.path / "a.tar").read_bytes())
    home.call("copy", "-q", "docker-archive:a.tar", f"docker://{plain.host}/copied/a:1")
    target = f"docker://{plain.host}/copied/b:2"
    home.call("copy", "-q", f"docker://{plain.host}/copied/a:1", target)
    home.call("copy", "-q", target, "oci-archive:b.tar:2")
    assert another_home.call("copy", "-q", f"oci-archive:{home.path}/b.tar:2", "x").strip() == image


def test_a_password_and_an_authority_are_needed_and_enough(home, image, secure) -> None:
    name = f"{secure.host}/team/tool:1"
    said = home.call("push", "-q", "tool", name, status=1)
    assert "CERTIFICATE_VERIFY_FAILED" in said or "certificate" in said
    certificates = home.path / "home/.config/containers/certs.d" / secure.host
    certificates.mkdir(parents=True)
    shutil.copy(secure.authority, certificates / "ca.crt")
    said = home.call("push", "-q", "tool", name, status=1)
    assert f"pyoci-builder login {secure.host}" in said
    login = ("login", "-u", USER, "--password-stdin", secure.host)
    said = home.call(*login, data=b"wrong", status=1)
    assert "wrong" not in said
    home.call(*login, data=PASSWORD.encode())
    home.call("push", "-q", "tool", name)
    assert home.call("pull", "-q", name).strip() == image
    home.call("logout", secure.host)
    assert "login" in home.call("pull", "-q", name, status=1)


# Failures on the way.


def cut(count: int):
    def how(handler, status, headers, data) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data[:count])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    return how


def answer(status: int, change=lambda data: data, **headers):
    def how(handler, _, __, data) -> None:
        data = change(data)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return how


@pytest.fixture
def published(home, image, plain):
    """The digest of the layer of an image in the registry."""
    home.call("push", "-q", "tool", f"{plain.host}/faulty/tool:1")
    return json.loads(home.call("inspect", "tool"))["layers"][0]["digest"]


def test_a_cut_download_goes_on_where_it_was(published, proxy, another_home) -> None:
    proxy.fail("GET", published, cut(1_000_000), times=2)
    another_home.call("pull", "-q", f"{proxy.host}/faulty/tool:1")
    ranges = [r for method, path, r in proxy.requests if method == "GET" and published in path]
    starts = [int(one.removeprefix("bytes=").rstrip("-")) for one in ranges[1:]]
    assert ranges[0] is None
    assert starts[0] <= 1_000_000 < starts[1]
    assert published.partition(":")[2] in another_home.blobs()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (answer(200, lambda data: data[:-1] + b"x"), "the bytes that came have the digest sha256:"),
        (answer(200, lambda data: data[:-1]), "where the manifest says"),
        (answer(200, lambda data: data + b"x"), "where the manifest says"),
        (answer(404), "the registry has no such blob"),
        (answer(429, Retry_After="9999"), "429"),
    ],
    ids=["altered", "short", "long", "gone", "busy"],
)
def test_a_bad_blob_leaves_nothing(published, proxy, another_home, how, why) -> None:
    proxy.fail("GET", published, how, times=99)
    said = another_home.call("pull", "-q", f"{proxy.host}/faulty/tool:1", status=1)
    assert f"pulling blob {published} of {proxy.host}/faulty/tool" in said
    assert why in said
    assert published.partition(":")[2] not in another_home.blobs()
    assert another_home.call("images", "-q") == ""


def test_passing_failures_are_no_failure(published, proxy, another_home, home) -> None:
    proxy.fail("GET", published, answer(500))
    proxy.fail("GET", published, answer(429, Retry_After="0"))
    proxy.fail("GET", "manifests/1", answer(503))
    another_home.call("pull", "-q", f"{proxy.host}/faulty/tool:1")
    proxy.fail("PATCH", "/uploads/", answer(500))
    home.call("push", "-q", "tool", f"{proxy.host}/another/tool:1")
