"""SOURCE_DATE_EPOCH: a number, or where to look for one.

Besides seconds since 1970, the build argument may name `context` (the newest file of the main
context), a named context, or a stage that is nothing but one remote ADD on scratch.
https://reproducible-builds.org/specs/source-date-epoch/
"""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile import instructions as ast
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.dockerfile.scopes import GlobalScope

NAME = "SOURCE_DATE_EPOCH"


class EpochSource(Record):
    """Where the number has to be looked for: give it to `resolve` as `Request.epoch`.

    Attributes:
        kind: "context", "named-context" or "stage".
        name: of the context or stage.
        url: the remote source of a stage's ADD, not yet expanded; "" for contexts.
    """

    kind: str
    name: str
    url: str = ""


def _value(build_args: Mapping[str, str], values: Mapping[str, str]) -> str:
    return build_args[NAME] if NAME in build_args else values.get(NAME, "")


def fixed_epoch(build_args: Mapping[str, str], scope: GlobalScope) -> int | None:
    """Seconds, or None when there is no SOURCE_DATE_EPOCH or it is no number."""
    return golang.parse_int(_value(build_args, scope.values))


def epoch_source(
    dockerfile: ast.Dockerfile,
    build_args: Mapping[str, str],
    named_contexts: Mapping[str, str],
) -> EpochSource | None:
    """What must be looked at to know SOURCE_DATE_EPOCH; None when it is a number or absent.

    Raises DockerfileError for a value that is neither a number nor names anything.
    """
    defaults = {
        definition.name: definition.default or ""
        for arg in dockerfile.global_args
        for definition in arg.definitions
    }
    value = _value(build_args, defaults)
    if not value or golang.parse_int(value) is not None:
        return None
    if value == "context":
        return EpochSource("context", value)
    if value in named_contexts:
        return EpochSource("named-context", value)
    for stage in dockerfile.stages:
        if stage.from_.name == value.lower():
            return EpochSource("stage", stage.from_.name, _remote_add(stage))
    raise DockerfileError(
        f"invalid {NAME}: {value}",
        hint="give seconds since 1970, context, a named context, or a stage with one remote ADD",
    ).within(dockerfile.filename, dockerfile.lines)


def _remote_add(stage: ast.StageSource) -> str:
    """The URL of the only ADD of a stage that is nothing else."""
    place = stage.from_.range
    if stage.from_.base != "scratch":
        raise DockerfileError(f"{NAME} stage must use FROM scratch", place)
    urls: list[str] = []
    for instruction in stage.instructions:
        if isinstance(instruction, ast.Add):
            urls += instruction.sources
        elif not isinstance(instruction, ast.Arg):
            raise DockerfileError(
                f"{NAME} stage does not meet source-only requirements:"
                f" unsupported {instruction.keyword} instruction",
                instruction.range,
            )
    if len(urls) != 1:
        raise DockerfileError(f"{NAME} stage must contain exactly one remote ADD", place)
    return urls[0]
