"""Names of images: `[host[:port]/]path[:tag][@digest]`, with Docker's short forms.

alpine             = docker.io/library/alpine:latest
me/tool:2          = docker.io/me/tool:2
localhost/tool     = localhost/tool:latest
"""

from __future__ import annotations

import re

_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>{_HOST}/{_PATH}(?:/{_PATH})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?\Z",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}\Z")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LONGEST_NAME = 255
DEFAULT_HOST = "docker.io"


def normalize_reference(text: str) -> str:
    """The full form of an image's name, with `:latest` where neither tag nor digest is given.

    Raises ValueError with the reference implementation's message.
    """
    if _IDENTIFIER.match(text):
        raise ValueError(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    host, rest = _split_host(text)
    path = rest.partition(":")[0]
    if path != path.lower():
        raise ValueError(f"invalid reference format: repository name ({path}) must be lowercase")
    match = _REFERENCE.match(f"{host}/{rest}")
    if match is None:
        raise ValueError("invalid reference format")
    if len(match["name"].partition("/")[2]) > _LONGEST_NAME:
        raise ValueError("repository name must not be more than 255 characters")
    if match["digest"]:
        check_digest(match["digest"])
    return match[0] if match["tag"] or match["digest"] else f"{match[0]}:latest"


def _split_host(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_HOST, f"library/{text}"
    if first == "index.docker.io":
        first = DEFAULT_HOST
    elif first != "localhost" and not any(c in ".:" or c.isupper() for c in first):
        return DEFAULT_HOST, text
    if first == DEFAULT_HOST and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def check_digest(text: str) -> None:
    """Raises ValueError unless text is `sha256:` (or sha384, sha512) and the right hex digits."""
    algorithm, colon, digits = text.partition(":")
    if not (algorithm and colon and digits):
        raise ValueError("invalid checksum digest format")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None:
        if re.match(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+\Z", text):
            raise ValueError("unsupported digest algorithm")
        raise ValueError("invalid checksum digest format")
    if len(digits) != length:
        raise ValueError("invalid checksum digest length")
    if digits.strip("0123456789abcdef"):
        raise ValueError("invalid checksum digest format")
