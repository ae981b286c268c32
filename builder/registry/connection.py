"""Requests to one registry: authenticated, retried, redirected with care.

What is sure for every request, so that nobody above has to think of it:

* TLS, except to this machine's loopback or when the caller wants it plain;
* `Authorization` goes to the registry's own origin only, whatever it redirects to;
* 429 and passing failures are tried again, after Retry-After where it is given;
* an answer that was not expected becomes one line that has the registry's own words.
"""

from __future__ import annotations

import threading

from builder.registry.authentication import Authentication, Scope
from builder.registry.certificates import tls_context
from builder.registry.credential_files import find_credentials
from builder.registry.errors import AuthenticationError, RegistryError, UnreachableError
from builder.registry.hosts import check_target, is_loopback, origin, shown
from builder.registry.refusals import refusal, told_warnings
from builder.registry.retries import LONGEST_TOLD, PASSING, own_delay, told_delay, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from http.cookiejar import CookiePolicy
    from typing import Self

    import httpx

    from builder.registry.credential_program import Credentials
    from builder.registry.options import Options

_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 15.0
_MOST_REDIRECTS = 6
_MOST_LOGINS = 2
_LARGEST_REFUSAL = 64 << 10
REDIRECTS = frozenset((301, 302, 303, 307, 308))


