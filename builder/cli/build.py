"""`pyoci-builder build`: a Dockerfile and a context become an image in the store."""

from __future__ import annotations

import os
import sys

import click

from builder.cli.dockerfile_options import (
    build_args_option,
    dockerfile_option,
    read_build_args,
    read_standard_input,
)
from builder.cli.interruption import stopping_on_signals
from builder.cli.output_file import write_text
from builder.cli.registry_options import options_of, registry_options
from builder.cli.store_option import store_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.registry.options import Options
    from builder.solve import BuildRequest, BuildResult
    from builder.store import Store

_LARGEST_SECRET = 500 << 10
_MOST_PROBLEMS = 5
ENTITLEMENTS = ("network.host", "security.insecure")


@click.command("build", short_help="Build an image from a Dockerfile.")
@click.argument("context", metavar="CONTEXT")
@dockerfile_option
@click.option("-t", "--tag", "names", multiple=True, metavar="NAME", help="Name of the image.")
@build_args_option
@click.option("--target", default="", metavar="STAGE", help="Stage to build, by name or index.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    help="Also write the image to an OCI image layout.",
)
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Label of the image.")
@click.option(
    "--build-context",
    "contexts",
    multiple=True,
    metavar="NAME=VALUE",
    help="A further context: a directory, docker-image://NAME or oci-layout://DIR.",
)
@click.option("--platform", metavar="OS/ARCH", help="Platform to build for.")
@click.option("--no-cache", is_flag=True, help="Execute every step.")
@click.option(
    "--compression",
    type=click.Choice(["gzip", "zstd", "none"]),
    default="gzip",
    show_default=True,
    help="Of the layers that are made.",
)
@click.option("--compression-level", type=int, metavar="N", help="1 to 9 for gzip, to 22 for zstd.")
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="id=ID[,src=FILE|,env=VAR]",
    help="A secret for RUN --mount=type=secret.",
)
@click.option("--ssh", "agents", multiple=True, metavar="ID[=SOCKET]", help="An SSH agent for RUN.")
@click.option(
    "--allow",
    multiple=True,
    type=click.Choice(ENTITLEMENTS),
    help="Let RUN use what it usually may not.",
)
@click.option("--parallel", type=click.IntRange(min=0), default=0, help="RUN steps at once.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "tty", "quiet"]),
    default="auto",
    show_default=True,
    help="How progress is shown.",
)
@click.option("-q", "--quiet", is_flag=True, help="The same as --progress=quiet.")
@click.option(
    "--check/--no-check",
    "checked",
    default=True,
    show_default=True,
    help="Look for programs that cannot start, and for waste, in the new image.",
)
@click.option("--iidfile", metavar="FILE", help="Write the image's digest to a file.")
@click.option("--metadata-file", metavar="FILE", help="Write what was built to a JSON file.")
@click.option("--sign", "key_file", metavar="KEY", help="Sign the image with a private key.")
@click.option("--pull", is_flag=True, help="Ask registries even for images that the store has.")
@click.option("--offline", is_flag=True, help="Ask no registry: the store must have all images.")
@click.option("--push", is_flag=True, help="Push the image under its names.")
@registry_options
@store_option
def command(**options: Any) -> None:
    """Build an image from the Dockerfile of CONTEXT into the store.

    Every step says CACHED, or why it was executed. With SOURCE_DATE_EPOCH set, in the environment
    or as build argument, the same files give the same digest.
    """
    from builder.progress import new_display
    from builder.store import Store, default_root

    request = _request(**options)
    kind = "quiet" if options["quiet"] else options["progress"]
    key = _load_key(options["key_file"])
    root = options["store_root"] or default_root(os.environ, os.geteuid())

    from builder.rootless import enter_namespaces

    enter_namespaces()
    from builder.solve import build

    with Store(root, warn=lambda text: click.echo(text, err=True)) as store:
        display = new_display(kind, sys.stderr, os.environ)
        try:
            with stopping_on_signals() as cancellation:
                result = build(store, request, display, cancellation)
        finally:
            display.close()
        if key is not None:
            _sign(store, result, key)
        if options["output"]:
            _export(store, result, options["output"])
        if options["push"]:
            # A password is asked for once.
            _push(store, result, request.registries or options_of(options), kind)
    _finish(result, options, is_quiet=kind == "quiet")


def _request(**options: Any) -> BuildRequest:
    """The build that the options ask for. Raises click.UsageError."""
    from builder.dockerfile import parse_platform
    from builder.layer.compression import Compression
    from builder.solve import BuildRequest
    from builder.store.names import normalize

    for name in options["names"]:
        normalize(name)  # before anything is built
    if options["push"] and not options["names"]:
        raise click.UsageError("--push needs a name to push: -t NAME")
    text = None
    dockerfile = options["dockerfile"]
    if dockerfile == "-":
        dockerfile, text = "", read_standard_input()
    level = options["compression_level"]
    platform = None
    if options["platform"]:
        try:
            platform = parse_platform(options["platform"])
        except ValueError as error:
            raise click.UsageError(f"--platform: {error}") from None
    context = options["context"]
    if "://" in context or context == "-":
        raise click.UsageError(f"the context {context!r} is no directory of this machine")
    return BuildRequest(
        context=context,
        dockerfile=dockerfile,
        dockerfile_text=text,
        names=tuple(options["names"]),
        target=options["target"],
        build_args=read_build_args(options["build_args"]),
        labels=dict(_pair("--label", value) for value in options["labels"]),
        contexts=dict(_pair("--build-context", value) for value in options["contexts"]),
        platform=platform,
        compression=Compression(options["compression"], -1 if level is None else level),
        no_cache=options["no_cache"],
        epoch=_epoch(options["build_args"]),
        secrets=dict(_secret(value) for value in options["secrets"]),
        agents=dict(_agent(value) for value in options["agents"]),
        allow=frozenset(options["allow"]),
        parallel=options["parallel"],
        registries=None if options["offline"] else options_of(options),
        pull=options["pull"],
        check=options["checked"],
    )


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{option} {text!r} must be of the form NAME=VALUE")
    return name, value


