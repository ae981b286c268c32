"""The command `python -m conformance`."""

from __future__ import annotations

import os
import shutil
import sys

import click

from conformance.judge import CannotTellError, FaultError
from conformance.report import FORMATS, Report


class NotJudgedError(click.ClickException):
    """The subject cannot be judged at all."""

    exit_code = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runtime", metavar="COMMAND", help="Judge this runtime (needs root).")
@click.option(
    "--runtime-arg",
    "arguments",
    multiple=True,
    metavar="ARG",
    help="An argument to give the runtime before each of its commands.",
)
@click.option("--layout", metavar="DIR", help="Judge this image layout.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--only",
    "pattern",
    default="*",
    metavar="PATTERN",
    help="Only these cases or requirements.",
)
@click.option("--list", "listing", is_flag=True, help="List the cases about runtimes.")
@click.option("-v", "--verbose", is_flag=True, help="Name each case while it is tried.")
def main(
    runtime: str | None,
    arguments: tuple[str, ...],
    layout: str | None,
    form: str,
    pattern: str,
    listing: bool,
    verbose: bool,
) -> None:
    """Judge an OCI runtime or an image layout by the requirements of the specifications.

    The exit status is 1 when a requirement with MUST does not hold, 2 when nothing can be judged.
    """
    if listing:
        from conformance.runtime.suite import load_cases

        for case in load_cases(pattern):
            click.echo(f"{case.name}: {', '.join(case.requirements)}")
        return
    if (runtime is None) == (layout is None):
        raise click.UsageError("give either --runtime or --layout")
    if runtime is not None:
        report = _judge_runtime(runtime, arguments, pattern, verbose)
    else:
        from conformance.layout.suite import judge_layout

        assert layout is not None
        if not os.path.isdir(layout):
            raise click.UsageError(f"{layout} is not a directory")
        report = judge_layout(layout)
    click.echo(report.text(form), nl=False)
    sys.exit(1 if report.failed else 0)


def _judge_runtime(runtime: str, arguments: tuple[str, ...], pattern: str, verbose: bool) -> Report:
    from conformance.runtime.suite import judge_runtime

    found = shutil.which(runtime)
    if found is None:
        raise click.UsageError(f"there is no command {runtime}")
    if os.geteuid() != 0:
        raise click.UsageError("containers of all kinds are made: run it as root")
    progress = (lambda name: click.echo(name, err=True)) if verbose else None
    try:
        return judge_runtime(os.path.abspath(found), arguments, pattern, progress)
    except (FaultError, CannotTellError) as error:
        raise NotJudgedError(f"{runtime} cannot be judged here: {error}") from None


if __name__ == "__main__":
    main()
