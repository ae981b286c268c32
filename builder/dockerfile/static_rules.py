"""Lint rules that need only the text: casing, names of stages, comments, blank lines."""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile import instructions as ast
from builder.dockerfile.errors import SourceRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.dockerfile.linter import Linter

_RESERVED = ("context", "scratch")


def report_static_findings(dockerfile: ast.Dockerfile, linter: Linter) -> None:
    """Run the rules of this module over a file."""
    for blank in dockerfile.empty_continuations:
        linter.report("NoEmptyContinuation", SourceRange(blank.line, blank.line))
    for arg in dockerfile.global_args:
        _description(arg, "ARG", [definition.name for definition in arg.definitions], linter)
    for stage in dockerfile.stages:
        _from(stage.from_, linter)
        for instruction in stage.instructions:
            if isinstance(instruction, ast.Maintainer):
                linter.report("MaintainerDeprecated", instruction.range, instruction.comments)
            elif isinstance(instruction, ast.Arg):
                names = [definition.name for definition in instruction.definitions]
                _description(instruction, "ARG", names, linter)
    _stage_names(dockerfile, linter)
    _casing(dockerfile, linter)


def _from(from_: ast.From, linter: Linter) -> None:
    written = from_.name_as_written
    if written != written.lower():
        linter.report("StageNameCasing", from_.range, from_.comments, name=written)
    keyword, as_ = from_.keyword, from_.as_keyword
    if as_ and keyword in (keyword.lower(), keyword.upper()):
        wanted = as_.lower() if keyword == keyword.lower() else as_.upper()
        if as_ != wanted:
            linter.report("FromAsCasing", from_.range, from_.comments, as_=as_, from_=keyword)
    if from_.name:
        _description(from_, "FROM", [from_.name], linter)


def _description(instruction: ast.Instruction, kind: str, names: list[str], linter: Linter) -> None:
    """The last comment line above a definition must begin with its name."""
    comments = instruction.comments
    if comments and comments[-1].split(" ")[0] not in names:
        linter.report(
            "InvalidDefinitionDescription",
            instruction.range,
            comments,
            keyword=kind,
            name=names[0] if len(names) == 1 else "<arg_key>",
        )


def _stage_names(dockerfile: ast.Dockerfile, linter: Linter) -> None:
    seen: set[str] = set()
    for stage in dockerfile.stages:
        name = stage.from_.name
        shown = golang.quote(name)
        if name in _RESERVED:
            linter.report("ReservedStageName", stage.from_.range, name=shown)
        if name in seen:
            linter.report("DuplicateStageName", stage.from_.range, name=shown)
        seen.update({name} if name else ())


def _casing(dockerfile: ast.Dockerfile, linter: Linter) -> None:
    """Every name in the case that most names have; global ARGs do not count."""
    all_: list[ast.Instruction] = []
    for stage in dockerfile.stages:
        all_ += [stage.from_, *stage.instructions]
    lower = _count(all_, str.lower)
    upper = _count(all_, str.upper)
    casing, change = ("lowercase", str.lower) if lower > upper else ("uppercase", str.upper)
    for instruction in all_:
        name = instruction.keyword
        if change(name) != name:
            linter.report(
                "ConsistentInstructionCasing", instruction.range, name=name, casing=casing
            )


def _count(instructions: Iterable[ast.Instruction], change: object) -> int:
    return sum(
        1
        for instruction in instructions
        if callable(change) and change(instruction.keyword) == instruction.keyword
    )
