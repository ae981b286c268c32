"""The command `pyoci-builder`: finds the module of a subcommand and turns errors into one line.

Commands are listed here with their one-line help, so that neither start nor `--help` loads them.
"""

from __future__ import annotations

import os
import sys

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

COMMANDS = {
    "build": ("builder.cli.build", "Build an image from a Dockerfile."),
    "check": ("builder.cli.check", "Find mistakes in a Dockerfile or an image."),
    "copy": ("builder.cli.copy", "Copy an image between registries, layouts and archives."),
    "history": ("builder.cli.history", "Show how an image was made, step by step."),
    "images": ("builder.cli.images", "List the images of the store."),
    "import": ("builder.cli.imports", "Make an image of a root file system or take one over."),
    "inspect": ("builder.cli.inspect", "Show an image's manifest and configuration."),
    "keygen": ("builder.cli.keygen", "Make a key pair for signing."),
    "load": ("builder.cli.load", "Read images from an archive."),
    "login": ("builder.cli.login", "Keep credentials for a registry."),
    "logout": ("builder.cli.logout", "Forget the credentials for a registry."),
    "prune": ("builder.cli.prune", "Remove what no image in the store needs."),
    "pull": ("builder.cli.pull", "Get images from registries."),
    "push": ("builder.cli.push", "Put an image into a registry."),
    "rm": ("builder.cli.rm", "Remove images from the store."),
    "save": ("builder.cli.save", "Write images to an archive."),
    "sign": ("builder.cli.sign", "Sign an image."),
    "tag": ("builder.cli.tag", "Give an image another name."),
    "unpack": ("builder.cli.unpack", "Make a runtime bundle of an image."),
    "verify": ("builder.cli.verify", "Check an image's signature."),
}
INTERRUPTED = 130
FAILED = 1
USAGE = 2


class Commands(click.Group):
    """The group whose commands are loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """See click."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """See click."""
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click; an unknown command gets the closest known one."""
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            from builder.dockerfile.suggestions import did_you_mean

            meant = did_you_mean(name, COMMANDS)
            more = f" (did you mean {meant}?)" if meant else ""
            ctx.fail(f"no such command {name!r}{more}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """See click; without loading a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if not value or ctx.resilient_parsing:
        return
    import pyoci

    click.echo(f"pyoci-builder version {pyoci.__version__}")
    ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How errors are written.",
)
@click.option("--debug", is_flag=True, help="Show a traceback of errors that should not happen.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context, log_format: str, debug: bool) -> None:
    """Build, sign and inspect OCI images. No daemon, no root needed."""
    ctx.obj = Settings(log_format, debug=debug)
    _settings.append(ctx.obj)


class Settings:
    """The options that stand before the command."""

    def __init__(self, log_format: str, *, debug: bool) -> None:
        self.log_format = log_format
        self.debug = debug


_settings: list[Settings] = []


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the console script: exits with the command's status."""
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run a command line; gives the exit status. Errors are one line on standard error."""
    _settings.clear()
    try:
        status = cli.main(args=list(arguments), prog_name="pyoci-builder", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        _report(_current(), {"code": "interrupted", "msg": "interrupted"})
        return INTERRUPTED
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"see {error.ctx.command_path} --help"
        fields = {"code": "usage", "msg": error.format_message(), "hint": hint}
        _report(_current(), fields)
        return USAGE if isinstance(error, click.UsageError) else FAILED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        return _failed(error, _current())


def _current() -> Settings:
    return _settings[-1] if _settings else Settings("text", debug=False)


def _failed(error: Exception, settings: Settings) -> int:
    from builder.errors import BuilderError

    if isinstance(error, BuilderError):
        report = getattr(error, "report", None)
        if callable(report) and settings.log_format == "text":
            click.echo(report(), err=True)
        fields = {
            "code": error.code,
            "msg": error.message,
            "hint": error.hint or "",
            "subject": error.subject or "",
        }
        _report(settings, fields)
        return error.exit_status
    if _is_dockerfile_error(error):
        _report_dockerfile_error(error, settings)
        return FAILED
    if settings.debug:
        import traceback

        traceback.print_exc()
    what = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    hint = "" if isinstance(error, OSError) else "this is a bug; --debug shows where"
    _report(settings, {"code": "unexpected", "msg": what.splitlines()[0], "hint": hint})
    return FAILED


def _is_dockerfile_error(error: Exception) -> bool:
    module = sys.modules.get("builder.dockerfile.errors")
    return module is not None and isinstance(error, module.DockerfileError)


def _report_dockerfile_error(error: Any, settings: Settings) -> None:
    if settings.log_format == "text":
        click.echo(f"pyoci-builder: {error}", err=True)
        return
    _report(
        settings,
        {
            "code": "dockerfile",
            "msg": error.message,
            "hint": error.hint,
            "file": error.filename,
            "line": error.line or None,
            "column": error.columns[0] if error.columns else None,
        },
    )


def _report(settings: Settings, fields: dict[str, Any]) -> None:
    """Write an error: one line of text, or one JSON object."""
    if settings.log_format == "json":
        import json

        kept = {name: value for name, value in fields.items() if value not in ("", None)}
        click.echo(json.dumps({"level": "error", **kept}), err=True)
        return
    text = " ".join(str(fields["msg"]).split("\n"))
    hint = f" ({fields['hint']})" if fields.get("hint") else ""
    click.echo(f"pyoci-builder: {text}{hint}", err=True)
