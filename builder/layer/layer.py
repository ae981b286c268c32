"""What is known of one layer of an image."""

from __future__ import annotations

from dataclasses import dataclass

from builder.descriptor import Descriptor
from builder.digest import DiffID


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer.

    Attributes:
        descriptor: of the blob, as a manifest lists it.
        diff_id: digest of its uncompressed tar stream, as the config lists it.
        uncompressed_size: bytes of that stream; None for a layer that somebody else made.
    """

    descriptor: Descriptor
    diff_id: DiffID
    uncompressed_size: int | None = None
