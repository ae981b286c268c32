"""`pyoci-builder check`: what is wrong with a Dockerfile, or with an image that is there."""

from __future__ import annotations

import os

import click

from builder.cli.dockerfile_options import (
    build_args_option,
    dockerfile_option,
    read_build_args,
    read_standard_input,
)
from builder.cli.store_option import StoreOpener, store_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.dockerfile import Platform
    from builder.dockerfile.lint import CheckResult
    from builder.dockerfile.resolver import BaseConfig
    from builder.store import Store

FOUND = 1


@click.command("check", short_help="Find mistakes in a Dockerfile or an image.")
@click.argument("context", metavar="[CONTEXT]", default="")
@dockerfile_option
@click.option("--target", default="", metavar="STAGE", help="Only this stage and what it needs.")
@build_args_option
@click.option("--image", "images", multiple=True, metavar="IMAGE", help="Check an image instead.")
@click.option("--platform", metavar="OS/ARCH", help="Which image of an index; else this machine's.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@store_option
def command(
    context: str,
    dockerfile: str,
    target: str,
    build_args: tuple[str, ...],
    images: tuple[str, ...],
    platform: str | None,
    form: str,
    store_root: str | None,
) -> int:
    """Check the Dockerfile of CONTEXT without building it, or images of the store or a layout.

    The exit status is 1 when something was found. `# check=skip=Rule` in the Dockerfile silences a
    rule; docs/dockerfile/rules/ and docs/image-checks/ explain each.
    """
    if images and (context or dockerfile):
        raise click.UsageError("check either a Dockerfile or --image")
    with StoreOpener(store_root) as store:
        if images:
            return _check_images(images, platform, form, store)
        root = store_root or _default_root()
        known = store() if os.path.isdir(root) else None
        return _check_dockerfile(context or ".", dockerfile, target, build_args, form, known)


def _default_root() -> str:
    from builder.store import default_root

    return default_root(os.environ, os.geteuid())


def _check_images(
    names: tuple[str, ...], platform: str | None, form: str, store: StoreOpener
) -> int:
    from builder.checks import check_image
    from builder.image import Image
    from builder.images.locate import locate
    from builder.images.platform_option import chosen_platform

    wanted = chosen_platform(platform)
    results = []
    for name in names:
        located = locate(name, store)
        problems = check_image(Image.load(located.layout, located.descriptor, wanted))
        results.append((name, problems))
    if form == "json":
        _print_json([{"image": n, "problems": [p.to_json() for p in ps]} for n, ps in results])
    else:
        for name, problems in results:
            for problem in problems:
                click.echo(f"{name}: {problem}")
    return FOUND if any(problems for _, problems in results) else 0


def _check_dockerfile(
    context: str,
    path: str,
    target: str,
    build_args: tuple[str, ...],
    form: str,
    store: Store | None,
) -> int:
    from builder.context.tree import Tree
    from builder.dockerfile import Request
    from builder.dockerfile.lint import check
    from builder.solve.sources import read_dockerfile, read_ignore_rules

    text = None
    if path == "-":
        path, text = "", read_standard_input()
    tree = Tree(context, "the build context", is_context=True)
    parsed = read_dockerfile(tree, path, text)
    request = Request(
        target=target,
        build_args=read_build_args(build_args),
        ignore=read_ignore_rules(tree, path),
    )
    result = check(parsed, _known_configs(store), request)
    return _report(result, parsed.filename, parsed.lines, form)


def _known_configs(store: Store | None) -> BaseConfig:
    """Configurations of the images that are here; nothing is pulled for a check."""
    from builder.errors import ImageNotFoundError, InvalidReferenceError

    def known(reference: str, platform: Platform) -> Mapping[str, Any] | None:
        if store is None:
            return None
        try:
            return store.resolve_base(reference, platform).config
        except (ImageNotFoundError, InvalidReferenceError):
            return None

    return known


def _report(result: CheckResult, filename: str, lines: Any, form: str) -> int:
    if form == "json":
        _print_json(
            {
                "file": filename,
                "findings": [
                    {
                        "rule": finding.rule.name,
                        "message": finding.message,
                        "page": finding.rule.page,
                        "start": finding.range.start,
                        "end": finding.range.end,
                    }
                    for finding in result.findings
                ],
                "error": None if result.error is None else result.error.message,
            }
        )
    else:
        from builder.progress.text import shown

        for finding in result.findings:
            click.echo(f"{filename}:{finding.range}: {finding.rule.name}: {finding.message}")
            for number in range(finding.range.start, finding.range.end + 1):
                text = lines[number - 1].encode("utf-8", "surrogateescape")
                click.echo(f"{number:>4} | {shown(text)}")
        if result.error is not None:
            click.echo(str(result.error), err=True)
    return FOUND if result.findings or result.error is not None else 0


def _print_json(document: Any) -> None:
    import json

    click.echo(json.dumps(document, indent=2))
