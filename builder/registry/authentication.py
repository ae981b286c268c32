"""Who asks: basic authentication, and tokens of a token server (distribution's token protocol).

    request ──▶ 401, WWW-Authenticate: Bearer realm=…,service=…,scope=…
    GET realm?service=…&scope=…   with name and password, or anonymous   ──▶ {"token": …}
    POST realm grant_type=refresh_token …   with an identity token       ──▶ {"access_token": …}
    request, Authorization: Bearer …

Credentials are looked up only when a registry asks for some. They go to the registry itself and to
the token server it names over TLS, to nobody else. Every name space of a registry has its tokens,
which are asked for again when they are about to expire.
"""

from __future__ import annotations

import base64
import json
import threading
import time

from builder.dockerfile.record import Record
from builder.registry.challenge import parse_challenges
from builder.registry.errors import AuthenticationError, RegistryError
from builder.registry.hosts import check_target, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import httpx

    from builder.registry.challenge import Challenge
    from builder.registry.credential_program import Credentials

_CLIENT = "pyoci-builder"
_LARGEST_ANSWER = 1 << 20
_LIFETIME = 60
_MARGIN = 10


class Scope(Record):
    """What a request does, to which repository: `pull`, or `pull,push`."""

    repository: str
    actions: str = "pull"

    def __str__(self) -> str:
        return f"repository:{self.repository}:{self.actions}"


class _Token(Record):
    text: str
    expires: float


