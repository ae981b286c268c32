"""What an image's history says of its layers, newest first, as `docker history` shows it."""

from __future__ import annotations

from builder.dockerfile.record import Record
from builder.images.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.descriptor import Descriptor
    from builder.image import Image


class HistoryEntry(Record):
    """One step of an image's making.

    Attributes:
        created: RFC 3339, "" when the image does not say.
        created_by: the instruction.
        comment: of the builder that ran it.
        layer: what the step added; None for a step that changed the configuration only.
    """

    created: str
    created_by: str
    comment: str
    layer: Descriptor | None

    def to_json(self) -> dict[str, Any]:
        """As `history --format json` prints it."""
        return {
            "created": self.created,
            "createdBy": self.created_by,
            "comment": self.comment,
            "size": self.layer.size if self.layer else 0,
            "layer": str(self.layer.digest) if self.layer else None,
        }


def history_of(image: Image) -> list[HistoryEntry]:
    """The entries, newest first. Layers that the history does not account for get an empty one.

    The history is the image's own word: nothing checks that a step made the layer it claims.
    """
    layers = list(image.layers)
    entries = []
    listed = image.config.get("history")
    for step in listed if isinstance(listed, list) else []:
        if not isinstance(step, dict):
            continue
        layer = None if step.get("empty_layer") is True or not layers else layers.pop(0)
        entries.append(
            HistoryEntry(
                _text(step.get("created")),
                _text(step.get("created_by")),
                _text(step.get("comment")),
                layer,
            )
        )
    entries += [HistoryEntry("", "", "", layer) for layer in layers]
    return entries[::-1]


def _text(value: Any) -> str:
    return printable(value) if isinstance(value, str) else ""
