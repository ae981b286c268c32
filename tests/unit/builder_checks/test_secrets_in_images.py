"""A build whose secret is in its image fails, and never shows the secret."""

from __future__ import annotations

import base64

import pytest

from builder.checks import SecretLeakError, refuse_secrets

SECRET = b"correct-horse-battery"


def search(image, secret=SECRET):
    refuse_secrets(image, image.stack, {"token": secret})


def test_an_image_without_the_secret_passes(image):
    search(image({"a": b"something else"}, Env=["A=b"]))


@pytest.mark.parametrize(
    "files",
    [
        {"root/.netrc": b"password " + SECRET + b"\n"},
        {"big": bytes((1 << 20) - 10) + SECRET + bytes(100)},
        {SECRET.decode(): b""},
        {"link": SECRET.decode()},
        {"auth": base64.b64encode(SECRET)},
    ],
    ids=["content", "across chunks", "name", "link", "base64"],
)
def test_the_secret_in_a_layer_is_found(image, files):
    with pytest.raises(SecretLeakError) as caught:
        search(image(files))
    assert SECRET.decode() not in caught.value.message.replace(ascii(SECRET.decode()), "")
    assert caught.value.subject == "token"


@pytest.mark.parametrize(
    "config",
    [
        {"Env": [f"TOKEN={SECRET.decode()}"]},
        {"Cmd": ["sh", "-c", f"curl -H {SECRET.decode()}"]},
        {"Labels": {"x": base64.b64encode(SECRET).decode()}},
    ],
)
def test_the_secret_in_the_configuration_is_found(image, config):
    with pytest.raises(SecretLeakError, match="configuration or history"):
        search(image({}, **config))


def test_the_secret_in_the_history_is_found(image):
    with pytest.raises(SecretLeakError, match="history"):
        search(image({"a": b""}, history=[f"RUN curl -u me:{SECRET.decode()}"]))


def test_a_secret_with_quotes_is_found_as_json_writes_it(image):
    with pytest.raises(SecretLeakError):
        search(image({}, Env=['A=pass"word\\more']), b'pass"word\\more\n')


def test_secrets_of_a_few_bytes_are_not_looked_for(image):
    search(image({"a": b"1234567"}), b"1234567")


def test_only_the_builds_own_layers_are_searched(image):
    made = image({"a": SECRET}, {"b": b"x"})
    refuse_secrets(made, made.stack[1:], {"token": SECRET})
