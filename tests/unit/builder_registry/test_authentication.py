"""Who asks, and who is told: tokens, basic authentication, and no secret to anybody else."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest

from builder.digest import Digest
from builder.layout import Layout
from builder.registry.challenge import Challenge, parse_challenges
from builder.registry.credential_program import Credentials
from builder.registry.errors import AuthenticationError, RegistryError
from builder.registry.pull import pull
from builder.registry.push import push

ME = Credentials("me", "hunter2", source="the test")
BASIC = "Basic " + base64.b64encode(b"me:hunter2").decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic", [Challenge("basic", {})]),
        ('Basic realm="a, b"', [Challenge("basic", {"realm": "a, b"})]),
        (
            'Bearer realm="https://a/t",service=s, scope="repository:x:pull,push"',
            [
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"},
                )
            ],
        ),
        (
            'Negotiate, Basic realm="a\\"b", Bearer realm=x',
            [
                Challenge("negotiate", {}),
                Challenge("basic", {"realm": 'a"b'}),
                Challenge("bearer", {"realm": "x"}),
            ],
        ),
        ("", []),
        ('realm="x"', []),
        ("\x00", []),
    ],
)
def test_challenges_are_read(header, found) -> None:
    assert parse_challenges(header) == found


class TokenServer:
    """Makes the fake want tokens, which it makes itself at /token."""

    def __init__(self, fake) -> None:
        self.fake = fake
        self.asked: list[dict[str, list[str]]] = []
        self.known = True
        self.valid: set[str] = set()
        fake.authorize = self.authorize

    def authorize(self, handler) -> bool:
        parts = urllib.parse.urlsplit(handler.path)
        given = handler.headers.get("Authorization")
        if parts.path == "/token":
            query = parts.query if handler.command == "GET" else handler.body.decode()
            self.asked.append({**urllib.parse.parse_qs(query), "auth": [given or ""]})
            if not self.known:
                handler.answer(401)
                return False
            token = f"t{len(self.asked)}"
            self.valid.add(token)
            member = "token" if handler.command == "GET" else "access_token"
            handler.answer(200, json.dumps({member: token}).encode())
            return False
        if given and given.removeprefix("Bearer ") in self.valid:
            return True
        realm = f"http://{self.fake.host}/token"
        scope = "repository:team/tool:pull"
        challenge = f'Bearer realm="{realm}",service="the fake",scope="{scope}"'
        handler.refuse(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
        return False


@pytest.fixture
def tokens(fake) -> TokenServer:
    return TokenServer(fake)


def test_a_token_is_fetched_once_for_all_requests(
    tokens, fake, make_image, open_repository, layout, display
) -> None:
    image = make_image(layout, b"one", b"two", b"three")
    push(layout, image, open_repository(credentials=ME), ["1"], display)
    assert tokens.asked == [
        {
            "service": ["the fake"],
            "scope": ["repository:team/tool:pull,push"],
            "account": ["me"],
            "auth": [BASIC],
        }
    ]


def test_without_credentials_an_anonymous_token_is_asked_for(tokens, fake, open_repository) -> None:
    assert open_repository(push=False).manifest("1") is None
    assert tokens.asked[0]["auth"] == [""]
    assert tokens.asked[0]["scope"] == ["repository:team/tool:pull"]


def test_a_token_that_ended_early_is_replaced(tokens, fake, open_repository) -> None:
    repository = open_repository(credentials=ME)
    repository.manifest("1")
    tokens.valid.clear()
    repository.manifest("1")
    assert len(tokens.asked) == 2


def test_an_identity_token_is_exchanged(tokens, fake, open_repository) -> None:
    known = Credentials(identity_token="refresh me", source="the test")
    open_repository(credentials=known).manifest("1")
    (asked,) = tokens.asked
    assert asked["grant_type"] == ["refresh_token"]
    assert asked["refresh_token"] == ["refresh me"]
    assert asked["auth"] == [""]


def test_a_mount_asks_for_both_repositories(
    tokens, fake, make_image, open_repository, layout, display
) -> None:
    fake.put_blob("other/base", b"one")
    image = make_image(layout, b"one")
    push(layout, image, open_repository(credentials=ME), ["1"], display, lambda _: ["other/base"])
    scopes = ["repository:team/tool:pull,push", "repository:other/base:pull"]
    assert scopes in [asked["scope"] for asked in tokens.asked]


def test_wrong_credentials_are_told_with_where_they_come_from(
    tokens, fake, open_repository
) -> None:
    tokens.known = False
    with pytest.raises(AuthenticationError, match="refuses the credentials of the test") as caught:
        open_repository(credentials=ME).manifest("1")
    assert f"pyoci-builder login {fake.host}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_registry_that_refuses_its_own_tokens_ends(tokens, fake, open_repository) -> None:
    tokens.valid = frozenset()  # type: ignore[assignment]

    def forgetful(handler) -> bool:
        if handler.path.startswith("/token"):
            handler.answer(200, b'{"token": "t"}')
        else:
            realm = f"http://{fake.host}/token"
            handler.refuse(401, WWW_Authenticate=f'Bearer realm="{realm}"')
        return False

    fake.authorize = forgetful
    with pytest.raises(AuthenticationError, match=r"\(401\)"):
        open_repository(credentials=ME).manifest("1")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 1}', b'{"token": "a\\nb"}'])
def test_an_answer_without_token_is_an_error(fake, open_repository, body) -> None:
    def odd(handler) -> bool:
        if handler.path.startswith("/token"):
            handler.answer(200, body)
        else:
            realm = f"http://{fake.host}/token"
            handler.refuse(401, WWW_Authenticate=f'Bearer realm="{realm}"')
        return False

    fake.authorize = odd
    with pytest.raises(RegistryError, match="gives no token"):
        open_repository(credentials=ME).manifest("1")


def test_basic_authentication_is_not_sent_unasked(fake, open_repository) -> None:
    def basic(handler) -> bool:
        if handler.headers.get("Authorization") == BASIC:
            return True
        handler.refuse(401, WWW_Authenticate='Basic realm="x"')
        return False

    fake.authorize = basic
    open_repository(credentials=ME).manifest("1")
    sent = [headers.get("Authorization") for headers in fake.asked("GET", "manifests/1")]
    assert sent == [None, BASIC]


def test_a_redirect_to_another_host_gets_no_credentials(
    fake, make_image, open_repository, layout, display, tmp_path
) -> None:
    other = type(fake)()
    try:
        other.put_blob("cdn", b"one")

        def basic(handler) -> bool:
            if handler.headers.get("Authorization") == BASIC:
                return True
            handler.refuse(401, WWW_Authenticate='Basic realm="x"')
            return False

        push(layout, make_image(layout, b"one"), open_repository(), ["1"], display)
        fake.authorize = basic
        place = f"http://{other.host}/v2/cdn/blobs/{Digest.of(b'one')}?signature=secret"
        fake.fail("GET", f"blobs/{Digest.of(b'one')}", lambda h: h.answer(307, Location=place))
        target = Layout.create(str(tmp_path / "target"))
        pull(open_repository(credentials=ME), "1", target, display)
        (headers,) = other.asked("GET", "/cdn/")
        assert "Authorization" not in headers
        assert target.has(Digest.of(b"one"))
    finally:
        other.close()


def test_a_redirect_without_end_is_an_error(fake, open_repository) -> None:
    again = f"http://{fake.host}/v2/team/tool/manifests/1"
    fake.fail("GET", "manifests/1", lambda h: h.answer(307, Location=again), times=99)
    with pytest.raises(RegistryError, match="redirections"):
        open_repository().manifest("1")
