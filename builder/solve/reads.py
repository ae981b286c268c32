"""What a step reads besides its parent's files, for its keys and for its execution.

Files of directories count by content at once. Those of stages and images count by ChainID first,
which needs no look at them, and by content when that finds nothing: a stage that was executed
again may have come to the same files where this step looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from builder.context.digests import digest_matches
from builder.context.select import Match, select
from builder.dockerfile import (
    BindMount,
    CacheMount,
    CopyStep,
    HttpSource,
    PathSource,
    RunStep,
    Scratch,
)
from builder.graph.origins import describe, is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.context.tree import Tree
    from builder.dockerfile.steps import Origin
    from builder.execute.download import Download, Downloads
    from builder.graph import Vertex
    from builder.solve.results import Result
    from builder.solve.session import Session

_MOST_FILES = 5000
"""Files that a record of the cache names; of more, only how they are as a whole is kept."""


@dataclass(slots=True)
class Described:
    """Inputs of a key.

    Attributes:
        values: what counts.
        names: the same for people: what is read, by name.
        files: digests of single files, by path.
    """

    values: list[Any] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def components(self) -> dict[str, Any]:
        """As components of a key."""
        files = self.files if len(self.files) <= _MOST_FILES else None
        return {"inputs": self.values, "_inputs": self.names, "_files": files}


class Reads:
    """What one step reads."""

    def __init__(
        self,
        vertex: Vertex,
        inputs: dict[Origin, Result],
        session: Session,
        downloads: Downloads,
        stage_names: dict[int, str],
    ) -> None:
        """`inputs` are the results of the vertex's inputs."""
        self._step = vertex.step
        self._inputs = inputs
        self._session = session
        self._downloads = downloads
        self._stage_names = stage_names
        self._matches: dict[PathSource, list[Match]] = {}

    def tree(self, origin: Origin) -> Tree:
        """The files of an origin."""
        if is_directory(origin):
            return self._session.files.directory(origin)
        what = describe(origin, self._stage_names)
        return self._session.files.view(self._inputs[origin], what)

    def result(self, origin: Origin) -> Result:
        """The layers of an origin that is no directory."""
        return self._inputs[origin]

    def matches(self, source: PathSource) -> list[Match]:
        """What a path of COPY or ADD means. Raises DockerfileError."""
        found = self._matches.get(source)
        if found is None:
            assert isinstance(self._step, CopyStep)
            found = self._matches[source] = select(
                self.tree(source.origin),
                source.path,
                required=source.required,
                pattern=source.pattern,
                excludes=self._step.excludes,
            )
        return found

    def download(self, source: HttpSource) -> Download:
        """What an URL of ADD gives."""
        return self._downloads.get(source)

    def definition(self) -> Described:
        """The inputs of the definition key."""
        return self._describe(by_content=False)

    def content(self) -> Described | None:
        """The inputs of the content key; None when it is the definition key."""
        if all(isinstance(origin, Scratch) for origin in self._inputs):
            return None
        return self._describe(by_content=True)

    def _describe(self, *, by_content: bool) -> Described:
        described = Described()
        if isinstance(self._step, CopyStep):
            for source in self._step.sources:
                if isinstance(source, PathSource):
                    if by_content or is_directory(source.origin):
                        self._add_matches(described, source.origin, self.matches(source))
                    else:
                        self._add_chain(described, source.origin, source.path)
                elif isinstance(source, HttpSource):
                    download = self.download(source)
                    described.values.append(["download", download.digest, download.name])
                    described.names[source.url] = download.digest
        elif isinstance(self._step, RunStep):
            for mount in self._step.mounts:
                if not isinstance(mount, (BindMount, CacheMount)):
                    continue
                if isinstance(mount.origin, Scratch):
                    continue
                if by_content or is_directory(mount.origin):
                    matches = select(self.tree(mount.origin), mount.source, required=True)
                    self._add_matches(described, mount.origin, matches)
                else:
                    self._add_chain(described, mount.origin, mount.source)
        return described

    def _add_matches(self, described: Described, origin: Origin, matches: list[Match]) -> None:
        self._session.cancellation.check()
        known = self._session.known_files if is_directory(origin) else None
        digest, files = digest_matches(matches, known)
        described.values.append(["files", digest])
        described.files.update(files)
        described.names[describe(origin, self._stage_names)] = digest

    def _add_chain(self, described: Described, origin: Origin, path: str) -> None:
        chain = self._inputs[origin].chain
        described.values.append(["chain", chain, path])
        described.names[describe(origin, self._stage_names)] = chain
