"""Checking a Dockerfile without building it."""

from __future__ import annotations

from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.linter import CheckOptions, Finding, Linter, parse_check_options
from builder.dockerfile.record import Record
from builder.dockerfile.resolver import Request, resolve
from builder.dockerfile.static_rules import report_static_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.dockerfile.instructions import Dockerfile
    from builder.dockerfile.resolver import BaseConfig

OPTIONS_ARG = "BUILDKIT_DOCKERFILE_CHECK"
"""Build argument that replaces the file's `check` directive."""


class CheckResult(Record):
    """Findings in the order of the file, and the error that a build would end with."""

    findings: tuple[Finding, ...]
    error: DockerfileError | None


def check_options(dockerfile: Dockerfile, request: Request) -> CheckOptions:
    """Options from the build argument or the `check` directive. Raises DockerfileError."""
    text = request.build_args.get(OPTIONS_ARG)
    if text is not None:
        return parse_check_options(text)
    directive = dockerfile.directives.get("check")
    if directive is None:
        return CheckOptions()
    try:
        return parse_check_options(directive.value.partition(" ")[0])
    except DockerfileError as error:
        from builder.dockerfile.errors import SourceRange

        error.at(SourceRange(directive.line, directive.line))
        raise error.within(dockerfile.filename, dockerfile.lines) from None


def new_linter(dockerfile: Dockerfile, request: Request) -> Linter:
    """A linter for `resolve` that already holds what the text alone shows.

    Raises DockerfileError for bad options.
    """
    linter = Linter(check_options(dockerfile, request))
    report_static_findings(dockerfile, linter)
    return linter


def check(
    dockerfile: Dockerfile,
    base_config: BaseConfig = lambda _reference, _platform: None,
    request: Request = Request(),  # noqa: B008
) -> CheckResult:
    """Run every rule. Without a target all stages are read, needed or not.

    Args:
        dockerfile: from `parse`.
        base_config: as for `resolve`; by default no base image is known.
        request: as for `resolve`.
    """
    if not request.target:
        request = request.replace(all_stages=True)
    error = None
    linter = Linter()
    try:
        linter = new_linter(dockerfile, request)
        resolve(dockerfile, base_config, request, linter)
    except DockerfileError as found:
        error = found
    ordered = sorted(linter.findings, key=lambda finding: finding.range.start)
    return CheckResult(tuple(ordered), error)
