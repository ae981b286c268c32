"""Credentials in all the places where Docker and podman keep them."""

from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from builder.registry.credential_changes import forget, remember
from builder.registry.credential_files import find_credentials
from builder.registry.credential_program import Credentials
from builder.registry.errors import CredentialsError

HUB = "https://index.docker.io/v1/"


def auth(name: str, password: str = "pw") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{password}".encode()).decode()}


class Home:
    def __init__(self, path) -> None:
        self.path = path
        self.environ = {"HOME": str(path), "PATH": f"{path}/bin:/usr/bin:/bin"}

    def write(self, name: str, document) -> str:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    def find(self, host: str, repository: str = "", **environ) -> str | None:
        found = find_credentials(host, repository, {**self.environ, **environ})
        return found.username if found else None

    def program(self, name: str, script: str) -> None:
        path = self.path / "bin" / f"docker-credential-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def keychain(self, name: str) -> None:
        """A program that keeps one answer in a file, by server."""
        self.program(
            name,
            f'f={self.path}/$(tail -1 | tr -c "a-z0-9" _); case $1 in\n'
            "get) cat $f 2>&- || { echo credentials not found in native keychain; exit 1; };;\n"
            "erase) rm $f;; esac",
        )


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def test_dockers_file_is_read(home) -> None:
    home.write(".docker/config.json", {"auths": {"ghcr.io": auth("me")}})
    assert home.find("ghcr.io", "o/x") == "me"
    assert home.find("quay.io", "o/x") is None


def test_docker_config_names_another_directory(home) -> None:
    home.write("elsewhere/config.json", {"auths": {"ghcr.io": auth("me")}})
    assert home.find("ghcr.io", DOCKER_CONFIG=str(home.path / "elsewhere")) == "me"


def test_podmans_files_come_before_dockers(home) -> None:
    home.write(".docker/config.json", {"auths": {"ghcr.io": auth("docker")}})
    assert home.find("ghcr.io") == "docker"
    home.write(".config/containers/auth.json", {"auths": {"ghcr.io": auth("config")}})
    assert home.find("ghcr.io") == "config"
    home.write("run/containers/auth.json", {"auths": {"ghcr.io": auth("runtime")}})
    assert home.find("ghcr.io", XDG_RUNTIME_DIR=str(home.path / "run")) == "runtime"
    home.write("xdg/containers/auth.json", {"auths": {"ghcr.io": auth("xdg")}})
    assert home.find("ghcr.io", XDG_CONFIG_HOME=str(home.path / "xdg")) == "xdg"


def test_a_named_file_counts_alone(home) -> None:
    home.write(".docker/config.json", {"auths": {"ghcr.io": auth("docker")}})
    only = home.write("only.json", {"auths": {"quay.io": auth("me")}})
    assert home.find("quay.io", REGISTRY_AUTH_FILE=only) == "me"
    assert home.find("ghcr.io", REGISTRY_AUTH_FILE=only) is None


def test_the_oldest_format_is_read(home) -> None:
    home.write(".dockercfg", {"https://ghcr.io/v1/": auth("old")})
    assert home.find("ghcr.io") == "old"


@pytest.mark.parametrize(
    "key", [HUB, "docker.io", "index.docker.io", "https://registry-1.docker.io"]
)
def test_docker_hub_has_many_names(home, key) -> None:
    home.write(".docker/config.json", {"auths": {key: auth("me")}})
    assert home.find("docker.io", "library/alpine") == "me"


def test_the_longest_path_counts(home) -> None:
    auths = {"h": auth("host"), "h/team": auth("team"), "h/team/x": auth("x")}
    home.write(".config/containers/auth.json", {"auths": auths})
    assert home.find("h", "team/x") == "x"
    assert home.find("h", "team/y/z") == "team"
    assert home.find("h", "teams/x") == "host"


def test_a_key_of_another_host_is_not_taken(home) -> None:
    auths = {"https://ghcr.io.evil.example/v1/": auth("evil"), "ghcr.io.evil": auth("evil")}
    home.write(".docker/config.json", {"auths": auths})
    assert home.find("ghcr.io") is None


def test_a_password_may_have_colons(home) -> None:
    home.write(".docker/config.json", {"auths": {"h": auth("me", "a:b:c")}})
    found = find_credentials("h", "", home.environ)
    assert found is not None
    assert found.password == "a:b:c"


def test_an_identity_token_is_found(home) -> None:
    entry = {"auth": base64.b64encode(b"00000000:").decode(), "identitytoken": "secret"}
    home.write(".docker/config.json", {"auths": {"h": entry}})
    found = find_credentials("h", "", home.environ)
    assert found is not None
    assert found.identity_token == "secret"


def test_a_program_for_the_host_counts_before_entries(home) -> None:
    home.program("one", 'read s; echo "{\\"Username\\":\\"$s\\",\\"Secret\\":\\"s\\"}"')
    document = {"auths": {"h": auth("entry")}, "credHelpers": {"h": "one"}}
    home.write(".docker/config.json", document)
    assert home.find("h") == "h"


