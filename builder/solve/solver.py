"""Walking the graph: every needed vertex once, from the cache or by executing it.

    keys of a vertex ──▶ cache: definition key ──hit──▶ result
                                  │ miss
                                  ▼
                         cache: content key ──hit──▶ result, kept under the definition key too
                                  │ miss, or the same key
                                  ▼
                            execute ──▶ result, kept under both keys

Each stage has a thread; a vertex belongs to the thread that comes to it first, the others wait
for its result. A vertex waits only for vertices below it, so that there is always one that can go
on.
"""

from __future__ import annotations

import threading
import time

from builder.dockerfile import CopyStep, DockerfileError, ImageOrigin, NamedContext, Scratch
from builder.errors import (
    BuilderError,
    ContextError,
    ImageNotFoundError,
    InvalidReferenceError,
)
from builder.execute.cancel import Cancelled
from builder.execute.errors import ContainerError
from builder.graph import Base, Node, Vertex
from builder.graph.difference import explain
from builder.graph.keys import key_of
from builder.graph.origins import is_directory
from builder.solve.failure import FailedStepError
from builder.solve.pending import Pending
from builder.solve.reads import Reads
from builder.solve.results import Outcome, Result
from builder.store import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.dockerfile.steps import Origin
    from builder.execute.download import Downloads
    from builder.graph import Graph
    from builder.image import Image
    from builder.layer import Layer
    from builder.progress import Line
    from builder.solve.images import Images
    from builder.solve.reads import Described
    from builder.solve.session import Session

_MOST_THREADS = 64
_AT_FAULT = (ContextError, ContainerError, ImageNotFoundError, InvalidReferenceError)
"""Errors for which the step, not the machine, has to be changed."""