class Connection:
    """One registry. A context manager; safe to share between threads."""

    def __init__(self, host: str, api_host: str, options: Options) -> None:
        """Connect to nothing yet.

        Args:
            host: as credentials and certificates are kept for it, and as messages call it.
            api_host: the host to connect to.
            options: of the command.
        """
        self.host = host
        self.options = options
        self._api_host = api_host
        self._plain_allowed = options.plain_http or is_loopback(api_host)
        self._base: httpx.URL | None = None
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._opened: httpx.Client | None = None
        self._authentication = Authentication(
            host, self._credentials, self._send_to_token_server, plain_allowed=self._plain_allowed
        )

    def url(self, path: str) -> httpx.URL:
        """The address of a path below `/v2/`. Raises UnreachableError."""
        return self._found_base().join(f"/v2/{path}")

    def request(
        self,
        method: str,
        url: httpx.URL,
        doing: str,
        *,
        scopes: Sequence[Scope],
        expected: Collection[int],
        headers: Mapping[str, str] | None = None,
        content: bytes | Callable[[], Iterator[bytes]] | None = None,
        attempts: int = 0,
    ) -> httpx.Response:
        """Make a request; gives the answer with its body unread: the caller closes it.

        Args:
            method: of HTTP.
            url: from `url`, or a Location of an earlier answer.
            doing: for messages, like "pulling host/name:tag".
            scopes: what it needs.
            expected: the statuses that are no failure.
            headers: further ones.
            content: the body, or what gives it anew for every attempt.
            attempts: how often it is tried, 0 for the usual number.

        Raises:
            AuthenticationError: wrong credentials, or none where some are needed.
            UnreachableError: no answer.
            RegistryError: another status than expected.
        """
        most = attempts or self.options.attempts
        attempt = logins = 0
        while True:
            attempt += 1
            self.options.check()
            used = self._authentication.header(scopes) if self._is_own(url) else None
            try:
                answer = self._follow(method, url, headers or {}, content, used)
            except UnreachableError as error:
                if attempt >= most or error.is_final:
                    raise self._unreachable(doing, error, attempt) from None
                wait(own_delay(attempt), self.options)
                continue
            self._warn(answer)
            if answer.status_code in expected:
                return answer
            if answer.status_code == 401 and self._is_own(answer.request.url):
                answer.close()
                logins += 1
                attempt -= 1
                if logins <= _MOST_LOGINS and self._authentication.challenged(answer, scopes, used):
                    continue
                raise self._unauthorized(doing, used is not None)
            delay = told_delay(answer)
            is_passing = answer.status_code in PASSING and (delay or 0) <= LONGEST_TOLD
            if not is_passing or attempt >= most:
                raise self._refused(doing, answer)
            answer.close()
            wait(own_delay(attempt) if delay is None else delay, self.options)

    def target(self, answer: httpx.Response, doing: str) -> httpx.URL:
        """The Location of an answer: where to go on. Raises RegistryError."""
        location = answer.headers.get("Location")
        if not location:
            raise RegistryError(f"{doing}: the registry's answer has no Location")
        return self.target_of(answer.request.url, location)

    def target_of(self, url: httpx.URL, location: str) -> httpx.URL:
        """Where a reference in the answer from a URL leads. Raises RegistryError."""
        import httpx

        try:
            target = url.join(location)
        except httpx.InvalidURL:
            raise RegistryError(f"registry {self.host}: its Location is no URL") from None
        check_target(target, self._found_base(), plain_allowed=self._plain_allowed)
        return target

    def close(self) -> None:
        """Close what is open. Safe to repeat."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Private.

    def _client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._opened is None:
                options = self.options
                self._opened = httpx.Client(
                    verify=tls_context(
                        self.host, options.environ, options.cert_dir, verify=options.tls_verify
                    ),
                    timeout=httpx.Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT),
                    limits=httpx.Limits(max_connections=options.jobs + 4),
                    headers={"User-Agent": "pyoci-builder", "Accept-Encoding": "identity"},
                    follow_redirects=False,
                )
                # A cookie of one host must not tell another one who asks.
                self._opened.cookies.jar.set_policy(_no_cookies())
            return self._opened

    def _found_base(self) -> httpx.URL:
        """Where the registry is: on loopback a server without TLS will do."""
        import httpx

        if self._base is not None:
            return self._base
        scheme = "http" if self.options.plain_http else "https"
        base = httpx.URL(f"{scheme}://{self._api_host}/v2/")
        if scheme == "https" and self._plain_allowed:
            client = self._client()
            try:
                client.send(client.build_request("GET", base), stream=True).close()
            except httpx.TransportError as error:
                if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                    base = base.copy_with(scheme="http")
        self._base = base
        return base

    def _is_own(self, url: httpx.URL) -> bool:
        return origin(url) == origin(self._found_base())

    def _credentials(self, repository: str) -> Credentials | None:
        options = self.options
        if options.credentials is not None:
            return options.credentials
        return find_credentials(
            self.host, repository, options.environ, options.authfile, options.warn
        )

    def _follow(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        content: bytes | Callable[[], Iterator[bytes]] | None,
        authorization: str | None,
    ) -> httpx.Response:
        """Send, and go where GET and HEAD are redirected to."""
        for _ in range(_MOST_REDIRECTS):
            sent = dict(headers)
            if authorization is not None and self._is_own(url):
                sent["Authorization"] = authorization
            body = content() if callable(content) else content
            answer = self._send(method, url, sent, body)
            location = answer.headers.get("Location")
            if answer.status_code not in REDIRECTS or not location:
                return answer
            if method not in ("GET", "HEAD"):
                return answer
            answer.close()
            url = self.target_of(url, location)
        raise RegistryError(
            f"registry {self.host}: more than {_MOST_REDIRECTS} redirections", subject=self.host
        )

    def _send(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        content: bytes | Iterator[bytes] | None,
    ) -> httpx.Response:
        import httpx

        client = self._client()
        request = client.build_request(method, url, headers=dict(headers), content=content)
        try:
            return client.send(request, stream=True)
        except httpx.TransportError as error:
            raise _unreachable(error) from None

    def _send_to_token_server(self, request: httpx.Request) -> httpx.Response:
        """For tokens: with a whole body, tried again like everything else, never redirected."""
        import httpx

        attempt = 0
        doing = f"logging in to {self.host} at {shown(request.url)}"
        while True:
            attempt += 1
            try:
                client = self._client()
                request.headers.setdefault("User-Agent", "pyoci-builder")
                answer = client.send(request, stream=True)
                answer.read()
            except httpx.TransportError as error:
                unreachable = _unreachable(error)
                if attempt >= self.options.attempts or unreachable.is_final:
                    raise self._unreachable(doing, unreachable, attempt) from None
                wait(own_delay(attempt), self.options)
                continue
            delay = told_delay(answer)
            passing = answer.status_code in PASSING and (delay or 0) <= LONGEST_TOLD
            if not passing or attempt >= self.options.attempts:
                return answer
            wait(own_delay(attempt) if delay is None else delay, self.options)

    def _warn(self, answer: httpx.Response) -> None:
        warn = self.options.warn
        if warn is None:
            return
        for text in told_warnings(answer):
            if text not in self._warned:
                self._warned.add(text)
                warn(f"registry {self.host} says: {text}")

    def _refused(self, doing: str, answer: httpx.Response) -> RegistryError:
        import httpx

        try:
            body = b""
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > _LARGEST_REFUSAL:
                    break
        except httpx.HTTPError:
            body = b""
        finally:
            answer.close()
        return refusal(doing, answer, body)

    def _unauthorized(self, doing: str, had_credentials: bool) -> AuthenticationError:
        why = "not allowed" if had_credentials else "the registry wants to know who asks"
        return AuthenticationError(
            f"{doing}: {why} (401)",
            status=401,
            subject=self.host,
            hint=f"there may be no such image; if there is: pyoci-builder login {self.host}",
        )

    def _unreachable(self, doing: str, error: UnreachableError, attempts: int) -> UnreachableError:
        tried = f", tried {attempts} times" if attempts > 1 else ""
        return UnreachableError(
            f"{doing}: {error.message}{tried}", subject=self.host, hint=error.hint
        )


def _no_cookies() -> CookiePolicy:
    from http.cookiejar import DefaultCookiePolicy

    return DefaultCookiePolicy(allowed_domains=[])


_FINAL = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "Name or service not known")


def _unreachable(error: httpx.TransportError) -> UnreachableError:
    unreachable = UnreachableError(_why(error), hint=_hint(error))
    unreachable.is_final = any(text in str(error) for text in _FINAL)
    return unreachable


def _why(error: httpx.TransportError) -> str:
    """What the network says, without Python's numbers."""
    text = str(error).strip() or type(error).__name__
    text = text.partition("] ")[2] or text if text.startswith("[Errno") else text
    return text.splitlines()[0][:300]


def _hint(error: httpx.TransportError) -> str | None:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "put its authority's certificate into /etc/containers/certs.d/HOST/ca.crt"
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER" in text:
        return "it seems to speak without TLS: --plain-http allows it"
    if "Name or service not known" in text or "resolution" in text:
        return "is there a network, and is the host's name right?"
    return None
