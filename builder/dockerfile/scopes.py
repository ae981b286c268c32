"""ARG scopes outside of stages: automatic, global and predefined arguments.

https://docs.docker.com/reference/dockerfile/#scope
"""

from __future__ import annotations

from builder.dockerfile.errors import DockerfileError, SourceRange
from builder.dockerfile.expansion import Mode, process_word
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.dockerfile.instructions import Arg
    from builder.dockerfile.platforms import Platform

PROXY_ARGS = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
"""Predefined arguments (in either case): in RUN without a declaration, never in history."""
CONTROL_ARGS = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")
"""Arguments that steer the build and are no variables of RUN even when declared."""

_BUILDER_ARGS = ("BUILDKIT_", "SOURCE_DATE_EPOCH", "BUILDPLATFORM", "TARGETPLATFORM", "TARGETSTAGE")


def is_predefined(name: str) -> bool:
    """Whether a build argument means something without an ARG."""
    return name.upper() in PROXY_ARGS or name.startswith(_BUILDER_ARGS)


class GlobalArg(Record):
    """An ARG before the first FROM; `needs` are the arguments its default uses."""

    name: str
    value: str | None
    description: str
    range: SourceRange
    needs: frozenset[str]


class GlobalScope(Record):
    """What FROM can use, and what a bare ARG inside a stage takes its value from.

    Attributes:
        values: automatic arguments, then global ones that have a value.
        declared: the ARGs before the first FROM, by name.
    """

    values: Mapping[str, str]
    declared: Mapping[str, GlobalArg]


def automatic_args(
    build: Platform, target: Platform, target_stage: str, build_args: Mapping[str, str]
) -> dict[str, str]:
    """BUILDPLATFORM and its kin, TARGETPLATFORM and its kin, TARGETSTAGE."""
    values = {
        "BUILDPLATFORM": build.short,
        "BUILDOS": build.os,
        "BUILDOSVERSION": build.os_version,
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": str(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": target.os_version,
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": target_stage or "default",
    }
    return {name: build_args.get(name, value) for name, value in values.items()}


def global_scope(
    automatic: Mapping[str, str],
    args: Sequence[Arg],
    build_args: Mapping[str, str],
    escape: str,
) -> GlobalScope:
    """Evaluate the ARGs before the first FROM, each seeing those above it.

    Raises DockerfileError when a default cannot be expanded.
    """
    values = dict(automatic)
    declared: dict[str, GlobalArg] = {}
    for arg in args:
        for definition in arg.definitions:
            name, value = definition.name, definition.default
            needs: frozenset[str] = frozenset()
            if name in build_args:
                value = build_args[name]
            elif value is not None:
                try:
                    expansion = process_word(value, values, Mode(escape))
                except DockerfileError as error:
                    raise error.at(arg.range) from None
                value, needs = expansion.text, expansion.used
                if name in needs:  # ARG A=$A-more builds on an earlier A
                    earlier = declared.get(name)
                    needs = needs - {name} | (earlier.needs if earlier else frozenset())
            if value is not None:
                values.pop(name, None)  # a changed variable moves to the end
                values[name] = value
            declared[name] = GlobalArg(name, value, definition.description, arg.range, needs)
    return GlobalScope(values, declared)


def proxy_env(build_args: Mapping[str, str]) -> tuple[str, ...]:
    """Proxy variables among the build arguments, in both cases, as `name=value`."""
    found: dict[str, str] = {}
    for name in sorted(build_args):
        if name.upper() in PROXY_ARGS:
            found[name.upper()] = build_args[name]
    return tuple(
        f"{spelling}={value}" for name, value in found.items() for spelling in (name, name.lower())
    )
