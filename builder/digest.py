"""Digests, DiffIDs and ChainIDs (image-spec descriptor.md "Digests", config.md "Layer ChainID").

Types rather than strings: whoever holds one knows that it was checked, that it is safe as a file
name, and which bytes it is the digest of: a blob's (Digest) or an uncompressed layer's (DiffID).
"""

from __future__ import annotations

import hashlib
import re

from builder.errors import ImageFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

_GRAMMAR = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+\Z")
_HEX_DIGITS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+\Z")


class Digest(str):
    """`algorithm:hex` with a supported algorithm: sha256 or sha512.

    Raises ImageFormatError for anything else.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check text."""
        algorithm, _, encoded = text.partition(":")
        length = _HEX_DIGITS.get(algorithm)
        if length is None:
            if _GRAMMAR.match(text):
                raise ImageFormatError(
                    f"digest {text[:160]!r}: algorithm {algorithm[:40]} is not supported",
                    subject=text,
                    hint="sha256 and sha512 are",
                )
            raise ImageFormatError(f"{text[:160]!r} is not a digest", subject=text)
        if len(encoded) != length or not _HEX.match(encoded):
            raise ImageFormatError(
                f"digest {text[:160]!r}: {algorithm} takes {length} digits of 0-9 and a-f",
                subject=text,
            )
        return super().__new__(cls, text)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        """The digest of data."""
        return cls.finished(algorithm, hashlib.new(algorithm, data))

    @classmethod
    def finished(cls, algorithm: str, hasher: Any) -> Self:
        """The digest that a hash object of hashlib has arrived at."""
        return cls(f"{algorithm}:{hasher.hexdigest()}")

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The part after the colon."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """Twelve digits, for people."""
        return self.hex[:12]

    def hasher(self) -> Any:
        """A new hash object (hashlib) of this digest's algorithm."""
        return hashlib.new(self.algorithm)


class DiffID(Digest):
    """The digest of a layer's uncompressed tar stream."""

    __slots__ = ()


class ChainID(Digest):
    """The digest that names a layer together with all layers below it."""

    __slots__ = ()


def chain_ids(diff_ids: Iterable[DiffID]) -> list[ChainID]:
    """The ChainID at each layer, lowest first."""
    chain: list[ChainID] = []
    for diff_id in diff_ids:
        if chain:
            chain.append(ChainID.of(f"{chain[-1]} {diff_id}".encode()))
        else:
            chain.append(ChainID(diff_id))
    return chain