class Authentication:
    """The Authorization headers for one registry. Safe to share between threads."""

    def __init__(
        self,
        host: str,
        credentials: Callable[[str], Credentials | None],
        send: Callable[[httpx.Request], httpx.Response],
        *,
        plain_allowed: bool,
    ) -> None:
        """Know nobody yet.

        Args:
            host: for messages.
            credentials: looks up what is known for a repository.
            send: makes a request to a token server.
            plain_allowed: whether a token server may be without TLS.
        """
        self._host = host
        self._credentials = credentials
        self._send = send
        self._plain_allowed = plain_allowed
        self._lock = threading.Lock()
        self._basic: dict[str, str] = {}
        self._bearer: Challenge | None = None
        self._realm_base: httpx.URL | None = None
        self._tokens: dict[tuple[str, ...], _Token] = {}

    def header(self, scopes: Sequence[Scope]) -> str | None:
        """The header for a request, None while the registry has not asked for one."""
        key = _key(scopes)
        with self._lock:
            if self._bearer is not None:
                token = self._tokens.get(key)
                if token is None or token.expires <= time.monotonic():
                    token = self._fetch(key, scopes)
                return f"Bearer {token.text}"
            return self._basic.get(_repository(scopes))

    def challenged(self, answer: httpx.Response, scopes: Sequence[Scope], used: str | None) -> bool:
        """Take in a 401; whether there is something new to try. `used` is the header it had.

        Raises AuthenticationError when there is not, RegistryError.
        """
        challenges = parse_challenges(", ".join(answer.headers.get_list("WWW-Authenticate")))
        with self._lock:
            for challenge in challenges:
                if challenge.scheme == "bearer":
                    return self._challenged_bearer(challenge, answer.request.url, scopes, used)
            if any(challenge.scheme == "basic" for challenge in challenges):
                return self._challenged_basic(scopes, used)
        return False

    def _challenged_basic(self, scopes: Sequence[Scope], used: str | None) -> bool:
        repository = _repository(scopes)
        if used is not None:
            return self._basic.get(repository) not in (None, used)
        known = self._credentials(repository)
        if known is None or not known.username:
            return False
        self._basic[repository] = _basic(known)
        return True

    def _challenged_bearer(
        self, challenge: Challenge, base: httpx.URL, scopes: Sequence[Scope], used: str | None
    ) -> bool:
        self._bearer, self._realm_base = challenge, base
        key = _key(scopes)
        known = self._tokens.get(key)
        # A token may end earlier than it said. The caller sees to it that this ends.
        if known is not None and used == f"Bearer {known.text}":
            del self._tokens[key]
        return True

    def _fetch(self, key: tuple[str, ...], scopes: Sequence[Scope]) -> _Token:
        assert self._bearer is not None
        known = self._credentials(_repository(scopes))
        if known is not None and known.registry_token:
            token = _Token(known.registry_token, time.monotonic() + 86400)
        else:
            answer = self._send(self._request(known, key))
            token = self._read(answer, known)
        self._tokens[key] = token
        return token

    def _request(self, known: Credentials | None, scopes: tuple[str, ...]) -> httpx.Request:
        import httpx

        assert self._bearer is not None
        assert self._realm_base is not None
        parameters = self._bearer.parameters
        try:
            realm = self._realm_base.join(parameters.get("realm", ""))
        except httpx.InvalidURL:
            raise RegistryError(f"logging in to {self._host}: its realm is no URL") from None
        check_target(realm, self._realm_base, plain_allowed=self._plain_allowed)
        # What is needed, and what the registry says is needed (a mount, say, needs two).
        wanted = list(dict.fromkeys([*scopes, *parameters.get("scope", "").split()]))
        if scopes:
            wanted = [
                s for s in wanted if s in scopes or s.rpartition(":")[0] not in _names(scopes)
            ]
        pairs = [("service", parameters["service"])] if parameters.get("service") else []
        if known is not None and known.identity_token:
            form = {
                "grant_type": "refresh_token",
                "client_id": _CLIENT,
                "refresh_token": known.identity_token,
                "scope": " ".join(wanted),
                **dict(pairs),
            }
            return httpx.Request("POST", realm, data=form)
        pairs += [("scope", scope) for scope in wanted]
        headers = {}
        if known is not None and known.username:
            pairs.append(("account", known.username))
            headers["Authorization"] = _basic(known)
        for name, value in pairs:
            realm = realm.copy_add_param(name, value)
        return httpx.Request("GET", realm, headers=headers)

    def _read(self, answer: httpx.Response, known: Credentials | None) -> _Token:
        where = shown(answer.request.url)
        if answer.status_code != 200:
            raise self._refused(answer.status_code, known, where)
        try:
            if len(answer.content) > _LARGEST_ANSWER:
                raise ValueError
            document: Any = json.loads(answer.content)
            text = document.get("token") or document.get("access_token")
            lifetime = document.get("expires_in") or _LIFETIME
            if not isinstance(text, str) or not text.isascii() or not text.isprintable():
                raise ValueError
            lifetime = min(max(float(lifetime), _LIFETIME), 86400.0)
        except (ValueError, AttributeError, TypeError):
            raise RegistryError(
                f"logging in to {self._host}: {where} gives no token", subject=self._host
            ) from None
        return _Token(text, time.monotonic() + lifetime - _MARGIN)

    def _refused(self, status: int, known: Credentials | None, where: str) -> RegistryError:
        if status in (400, 401, 403):
            whose = f"the credentials of {known.source}" if known else "an anonymous request"
            return AuthenticationError(
                f"logging in to {self._host}: {where} refuses {whose} ({status})",
                status=status,
                subject=self._host,
                hint=f"pyoci-builder login {self._host}",
            )
        return RegistryError(
            f"logging in to {self._host}: {where} answers {status}",
            status=status,
            subject=self._host,
        )


def _key(scopes: Sequence[Scope]) -> tuple[str, ...]:
    return tuple(str(scope) for scope in scopes)


def _names(scopes: tuple[str, ...]) -> set[str]:
    return {scope.rpartition(":")[0] for scope in scopes}


def _repository(scopes: Sequence[Scope]) -> str:
    return next((scope.repository for scope in scopes), "")


def _basic(known: Credentials) -> str:
    pair = f"{known.username}:{known.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
