"""What nodes of the graph come to."""

from __future__ import annotations

from dataclasses import dataclass

from builder.digest import chain_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.layer import Layer


@dataclass(frozen=True, slots=True)
class Result:
    """The files of a node: its layers, lowest first.

    `created` is when the last layer was made, in seconds; None when nobody says.
    """

    layers: tuple[Layer, ...]
    created: int | None = None

    @property
    def chain(self) -> str:
        """The ChainID that names the files; "" for none."""
        chain = chain_ids(layer.diff_id for layer in self.layers)
        return str(chain[-1]) if chain else ""

    def with_layer(self, layer: Layer | None, created: int) -> Result:
        """The files after a step: the same when it made no layer."""
        return self if layer is None else Result((*self.layers, layer), created)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step made: a layer or none, when (seconds), and whether the cache had it."""

    layer: Layer | None
    created: int
    from_cache: bool
