"""`login` and `logout`: credentials put into a file, or given to the program that the file names.

The file keeps everything else that stands in it, is readable by its owner alone, and is replaced as
a whole.
"""

from __future__ import annotations

import base64
import json
import os

from builder.registry import credential_program
from builder.registry.credential_files import (
    candidate_files,
    docker_config,
    matching_keys,
    program_for,
    program_for_all,
    read_file,
    server_key,
)
from builder.registry.errors import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.registry.credential_program import Credentials


def remember(
    host: str, credentials: Credentials, environ: Mapping[str, str], authfile: str | None = None
) -> str:
    """Keep credentials for a host; gives the file or the program that has them now.

    Raises CredentialsError.
    """
    path = authfile or environ.get("REGISTRY_AUTH_FILE") or docker_config(environ)
    document = read_file(path) or {}
    auths = document.setdefault("auths", {})
    if not isinstance(auths, dict):
        raise CredentialsError(f"writing credentials to {path}: auths is no object", subject=path)
    key = server_key(host)
    if name := program_for(document, host) or program_for_all(document):
        credential_program.store(name, key, credentials, environ)
        # The empty entry is how the Docker client knows which hosts are logged in to.
        auths[key] = {}
        _write(path, document)
        return f"docker-credential-{name}"
    pair = f"{credentials.username}:{credentials.password}"
    entry = {"auth": base64.b64encode(pair.encode()).decode()}
    if credentials.identity_token:
        entry = {
            "auth": base64.b64encode(f"{credentials.username or '<token>'}:".encode()).decode(),
            "identitytoken": credentials.identity_token,
        }
    auths[key] = entry
    _write(path, document)
    return path


def forget(host: str, environ: Mapping[str, str], authfile: str | None = None) -> list[str]:
    """Remove a host's credentials from every place; gives the places that had some.

    Raises CredentialsError.
    """
    places = []
    for file in candidate_files(environ, authfile):
        document = read_file(file.path)
        if document is None:
            continue
        for name in (program_for(document, host), program_for_all(document)):
            if name and _erased(name, host, environ):
                places.append(f"docker-credential-{name}")
        auths = document if file.is_legacy else document.get("auths")
        keys = matching_keys({"auths": auths}, host, "")
        if not isinstance(auths, dict) or not keys:
            continue
        had_secret = any(auths[key] for key in keys)
        for key in keys:
            del auths[key]
        _write(file.path, document)
        if had_secret:
            places.append(file.path)
    return places


def _erased(name: str, host: str, environ: Mapping[str, str]) -> bool:
    try:
        return credential_program.erase(name, server_key(host), environ)
    except credential_program.MissingProgramError:
        return False


def _write(path: str, document: dict[str, Any]) -> None:
    # A link to a file elsewhere (dotfiles under version control) stays one.
    real = os.path.realpath(path)
    fresh = f"{real}.{os.urandom(6).hex()}"
    try:
        os.makedirs(os.path.dirname(real), mode=0o700, exist_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(document, file, indent="\t")
                file.write("\n")
            os.rename(fresh, real)
        except BaseException:
            os.unlink(fresh)
            raise
    except OSError as error:
        raise CredentialsError(
            f"writing credentials to {path}: {error.strerror}", subject=path
        ) from None