def test_a_program_for_all_counts_after_entries(home) -> None:
    home.program("all", 'read s; echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"$s\\"}"')
    document = {"auths": {"h": auth("entry"), "i": {}}, "credsStore": "all"}
    home.write(".docker/config.json", document)
    assert home.find("h") == "entry"
    found = find_credentials("i", "", home.environ)
    assert found is not None
    assert found.identity_token == "i"
    hub = find_credentials("docker.io", "", home.environ)
    assert hub is not None
    assert hub.identity_token == HUB


def test_a_program_that_knows_nothing_is_no_error(home) -> None:
    home.keychain("chain")
    home.write(".docker/config.json", {"credsStore": "chain"})
    assert home.find("h") is None


def test_a_program_that_is_missing_is_passed_over_with_a_word(home) -> None:
    home.write(".docker/config.json", {"credsStore": "nowhere"})
    said: list[str] = []
    assert find_credentials("h", "", home.environ, warn=said.append) is None
    assert "docker-credential-nowhere get: not found in $PATH" in said[0]


def test_a_program_that_fails_is_an_error_with_its_words(home) -> None:
    home.program("broken", "echo the keychain is locked; exit 1")
    home.write(".docker/config.json", {"credsStore": "broken"})
    with pytest.raises(CredentialsError, match="the keychain is locked"):
        home.find("h")


def test_a_program_that_talks_nonsense_shows_none_of_it(home) -> None:
    home.program("odd", "echo secret-words")
    home.write(".docker/config.json", {"credsStore": "odd"})
    with pytest.raises(CredentialsError) as caught:
        home.find("h")
    assert "secret-words" not in str(caught.value)


def test_the_name_of_a_program_cannot_be_a_path(home) -> None:
    home.write(".docker/config.json", {"credsStore": "../../tmp/evil"})
    with pytest.raises(CredentialsError, match="not the name of a program"):
        home.find("h")


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "[" * 100000])
def test_a_damaged_file_is_named(home, text) -> None:
    path = home.write(".docker/config.json", text)
    with pytest.raises(CredentialsError, match=f"{path}: not a JSON object"):
        home.find("h")


def test_a_damaged_entry_is_named_without_its_content(home) -> None:
    home.write(".docker/config.json", {"auths": {"h": {"auth": "c2VjcmV0"}}})
    with pytest.raises(
        CredentialsError, match="auth of h is not base64 of NAME:PASSWORD"
    ) as caught:
        home.find("h")
    assert "secret" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_login_keeps_what_the_file_had(home) -> None:
    path = home.write(".docker/config.json", {"proxies": {"a": 1}, "auths": {"x": auth("x")}})
    assert remember("h:5000", Credentials("me", "pw"), home.environ) == path
    with open(path) as file:
        document = json.load(file)
    assert document == {"proxies": {"a": 1}, "auths": {"x": auth("x"), "h:5000": auth("me")}}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert home.find("h:5000") == "me"
    assert os.listdir(os.path.dirname(path)) == ["config.json"]


def test_login_to_docker_hub_uses_dockers_key(home) -> None:
    path = remember("docker.io", Credentials("me", "pw"), home.environ)
    with open(path) as file:
        assert json.load(file) == {"auths": {HUB: auth("me")}}


def test_login_gives_the_secret_to_the_program_and_not_to_the_file(home) -> None:
    home.program("chain", f"cat > {home.path}/given-$1")
    path = home.write(".docker/config.json", {"credsStore": "chain"})
    assert remember("h", Credentials("me", "pw"), home.environ) == "docker-credential-chain"
    assert json.loads((home.path / "given-store").read_text()) == {
        "ServerURL": "h",
        "Username": "me",
        "Secret": "pw",
    }
    with open(path) as file:
        assert json.load(file) == {"credsStore": "chain", "auths": {"h": {}}}


def test_a_linked_file_stays_a_link(home) -> None:
    home.write("dotfiles/config.json", {})
    (home.path / ".docker").mkdir()
    os.symlink("../dotfiles/config.json", home.path / ".docker/config.json")
    remember("h", Credentials("me", "pw"), home.environ)
    assert os.path.islink(home.path / ".docker/config.json")
    assert home.find("h") == "me"


def test_logout_forgets_in_every_place(home) -> None:
    auths = {"h": auth("me"), "i": auth("i")}
    docker = home.write(".docker/config.json", {"auths": auths})
    podman = home.write(".config/containers/auth.json", {"auths": auths})
    assert forget("h", home.environ) == [podman, docker]
    assert home.find("h") is None
    assert home.find("i") == "i"
    assert forget("h", home.environ) == []


def test_logout_asks_the_program_too(home) -> None:
    home.keychain("chain")
    home.write("h", '{"Username":"me","Secret":"pw"}')
    home.write(".docker/config.json", {"credsStore": "chain", "auths": {"h": {}}})
    assert home.find("h") == "me"
    assert forget("h", home.environ) == ["docker-credential-chain"]
    assert home.find("h") is None


def test_credentials_do_not_show_secrets() -> None:
    shown = repr(Credentials("me", "hunter2", "token", "ready"))
    assert not any(secret in shown for secret in ("hunter2", "token=", "ready"))
