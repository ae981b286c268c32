"""Names of images as Docker reads them, and hosts that need no TLS."""

from __future__ import annotations

import httpx
import pytest

from builder.errors import InvalidReferenceError
from builder.registry.errors import RegistryError
from builder.registry.hosts import check_target, is_loopback, shown
from builder.registry.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("alpine", "docker.io", "library/alpine", "latest", None),
        ("me/tool:2", "docker.io", "me/tool", "2", None),
        ("index.docker.io/alpine", "docker.io", "library/alpine", "latest", None),
        ("localhost/x", "localhost", "x", "latest", None),
        ("localhost:5000/a/b/c:1.0", "localhost:5000", "a/b/c", "1.0", None),
        ("[::1]:5000/x", "[::1]:5000", "x", "latest", None),
        (f"ghcr.io/o/x@{DIGEST}", "ghcr.io", "o/x", None, DIGEST),
        (f"docker://ghcr.io/o/x:1@{DIGEST}", "ghcr.io", "o/x", "1", DIGEST),
    ],
)
def test_a_name_is_taken_apart(text, host, repository, tag, digest) -> None:
    assert Reference.parse(text) == Reference(host, repository, tag, digest)


def test_docker_hub_answers_at_another_host() -> None:
    assert Reference.parse("alpine").api_host == "registry-1.docker.io"
    assert Reference.parse("ghcr.io/o/x").api_host == "ghcr.io"


def test_a_digest_counts_more_than_the_tag_beside_it() -> None:
    reference = Reference.parse(f"ghcr.io/o/x:1@{DIGEST}")
    assert reference.selector == DIGEST
    assert reference.stored_name == f"ghcr.io/o/x@{DIGEST}"
    assert str(reference) == f"ghcr.io/o/x:1@{DIGEST}"


@pytest.mark.parametrize("text", ["", "me/UPPER", "a b", "x@sha256:short", "x@md5:" + "a" * 32])
def test_what_is_no_name_is_refused(text) -> None:
    with pytest.raises(InvalidReferenceError):
        Reference.parse(text)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5"]
)
def test_this_machine_is_known_by_its_names(host) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "127.0.0.1.example:1", "10.0.0.1", "x"])
def test_other_machines_are_not_taken_for_this_one(host) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "target",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "https://127.0.0.1:8080/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0.0.0.0/x",
        "http://cdn.example/x",
        "ftp://cdn.example/x",
        "file:///etc/passwd",
    ],
)
def test_a_registry_may_not_lead_here(target) -> None:
    registry = httpx.URL("https://registry.example/v2/")
    with pytest.raises(RegistryError, match=r"registry\.example leads to"):
        check_target(httpx.URL(target), registry, plain_allowed=False)


def test_a_registry_may_lead_to_another_host() -> None:
    registry = httpx.URL("https://registry.example/v2/")
    check_target(httpx.URL("https://cdn.example/x?sig=1"), registry, plain_allowed=False)
    local = httpx.URL("http://127.0.0.1:5000/v2/")
    check_target(httpx.URL("http://127.0.0.1:5001/token"), local, plain_allowed=True)


def test_queries_and_passwords_are_not_shown() -> None:
    assert shown(httpx.URL("https://u:secret@h:1/p?token=secret")) == "https://h:1/p"