class Solver:
    """Solves one graph.

    Attributes:
        outcomes: what each vertex made, when it is solved.
    """

    def __init__(
        self,
        graph: Graph,
        stage_names: dict[int, str],
        images: Images,
        session: Session,
        downloads: Downloads,
    ) -> None:
        self._graph = graph
        self._stage_names = stage_names
        self._images = images
        self._session = session
        self._downloads = downloads
        self._lock = threading.Lock()
        self._results: dict[Node, Pending] = {}
        self.outcomes: dict[Vertex, Outcome] = {}

    def solve(self) -> None:
        """Solve the ends of all stages.

        Raises DockerfileError, FailedStepError, BuilderError; Cancelled when it was stopped.
        """
        ends = list(dict.fromkeys(self._graph.ends.values()))
        if len(ends) == 1:
            self.result(ends[0])
            return
        todo = iter(ends)
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while (end := next(todo, None)) is not None:
                    self.result(end)
            except BaseException as error:
                errors.append(error)
                self._session.cancellation.cancel()

        threads = [
            threading.Thread(target=work, name=f"stage-{number}")
            for number in range(min(len(ends), _MOST_THREADS))
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._session.cancellation.cancel()
            for thread in threads:
                thread.join()
            raise
        # That others were stopped because of the first error is no news.
        errors.sort(key=lambda error: isinstance(error, Cancelled))
        if errors:
            raise errors[0]

    def result(self, node: Node) -> Result:
        """The files of a node, after solving it and all below it."""
        below = []
        while isinstance(node, Vertex):
            below.append(node)
            node = node.parent
        result = self._claim(node)
        for vertex in reversed(below):
            result = self._claim(vertex)
        return result

    def _claim(self, node: Node) -> Result:
        with self._lock:
            pending = self._results.get(node)
            is_mine = pending is None
            if pending is None:
                pending = self._results[node] = Pending()
        if is_mine:
            try:
                self._session.cancellation.check()
                solved = self._solve_base(node) if isinstance(node, Base) else self._solve(node)
                pending.set_result(solved)
            except BaseException as error:
                pending.set_error(error)
                if not isinstance(error, Cancelled):
                    self._session.cancellation.cancel()
                raise
        return pending.get()

    # Bases.

    def _solve_base(self, base: Node) -> Result:
        assert isinstance(base, Base)
        origin = base.origin
        if isinstance(origin, Scratch):
            return Result(())
        if is_directory(origin):
            return self._directory_as_layer(origin)
        assert isinstance(origin, (ImageOrigin, NamedContext))
        reference = origin.reference if isinstance(origin, ImageOrigin) else origin.value
        line = self._session.display.begin(self._base_label(base), f"FROM {origin.name}")
        result = _result_of(self._images.get(reference, base.platform))
        line.cached()
        return result

    def _base_label(self, base: Node) -> str:
        """`build 1/5`, of the first stage that stands on it; else it is only copied from."""
        for index, node in self._graph.bases.items():
            if node is base:
                return self._place(index, 1)
        return "image"

    def _directory_as_layer(self, origin: Origin) -> Result:
        """FROM a directory: its files as one layer."""
        from builder.context.digests import digest_matches
        from builder.context.select import select
        from builder.execute.copy import Placement, place_matches
        from builder.execute.destination import Destination
        from builder.layer.write import write_layer

        session = self._session
        matches = select(session.files.directory(origin), "/", required=True)
        digest, _ = digest_matches(matches, session.known_files)
        components = {"kind": "directory", "digest": digest, "epoch": session.epoch}
        key = key_of(components)
        found = None if session.no_cache else self._find(key)
        if found is None:
            plan = Destination(None, session.clock)
            place_matches(plan, matches, Placement("/"))
            entries = plan.entries(session.epoch)
            if not entries:
                return Result(())
            layer = write_layer(session.store.layout, entries, session.compression)
            found = Record(key, "", "directory", layer, created=session.clock)
            session.store.cache.put(found)
        return Result(()).with_layer(found.layer, found.created)

    # Steps.

    def _solve(self, vertex: Node) -> Result:
        assert isinstance(vertex, Vertex)
        session = self._session
        parent = self.result(vertex.parent)
        inputs = {origin: self.result(node) for origin, node in vertex.inputs.items()}
        reads = Reads(vertex, inputs, session, self._downloads, self._stage_names)
        line = session.display.begin(self._label(vertex), vertex.step.title)
        try:
            outcome = self._outcome(vertex, parent, reads, line)
        except BaseException as error:
            line.failed("CANCELED" if isinstance(error, Cancelled) else "ERROR")
            raise self._located(error, vertex, line) from None
        self.outcomes[vertex] = outcome
        return parent.with_layer(outcome.layer, outcome.created)

    def _outcome(self, vertex: Vertex, parent: Result, reads: Reads, line: Line) -> Outcome:
        components = self._components(vertex, parent, reads.definition())
        key = key_of(components)
        reason = "--no-cache"
        content_key = key
        if not self._session.no_cache:
            found = self._find(key)
            if found is None and (content := reads.content()) is not None:
                components = self._components(vertex, parent, content)
                content_key = key_of(components)
                found = self._find(content_key)
                if found is not None:
                    self._keep(key, "", found.layer, found.created, vertex, components)
            if found is not None:
                line.cached()
                return Outcome(found.layer, found.created, True)
            reason = self._reason(vertex, components)
        elif (content := reads.content()) is not None:
            components = self._components(vertex, parent, content)
            content_key = key_of(components)
        line.running(reason)
        # Not needed, and not loaded, for a build that is cached from end to end.
        from builder.solve.execute import execute

        layer = execute(vertex, parent, reads, self._session, line.output)
        created = self._session.epoch
        if created is None:
            created = int(time.time())
        if content_key != key:
            self._keep(key, "", layer, created, vertex, {})
        self._keep(content_key, vertex.step_id, layer, created, vertex, components)
        line.done()
        return Outcome(layer, created, False)

    def _components(self, vertex: Vertex, parent: Result, reads: Described) -> dict[str, Any]:
        session = self._session
        components = {**vertex.operation, **reads.components(), "epoch": session.epoch}
        is_link = isinstance(vertex.step, CopyStep) and vertex.step.link
        components["parent"] = "" if is_link else parent.chain
        components["_follows"] = isinstance(vertex.parent, Vertex)
        if vertex.operation["kind"] == "run":
            components["hostname"] = session.hostname
        return components

    def _find(self, key: str) -> Record | None:
        """The record of a key whose layer is in the store."""
        record = self._session.store.cache.get(key)
        if record is None:
            return None
        layer = record.layer
        if layer is not None and not self._session.store.layout.has(layer.descriptor):
            return None
        return record

    def _keep(
        self,
        key: str,
        step_id: str,
        layer: Layer | None,
        created: int,
        vertex: Vertex,
        components: dict[str, Any],
    ) -> None:
        kind = str(vertex.operation["kind"])
        record = Record(key, step_id, kind, layer, components=components, created=created)
        self._session.store.cache.put(record)

    def _reason(self, vertex: Vertex, components: dict[str, Any]) -> str:
        """Why a step is executed, in words."""
        latest = self._session.store.cache.latest(vertex.step_id)
        if latest is None:
            return "first build"
        return explain(latest.components, components, vertex.stage.args)

    def _label(self, vertex: Vertex) -> str:
        """`build 2/5`: FROM is the first."""
        return self._place(vertex.stage.index, vertex.number)

    def _place(self, index: int, number: int) -> str:
        place = f"{number}/{len(self._graph.chains[index]) + 1}"
        # Of a Dockerfile with one stage nobody needs to be told which.
        return place if len(self._stage_names) == 1 else f"{self._stage_names[index]} {place}"

    def _located(self, error: BaseException, vertex: Vertex, line: Line) -> BaseException:
        """The error with its place in the Dockerfile, when the step is at fault."""
        dockerfile = self._session.dockerfile
        if isinstance(error, FailedStepError):
            return error
        if isinstance(error, BuilderError) and hasattr(error, "status"):
            return FailedStepError(error, vertex.step, dockerfile, self._label(vertex), line.tail())
        if isinstance(error, _AT_FAULT):
            error = DockerfileError(error.message, hint=error.hint or "")
        if isinstance(error, DockerfileError):
            return error.at(vertex.step.instruction.range).within(
                dockerfile.filename, dockerfile.lines
            )
        return error


def _result_of(image: Image) -> Result:
    return Result(tuple(image.stack), _created(image))


def _created(image: Image) -> int | None:
    from builder.solve.times import parse_time

    return parse_time(image.config.get("created"))
