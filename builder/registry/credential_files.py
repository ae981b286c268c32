"""The files in which Docker and podman keep credentials, in the order they are asked.

    $REGISTRY_AUTH_FILE, or --authfile     alone, when it is given
    $XDG_RUNTIME_DIR/containers/auth.json, /run/containers/UID/auth.json
    $XDG_CONFIG_HOME/containers/auth.json  (~/.config)
    $DOCKER_CONFIG/config.json, ~/.docker/config.json
    ~/.dockercfg                           the format before that

In a file a program for the host (`credHelpers`) counts before entries of `auths`, and these before
a program for all (`credsStore`). podman's keys may go on with a path, `host/team`: the longest that
fits counts. Docker's may be URLs.
"""

from __future__ import annotations

import base64
import json
import os

from builder.dockerfile.record import Record
from builder.registry import credential_program
from builder.registry.credential_program import Credentials, MissingProgramError
from builder.registry.errors import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

HUB_KEY = "https://index.docker.io/v1/"
_HUB_HOSTS = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io"))
_LARGEST = 4 << 20


class CredentialFile(Record):
    """One of the places: its path, and whether it is of the oldest format."""

    path: str
    is_legacy: bool = False


def candidate_files(
    environ: Mapping[str, str], authfile: str | None = None
) -> list[CredentialFile]:
    """All places, the ones that count first; whether there is a file is another question."""
    if given := authfile or environ.get("REGISTRY_AUTH_FILE"):
        return [CredentialFile(given)]
    home = environ.get("HOME") or "/"
    runtime = environ.get("XDG_RUNTIME_DIR")
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    paths = [
        *([f"{runtime}/containers/auth.json"] if runtime else []),
        f"/run/containers/{os.geteuid()}/auth.json",
        f"{config}/containers/auth.json",
        docker_config(environ),
    ]
    return [*map(CredentialFile, dict.fromkeys(paths)), CredentialFile(f"{home}/.dockercfg", True)]


def docker_config(environ: Mapping[str, str]) -> str:
    """The file of the Docker client."""
    home = environ.get("HOME") or "/"
    return f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json"


def find_credentials(
    host: str,
    repository: str,
    environ: Mapping[str, str],
    authfile: str | None = None,
    warn: Callable[[str], None] | None = None,
) -> Credentials | None:
    """The credentials for a repository, None for an anonymous request.

    A program that is not installed is passed over, with a word to `warn`: what is asked for may be
    public. Raises CredentialsError.
    """
    for file in candidate_files(environ, authfile):
        document = read_file(file.path)
        if document is None:
            continue
        if file.is_legacy:
            document = {"auths": document}
        try:
            found = _in_file(document, host, repository, file.path, environ)
        except MissingProgramError as error:
            if warn is not None:
                warn(f"{file.path}: {error.message}")
            continue
        if found is not None:
            return found
    return None


def read_file(path: str) -> dict[str, Any] | None:
    """The JSON object of a file, None when there is no file. Raises CredentialsError."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(
            f"reading credentials in {path}: {error.strerror}", subject=path
        ) from None
    if not data.strip():
        return {}
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or len(data) > _LARGEST:
        raise CredentialsError(
            f"reading credentials in {path}: not a JSON object",
            subject=path,
            hint="mend or remove it, then log in again",
        )
    return document


def server_key(host: str) -> str:
    """What a host is called in these files and by the programs."""
    return HUB_KEY if host in _HUB_HOSTS else host


def program_for(document: Mapping[str, Any], host: str) -> str | None:
    """The program that a file names for this host alone."""
    programs = document.get("credHelpers")
    if not isinstance(programs, dict):
        return None
    for key in (server_key(host), host):
        name = programs.get(key)
        if isinstance(name, str) and name:
            return name
    return None


def program_for_all(document: Mapping[str, Any]) -> str | None:
    """The program that a file names for every host."""
    name = document.get("credsStore")
    return name if isinstance(name, str) and name else None


def matching_keys(document: Mapping[str, Any], host: str, repository: str) -> list[str]:
    """The keys of `auths` that are for a repository, the one that says most first."""
    auths = document.get("auths")
    if not isinstance(auths, dict):
        return []
    path = f"{host}/{repository}" if repository else host
    exact = []
    while path:
        exact.append(path)
        path = path.rpartition("/")[0]
    keys = [key for key in exact if key in auths]
    return keys + [key for key in auths if key not in keys and _is_url_of(key, host)]


def _is_url_of(key: str, host: str) -> bool:
    """Whether a key of Docker's kind, `https://host/v1/`, is for a host."""
    if "://" not in key and not key.startswith("index.docker.io/"):
        return host in _HUB_HOSTS and key in _HUB_HOSTS
    named = key.partition("://")[2] or key
    named = named.partition("/")[0]
    return named == host or (named in _HUB_HOSTS and host in _HUB_HOSTS)


def _in_file(
    document: Mapping[str, Any],
    host: str,
    repository: str,
    path: str,
    environ: Mapping[str, str],
) -> Credentials | None:
    if name := program_for(document, host):
        return credential_program.ask(name, server_key(host), environ)
    for key in matching_keys(document, host, repository):
        entry = document["auths"][key]
        found = _entry(entry, path, key) if isinstance(entry, dict) else None
        if found is not None:
            return found
    if name := program_for_all(document):
        return credential_program.ask(name, server_key(host), environ)
    return None


def _entry(entry: Mapping[str, Any], path: str, key: str) -> Credentials | None:
    """An entry of `auths`; Docker leaves empty ones where a program keeps the secret."""
    username, password = _text(entry, "username"), _text(entry, "password")
    if encoded := _text(entry, "auth"):
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except ValueError:
            decoded = ""
        username, colon, password = decoded.partition(":")
        # Docker pads the password with NUL bytes in some versions.
        password = password.strip("\0")
        if not colon:
            raise CredentialsError(
                f"reading credentials in {path}: auth of {key} is not base64 of NAME:PASSWORD",
                subject=path,
                hint=f"pyoci-builder login {key}",
            )
    token, ready = _text(entry, "identitytoken"), _text(entry, "registrytoken")
    if not (username or token or ready):
        return None
    return Credentials(username, password, token, ready, source=path)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
