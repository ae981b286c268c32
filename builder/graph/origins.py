"""Which origins are directories of the host's, and how they are called in messages."""

from __future__ import annotations

from builder.dockerfile import ImageOrigin, MainContext, NamedContext, Scratch, StageOrigin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.dockerfile.steps import Origin

IMAGE_SCHEMES = ("docker-image://", "oci-layout://")
"""How the value of a named context that is an image begins."""


def is_directory(origin: Origin) -> bool:
    """Whether an origin is a directory of the host's: the build context, or a named one."""
    return isinstance(origin, MainContext) or (
        isinstance(origin, NamedContext) and not origin.value.startswith(IMAGE_SCHEMES)
    )


def describe(origin: Origin, stage_names: Mapping[int, str]) -> str:
    """An origin in words."""
    if isinstance(origin, StageOrigin):
        return f"stage {stage_names.get(origin.stage, origin.stage)}"
    if isinstance(origin, ImageOrigin):
        return f"image {origin.name}"
    if isinstance(origin, NamedContext):
        return f"context {origin.name}"
    if isinstance(origin, Scratch):
        return "scratch"
    return "the build context"