def _epoch(build_args: tuple[str, ...]) -> int | None:
    """SOURCE_DATE_EPOCH of the environment, unless a build argument says otherwise."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text or any(value.partition("=")[0] == "SOURCE_DATE_EPOCH" for value in build_args):
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 11:
        raise click.UsageError(f"SOURCE_DATE_EPOCH={text!r} is not a number of seconds since 1970")
    return int(text)


def _secret(text: str) -> tuple[str, bytes]:
    """`id=ID,src=FILE`, `id=ID,env=VAR`; with neither, the variable or else the file named ID."""
    fields = {}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals or key not in ("id", "src", "source", "env", "type"):
            raise click.UsageError(f"--secret {text!r}: unexpected {field!r}")
        fields["src" if key == "source" else key] = value
    name = fields.get("id")
    if not name:
        raise click.UsageError(f"--secret {text!r} has no id=")
    variable: str | None = fields.get("env")
    kind = fields.get("type")
    if variable is None and "src" not in fields and (kind == "env" or name in os.environ):
        variable = name
    if kind == "env" and "src" in fields:
        variable = fields["src"]
    if variable:
        content = os.environ.get(variable)
        if content is None:
            raise click.UsageError(f"--secret {text!r}: the variable {variable} is not set")
        return name, os.fsencode(content)
    path = os.path.expanduser(fields.get("src", name))
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_SECRET + 1)
    except OSError as error:
        raise click.UsageError(f"--secret {text!r}: {path}: {error.strerror}") from None
    if len(data) > _LARGEST_SECRET:
        raise click.UsageError(f"--secret {text!r}: more than {_LARGEST_SECRET} bytes")
    return name, data


def _agent(text: str) -> tuple[str, str]:
    name, _, socket = text.partition("=")
    socket = socket or os.environ.get("SSH_AUTH_SOCK", "")
    if not name or not socket:
        raise click.UsageError(f"--ssh {text!r}: no agent (SSH_AUTH_SOCK is not set)")
    return name, os.path.abspath(socket)


def _load_key(path: str | None) -> Any:
    """The private key to sign with, asked for its password before anything is built."""
    if path is None:
        return None
    from builder.signing import load_private_key
    from builder.signing.password import password_source

    return load_private_key(path, password_source(os.environ, None))


def _sign(store: Store, result: BuildResult, key: Any) -> None:
    from builder.signing import sign_image

    for name in result.names or (None,):
        sign_image(store.layout, result.descriptor, key, name)


def _push(store: Store, result: BuildResult, registries: Options, kind: str) -> None:
    """Push the image under every name it was given."""
    from builder.progress import new_display
    from builder.registry.reference import Reference
    from builder.registry.store_images import push_local

    with stopping_on_signals() as cancellation:
        display = new_display(kind, sys.stderr, os.environ)
        registries = registries.replace(cancellation=cancellation)
        try:
            for name in result.names:
                reference = Reference.parse(name)
                push_local(
                    store.layout,
                    result.descriptor,
                    reference,
                    registries,
                    display,
                    origins=store.origins,
                )
        finally:
            display.close()


def _export(store: Store, result: BuildResult, path: str) -> None:
    from builder.signing import copy_signatures
    from builder.solve.output import export_layout

    layout = export_layout(store.layout, result.descriptor, path, result.names)
    copy_signatures(store.layout, layout, result.descriptor)
    layout.tidy()


def _finish(result: BuildResult, options: dict[str, Any], *, is_quiet: bool) -> None:
    """Say what was built: the digest on standard output, the rest on standard error."""
    if options["iidfile"]:
        write_text(options["iidfile"], str(result.descriptor.digest))
    if options["metadata_file"]:
        import json

        metadata = {
            "containerimage.digest": result.descriptor.digest,
            "containerimage.descriptor": result.descriptor.to_json(),
            "containerimage.config.digest": result.config_digest,
            "image.name": ",".join(result.names),
        }
        write_text(options["metadata_file"], json.dumps(metadata, indent=2) + "\n")
    if not is_quiet:
        from builder.progress.text import size

        for finding in result.findings:
            click.echo(f"{finding.rule.name}: {finding.message} (line {finding.range})", err=True)
        _show_problems(result)
        steps = f"{result.cached} of {result.cached + result.executed} steps cached"
        what = f"{result.layers} layers, {size(result.size)}, {steps}"
        for name in result.names or ("image",):
            click.echo(f"{name}: {what}", err=True)
        if options["output"]:
            click.echo(f"written to {options['output']}", err=True)
    click.echo(result.descriptor.digest)


def _show_problems(result: BuildResult) -> None:
    """What is wrong with the image; of many of a kind, some."""
    from itertools import groupby

    for name, group in groupby(result.problems, lambda problem: problem.check.name):
        problems = list(group)
        for problem in problems[:_MOST_PROBLEMS]:
            click.echo(str(problem), err=True)
        if len(problems) > _MOST_PROBLEMS:
            more = len(problems) - _MOST_PROBLEMS
            click.echo(f"{name}: {more} more: `pyoci-builder check --image` shows all", err=True)
