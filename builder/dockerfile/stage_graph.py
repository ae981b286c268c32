"""Stages and who needs whom, before any of them is read.

A name means, in this order: an earlier stage (for FROM) or any stage (for `from`), a named context,
an image. The last stage of a name hides the others.
"""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile import instructions as ast
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode, process_word
from builder.dockerfile.mounts import check_before_expansion
from builder.dockerfile.record import Record
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from builder.dockerfile.errors import SourceRange
    from builder.dockerfile.image_config import ImageConfig
    from builder.dockerfile.platforms import Platform
    from builder.dockerfile.stage_state import StageState
    from builder.dockerfile.steps import Origin

SCRATCH = "scratch"
_NEVER_NAMED = (SCRATCH, "context")
"""Names that no `--build-context` replaces."""


class Placed(Record):
    """An instruction and whether it is a trigger of the base image."""

    instruction: ast.Instruction
    from_onbuild: bool


class Stage:
    """A stage of the graph.

    Attributes:
        index: in the file.
        source: as written.
        base_name: of FROM, expanded.
        base: the stage it starts from, or None.
        requested: the platform of `--platform`, or None.
        replaced_by: the named context that takes the stage's place, or "".
        body: its instructions, triggers first.
        needs: stages its instructions copy or mount from, and the first to do so.
        used_args: global ARGs of its FROM.

    Set when the stage is resolved:
        platform: of its files.
        origin: what it starts from.
        image: configuration of the base.
        state: after its last instruction; None until it was read.
    """

    def __init__(self, index: int, source: ast.StageSource, base_name: str) -> None:
        self.index = index
        self.source = source
        self.base_name = base_name
        self.base: Stage | None = None
        self.requested: Platform | None = None
        self.replaced_by = ""
        self.body = [Placed(instruction, False) for instruction in source.instructions]
        self.needs: dict[Stage, ast.Instruction] = {}
        self.used_args: frozenset[str] = frozenset()
        self.platform: Platform | None = None
        self.origin: Origin | None = None
        self.image: ImageConfig | None = None
        self.state: StageState | None = None
        self.is_resolved = False
        self.triggers_taken = False

    @property
    def range(self) -> SourceRange:
        """Lines of its FROM."""
        return self.source.from_.range

    @property
    def name(self) -> str:
        """In lower case, "" when it has none."""
        return self.source.from_.name

    @property
    def display_name(self) -> str:
        """The name, or `stage-N`."""
        return self.name or f"stage-{self.index}"

    def with_dependencies(self) -> Iterable[Stage]:
        """The stages it needs directly."""
        return [self.base, *self.needs] if self.base else list(self.needs)


class StageGraph:
    """The stages of a file, by index and by name."""

    def __init__(self, named_contexts: Mapping[str, str]) -> None:
        self.stages: list[Stage] = []
        self.named_contexts = named_contexts
        self._by_name: dict[str, Stage] = {}

    def add(self, stage: Stage) -> None:
        """Add a stage below those there are; its base may be one of them."""
        if not stage.replaced_by:
            stage.base = self._by_name.get(stage.base_name)
        self.stages.append(stage)
        if stage.name:
            self._by_name[stage.name] = stage

    def named_context(self, name: str) -> str:
        """The key under which `--build-context` replaces a name, or ""."""
        if name.lower() in _NEVER_NAMED:
            return ""
        for key in (name, name.removesuffix(":latest")):
            if key in self.named_contexts:
                return key
        return _same_image(name, self.named_contexts)

    def target(self, name: str) -> Stage:
        """The stage to build: by name, by index, or the last. Raises DockerfileError."""
        if not name:
            return self.stages[-1]
        stage = self._by_name.get(name.lower())
        if stage is None and name.isascii() and name.isdigit():
            number = golang.parse_int(name)
            if number is not None and number < len(self.stages):
                return self.stages[number]
        if stage is None:
            known = [stage.display_name for stage in self.stages]
            raise DockerfileError(
                f"target stage {golang.quote(name)} could not be found",
                suggestion=did_you_mean(name, known),
                hint="stages are " + ", ".join(known),
            )
        return stage

    def find(self, name: str) -> Stage | None:
        """The stage of a name, wherever it stands."""
        return self._by_name.get(name.lower())

    def names(self) -> list[str]:
        """Names for suggestions."""
        return [stage.display_name for stage in self.stages]

    def connect(self, stage: Stage, placed: Sequence[Placed]) -> bool:
        """Note which stages some instructions of a stage need; whether there are any.

        Raises DockerfileError for a variable in `--from` and a wrong stage index.
        """
        found = False
        for instruction in (item.instruction for item in placed):
            for other in self._needed_by(instruction):
                stage.needs.setdefault(other, instruction)
                found = True
        return found

    def _needed_by(self, instruction: ast.Instruction) -> list[Stage]:
        try:
            if isinstance(instruction, ast.Copy) and instruction.from_:
                stage = self.find_source(instruction.from_)
                return [stage] if stage else []
            if isinstance(instruction, ast.Run):
                names = map(check_before_expansion, instruction.mounts)
                stages = (self.find(name) for name in names if name)
                return [stage for stage in stages if stage]
        except DockerfileError as error:
            error.phase = "conversion"
            raise error.at(instruction.range) from None
        return []

    def find_source(self, name: str) -> Stage | None:
        """The stage of a `COPY --from`: by index or name; None when it is no stage.

        Raises DockerfileError.
        """
        near = f"--from={name}"
        if process_word(name, {}, Mode()).text != name:
            raise DockerfileError(
                "variable expansion is not supported for --from, define a new stage with FROM"
                " using ARG from global scope as a workaround",
                near=near,
            )
        index = golang.parse_int(name)
        if index is None:
            return self.find(name)
        if not 0 <= index < len(self.stages):
            raise DockerfileError(
                f"invalid stage index {index}",
                near=near,
                hint=f"there are stages 0 to {len(self.stages) - 1}",
            )
        return self.stages[index]

    def check_cycles(self) -> None:
        """Raises DockerfileError when stages copy or mount from each other in a circle."""
        finished: set[Stage] = set()
        for stage in self.stages:
            closing = _cycle(stage, finished)
            if closing:
                raise DockerfileError(
                    f"circular dependency detected on stage: {stage.display_name}", closing.range
                )


def _cycle(start: Stage, finished: set[Stage]) -> ast.Instruction | None:
    """The instruction that closes a circle reachable from start. No recursion: files are long."""
    if start in finished:
        return None
    path = {start}
    todo = [(start, iter(start.needs.items()))]
    finished.add(start)
    while todo:
        stage, rest = todo[-1]
        for needed, instruction in rest:
            if needed in path:
                return instruction
            if needed not in finished:
                finished.add(needed)
                path.add(needed)
                todo.append((needed, iter(needed.needs.items())))
                break
        else:
            todo.pop()
            path.discard(stage)
    return None


def reachable(target: Stage) -> list[Stage]:
    """The target and all it needs, directly or not, in the order of the file."""
    found = {target}
    todo = [target]
    while todo:
        for stage in todo.pop().with_dependencies():
            if stage not in found:
                found.add(stage)
                todo.append(stage)
    return sorted(found, key=lambda stage: stage.index)


def _same_image(name: str, contexts: Mapping[str, str]) -> str:
    """The context whose name is another spelling of the same image (`docker.io/library/x`)."""
    if not contexts:
        return ""
    from builder.dockerfile.references import normalize_reference

    try:
        wanted = normalize_reference(name)
    except ValueError:
        return ""
    for key in contexts:
        try:
            if normalize_reference(key) == wanted:
                return key
        except ValueError:
            continue
    return ""
