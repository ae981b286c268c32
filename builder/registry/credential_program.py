"""Programs that keep credentials: `docker-credential-NAME get|store|erase`.

The registry's name, or a JSON object, goes to its standard input; JSON comes back. What they print
may hold secrets and is never shown, except for the line that says why one failed.
"""

from __future__ import annotations

import json
import subprocess

from builder.dockerfile.record import Record
from builder.registry.errors import CredentialsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "docker-credential-"
_NOT_FOUND = "credentials not found in native keychain"
_SECONDS = 60
_LARGEST = 1 << 20


class Credentials(Record):
    """What a registry is given to know who asks.

    Attributes:
        username, password: for basic authentication, "" for none.
        identity_token: exchanged for access tokens instead of a password.
        registry_token: an access token as it is.
        source: the file or program it comes from, for messages.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""
    source: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, source={self.source!r})"


class MissingProgramError(CredentialsError):
    """The program that a configuration names is not installed."""

    code = "credentials-program"


def ask(name: str, server: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that a program has for a server, None when it has none.

    Raises CredentialsError, MissingProgramError.
    """
    answer = _call(name, "get", server, environ)
    if answer is None:
        return None
    try:
        document = json.loads(answer)
        username, secret = str(document["Username"]), str(document["Secret"])
    except (ValueError, KeyError, TypeError):
        raise CredentialsError(
            f"asking {_PREFIX}{name} for {server}: its answer is not what the protocol says",
            subject=name,
        ) from None
    source = f"{_PREFIX}{name}"
    # "<token>" in place of a name marks an identity token.
    if username == "<token>":
        return Credentials(identity_token=secret, source=source)
    return Credentials(username, secret, source=source)


def store(name: str, server: str, credentials: Credentials, environ: Mapping[str, str]) -> None:
    """Let a program keep credentials. Raises CredentialsError."""
    document = {
        "ServerURL": server,
        "Username": "<token>" if credentials.identity_token else credentials.username,
        "Secret": credentials.identity_token or credentials.password,
    }
    _call(name, "store", json.dumps(document), environ)


def erase(name: str, server: str, environ: Mapping[str, str]) -> bool:
    """Let a program forget credentials; whether it had any. Raises CredentialsError."""
    if _call(name, "get", server, environ) is None:
        return False
    _call(name, "erase", server, environ)
    return True


def _call(name: str, verb: str, data: str, environ: Mapping[str, str]) -> str | None:
    program = f"{_PREFIX}{name}"
    if "/" in name or not name.isprintable():
        raise CredentialsError(f"running {program!r}: not the name of a program", subject=name)
    try:
        done = subprocess.run(
            [program, verb],
            input=data.encode(),
            capture_output=True,
            timeout=_SECONDS,
            env=dict(environ),
            check=False,
        )
    except FileNotFoundError:
        raise MissingProgramError(
            f"running {program} {verb}: not found in $PATH",
            subject=name,
            hint="install it, or take its name out of credsStore and credHelpers",
        ) from None
    except subprocess.TimeoutExpired:
        raise CredentialsError(
            f"running {program} {verb}: no answer within {_SECONDS} s", subject=name
        ) from None
    except OSError as error:
        raise CredentialsError(
            f"running {program} {verb}: {error.strerror}", subject=name
        ) from None
    output = done.stdout[:_LARGEST].decode("utf-8", "replace")
    if done.returncode == 0:
        return output
    # The protocol has failures on standard output; some programs use the other one.
    said = (output.strip() or done.stderr.decode("utf-8", "replace").strip()).splitlines()
    if said and _NOT_FOUND in said[0]:
        return None
    why = said[0][:200] if said and verb == "get" else f"exit status {done.returncode}"
    raise CredentialsError(f"running {program} {verb}: {why}", subject=name)
