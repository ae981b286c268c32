"""Stages as a graph: one vertex per step that touches files, joined to what it stands on and reads.

Equal vertices are one vertex: two stages that begin alike share their beginning. Stages that the
target does not need are not in the resolution, so they are not here either. Steps that change only
the configuration have no vertex.
"""

from __future__ import annotations

from builder.dockerfile import (
    BindMount,
    CacheMount,
    CopyStep,
    MetadataStep,
    PathSource,
    RunStep,
    Scratch,
    StageOrigin,
    Step,
)
from builder.graph.keys import digest_of
from builder.graph.operation import operation
from builder.graph.origins import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.dockerfile import Platform, Resolution, ResolvedStage
    from builder.dockerfile.steps import Origin


class Node:
    """What has files: `Base` or `Vertex`."""


class Base(Node):
    """Files that no step of this build makes: an image, a named context, nothing."""

    def __init__(self, origin: Origin, platform: Platform) -> None:
        self.origin = origin
        self.platform = platform

    def __repr__(self) -> str:
        return f"<Base {self.origin!r}>"


class Vertex(Node):
    """A step on top of the files of its parent.

    Attributes:
        step: what is done.
        stage: the first stage that has it.
        parent: what it starts from.
        operation: what it does, without its inputs (`builder.graph.operation`).
        inputs: the files it reads besides its parent's, by origin; directories of the host's
            are no nodes and stay out.
        step_id: names it across builds: Dockerfile, stage and place.
        number: which one it is of its stage, FROM being the first.
    """

    def __init__(
        self,
        step: Step,
        stage: ResolvedStage,
        parent: Node,
        inputs: dict[Origin, Node],
        step_id: str,
        number: int,
    ) -> None:
        self.step = step
        self.stage = stage
        self.parent = parent
        self.inputs = inputs
        self.operation = operation(step)
        self.step_id = step_id
        self.number = number

    def __repr__(self) -> str:
        return f"<Vertex {self.stage.display_name} {self.step.title[:40]!r}>"


class Graph:
    """The vertices of a resolution.

    Attributes:
        ends: the last node of each stage, by index.
        bases: what each stage stands on, by index.
        chains: vertices of each stage in order, those of a stage it starts from left out.
    """

    def __init__(self) -> None:
        self.ends: dict[int, Node] = {}
        self.bases: dict[int, Node] = {}
        self.chains: dict[int, list[Vertex]] = {}
        self._bases: dict[tuple[Origin, Platform], Base] = {}
        self._vertices: dict[tuple[object, int, tuple[int, ...]], Vertex] = {}

    def base(self, origin: Origin, platform: Platform) -> Base:
        """The node of an origin that is no stage."""
        key = origin, platform
        if key not in self._bases:
            self._bases[key] = Base(origin, platform)
        return self._bases[key]

    def node(self, origin: Origin, platform: Platform) -> Node:
        """The node of any origin but the build context."""
        if isinstance(origin, StageOrigin):
            return self.ends[origin.stage]
        return self.base(origin, platform)

    def share(self, vertex: Vertex) -> Vertex:
        """The vertex, or the equal one that is there already."""
        inputs = tuple(id(node) for node in vertex.inputs.values())
        key = _identity(vertex.step), id(vertex.parent), inputs
        return self._vertices.setdefault(key, vertex)

    @property
    def vertices(self) -> list[Vertex]:
        """All vertices, in the order of the file, shared ones once."""
        return list(self._vertices.values())


def build_graph(resolution: Resolution, name: str) -> Graph:
    """The graph of a resolution; `name` tells Dockerfiles apart in `Vertex.step_id`."""
    graph = Graph()
    for stage in resolution.stages:
        node = graph.bases[stage.index] = graph.node(stage.base, stage.platform)
        chain = graph.chains[stage.index] = []
        for place, step in enumerate(stage.steps):
            if isinstance(step, MetadataStep):
                continue
            inputs = {origin: graph.node(origin, stage.platform) for origin in _origins(step)}
            step_id = digest_of([name, stage.display_name, place])
            number = len(chain) + 2
            node = graph.share(Vertex(step, stage, node, inputs, step_id, number))
            chain.append(node)
        graph.ends[stage.index] = node
    return graph


def _identity(step: Step) -> object:
    """What two steps have in common that do the same: all but their place in the file."""
    own = [name for name in step.__fields__ if name not in Step.__fields__]
    return type(step), tuple(getattr(step, name) for name in own)


def _origins(step: Step) -> list[Origin]:
    """What a step reads besides its parent and directories of the host's."""
    origins: list[Origin] = []
    if isinstance(step, CopyStep):
        origins = [source.origin for source in step.sources if isinstance(source, PathSource)]
    elif isinstance(step, RunStep):
        origins = [m.origin for m in step.mounts if isinstance(m, (BindMount, CacheMount))]
    return [o for o in dict.fromkeys(origins) if not (isinstance(o, Scratch) or is_directory(o))]
