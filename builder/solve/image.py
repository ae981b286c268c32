"""The finished image: layers, history with times, configuration, manifest.

A step that changed no file has a history entry with `empty_layer`, as instructions of pure
configuration do, so that entries and layers always agree. Its time is that of the layer below: the
configuration of a build that was cached from end to end is then the same bytes again.
"""

from __future__ import annotations

from builder.dockerfile import MetadataStep, StageOrigin
from builder.image import build_image
from builder.solve.times import show_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from builder.descriptor import Descriptor
    from builder.dockerfile import Resolution, ResolvedStage
    from builder.graph import Graph, Vertex
    from builder.layer import Layer
    from builder.layout import Layout
    from builder.solve.results import Outcome, Result

_UNTOLD = "layer of the base image"


def finish_image(
    layout: Layout,
    resolution: Resolution,
    graph: Graph,
    outcomes: Mapping[Vertex, Outcome],
    base: Result,
    layers: Sequence[Layer],
) -> Descriptor:
    """Write the target's configuration and manifest; gives the manifest's descriptor.

    `base` is what the target's first stage stands on; `layers` are all of the image's.
    """
    history = _History(resolution, graph, outcomes, base)
    stage = resolution.target_stage
    entries, created = history.of(stage)
    config: dict[str, Any] = {}
    if resolution.epoch is not None:
        created = resolution.epoch
    if created is not None:
        config["created"] = show_time(created)
    config.update(stage.image)
    config["history"] = entries
    if not entries:
        del config["history"]
    return build_image(layout, config, layers)


class _History:
    def __init__(
        self,
        resolution: Resolution,
        graph: Graph,
        outcomes: Mapping[Vertex, Outcome],
        base: Result,
    ) -> None:
        self._resolution = resolution
        self._graph = graph
        self._outcomes = outcomes
        self._base = base

    def of(self, stage: ResolvedStage) -> tuple[list[dict[str, Any]], int | None]:
        """The entries of a stage, those of what it starts from first, and the time of the last."""
        below = [stage]
        while isinstance(below[-1].base, StageOrigin):
            below.append(self._resolution.stage(below[-1].base.stage))
        own = sum(1 for step in below[-1].steps if step.history is not None)
        told = below[-1].image["history"]
        entries = self._of_base([dict(entry) for entry in told[: len(told) - own]])
        created = self._base.created
        for part in reversed(below):
            created = self._add(part, entries, created)
        return entries, created

    def _add(
        self, stage: ResolvedStage, entries: list[dict[str, Any]], created: int | None
    ) -> int | None:
        """Add the entries of a stage's own steps; gives the time of the last layer."""
        vertices = iter(self._graph.chains[stage.index])
        for step in stage.steps:
            outcome = None
            if not isinstance(step, MetadataStep):
                outcome = self._outcomes[next(vertices)]
            if step.history is None:
                continue
            if outcome is not None and outcome.layer is not None:
                created = outcome.created
            entries.append(_entry(step.history, created, self._resolution.epoch, outcome))
        return created

    def _of_base(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The base's entries, made to agree with its layers: it may tell nothing, or nonsense."""
        layers = len(self._base.layers)
        filled = sum(1 for entry in entries if not entry.get("empty_layer"))
        if filled > layers:
            entries, filled = [], 0
        return [{"comment": _UNTOLD}] * (layers - filled) + entries


def _entry(
    told: Mapping[str, Any], created: int | None, epoch: int | None, outcome: Outcome | None
) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if epoch is not None:
        created = epoch
    if created is not None:
        entry["created"] = show_time(created)
    entry.update((name, value) for name, value in told.items() if name != "created")
    if outcome is not None and outcome.layer is None:
        entry["empty_layer"] = True
    return entry
