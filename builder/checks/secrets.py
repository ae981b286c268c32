"""Whether the bytes of a build's secrets are in what came out of it."""

from __future__ import annotations

import base64

from builder.checks.checks import SECRET_IN_IMAGE
from builder.errors import BuilderError
from builder.layer.names import shown
from builder.layer.stream import LayerStream
from builder.layer.tar_reader import TarReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.image import Image
    from builder.layer import Layer

SHORTEST = 8
"""Bytes: what is shorter occurs by chance."""
_CHUNK = 1 << 20


class SecretLeakError(BuilderError):
    """A secret of the build is in the image that it made; the image gets no name."""

    code = "secret-leak"


def refuse_secrets(image: Image, layers: Iterable[Layer], secrets: Mapping[str, bytes]) -> None:
    """Look for secrets, as they are and in base64, in an image's configuration and in layers of it.

    Args:
        image: with its configuration, history included.
        layers: those that the build made.
        secrets: content by id.

    Raises SecretLeakError naming the secret and the place, never the content.
    """
    needles = {name: found for name, value in secrets.items() if (found := _needles(value))}
    if not needles:
        return
    for name, values in needles.items():
        if any(
            value in image.config_bytes or _quoted(value) in image.config_bytes for value in values
        ):
            where = "the image's configuration or history"
            raise _leak(name, where, "pass it to RUN with --mount=type=secret, not by ARG or ENV")
    for layer in layers:
        _search(image, layer, needles)


def _needles(value: bytes) -> tuple[bytes, ...]:
    """What to look for: the secret without the line's end that editors add, and its base64."""
    bare = value.strip(b"\r\n")
    if len(bare) < SHORTEST:
        return ()
    return bare, base64.b64encode(bare), base64.b64encode(value)


def _quoted(value: bytes) -> bytes:
    """The value as JSON writes it."""
    import json

    return json.dumps(value.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode(
        "utf-8", "surrogatepass"
    )


def _search(image: Image, layer: Layer, needles: Mapping[str, tuple[bytes, ...]]) -> None:
    overlap = max(len(value) for values in needles.values() for value in values) - 1
    with LayerStream(image.layout, layer) as stream:
        tar = TarReader(stream.read, stream.what)
        for entry in tar:
            told = b"\0".join((entry.name, entry.target, *entry.xattrs.values()))
            tail = b""
            chunk = told
            while chunk:
                window = tail + chunk
                for name, values in needles.items():
                    if any(value in window for value in values):
                        raise _leak(
                            name,
                            f"the file {shown(entry.name)} of {stream.what}",
                            "do not write it to a file that stays; use it from /run/secrets",
                        )
                tail = window[-overlap:] if chunk is not told else b""
                chunk = tar.read(_CHUNK)
        tar.drain()


def _leak(name: str, where: str, hint: str) -> SecretLeakError:
    return SecretLeakError(
        f"{SECRET_IN_IMAGE.name}: the secret {name!r} is in {where}", subject=name, hint=hint
    )
