"""One call of the command line, from the arguments to the exit status."""

from __future__ import annotations

import _signal
import gc
import posix as os
import sys

from pyoci import phases
from pyoci.cli.parse import check_arguments, find_command, parse_flags
from pyoci.cli.settings import make_user_root, settle
from pyoci.cli.site_packages import install
from pyoci.cli.table import COMMANDS, GLOBAL_FLAGS
from pyoci.invocation import DEFAULT_ROOT, Invocation, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from typing import NoReturn

    from pyoci.cli.table import Command

_SIGHUP, _SIGTERM = 1, 15


def command(argv: list[str]) -> NoReturn:
    """Run the command line and end the process: what the launcher calls."""
    # A command is over before there is garbage worth collecting.
    gc.disable()
    install()
    # A warning of the interpreter's own would end up in the container's output.
    sys.stderr = None
    status = main(argv, _environment())
    _remember_modules(__file__[: -len("/pyoci/cli/main.py")])
    # Not sys.exit: taking the interpreter down costs time and has nothing to save.
    os._exit(status)


def _remember_modules(directory: str) -> None:
    try:
        from pyoci.modules import finder

        if finder is None or any(name in sys.modules for name in finder.missed):
            from pyoci.module_file import remember

            remember(directory)
    except (EOFError, ValueError, TypeError, ImportError):
        # The interpreter does not recover from a damaged .pyc; without it, it makes a new one.
        try:
            os.unlink(f"{directory}/pyoci/__pycache__/modules.{sys.implementation.cache_tag}.pyc")
        except OSError:
            return


def _environment() -> dict[str, str]:
    """Give what os.environ holds, without os; the launcher makes UTF-8 the encoding."""
    return {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in os.environ.items()
    }


def main(argv: list[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the command line in this process; gives the exit status and never raises."""
    for number in (_SIGHUP, _SIGTERM):
        if _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, _interrupt)
    words = sys.argv[1:] if argv is None else argv
    if environ is None:
        from os import environ as present

        environ = present
    return call(Invocation(words, environ))


def call(invocation: Invocation) -> int:
    """Run one invocation; gives the exit status and never raises."""
    settings = Settings()
    row = None
    try:
        words = _global_flags(invocation, settings)
        row = find_command(words[0])
        status = _run(row, words[1:], invocation, settings)
    except BaseException as error:
        from pyoci.cli.failure import tell

        _tell_phases(invocation, settings)
        return tell(error, invocation, settings, row)
    if settings.warnings:
        _tell_warnings(invocation, settings, row)
    _tell_phases(invocation, settings)
    return status


def _global_flags(invocation: Invocation, settings: Settings) -> list[str]:
    """Settle the global flags; gives the command and what follows it."""
    options, words = parse_flags(GLOBAL_FLAGS, invocation.argv, interleaved=False)
    settle(settings, options, invocation)
    if settings.debug:
        phases.record()
    if options.get("version"):
        return ["version"]
    if options.get("help") or not words:
        return ["help"]
    return words


def _run(row: Command, words: list[str], invocation: Invocation, settings: Settings) -> int:
    options, arguments = parse_flags(
        row.flags, words, interleaved=row.interleaved, command=row.name
    )
    if options.pop("help", False):
        arguments = [row.name]
        row = COMMANDS["help"]
    check_arguments(row, arguments)
    if settings.root_is_default and settings.root != DEFAULT_ROOT:
        make_user_root(settings.root)
    module = __import__(row.module, None, None, ("run",))
    status: int = module.run(invocation, settings, options, arguments)
    return status


def _tell_warnings(invocation: Invocation, settings: Settings, row: Command) -> None:
    """Log what went wrong without making the command fail.

    Where the standard streams have become a container's, a warning there would be its output: it
    is shown only to a terminal.
    """
    if settings.log is None and row.hands_on_streams and not os.isatty(invocation.stderr):
        return
    from pyoci.cli.log import one_line, write_record

    for warning in settings.warnings:
        if settings.log is not None:
            write_record(invocation, settings, "warning", warning)
        else:
            invocation.complain(one_line(f"pyoci: warning: {warning}"))


def _tell_phases(invocation: Invocation, settings: Settings) -> None:
    if not settings.debug:
        return
    from pyoci.cli.log import write_record

    phases.mark("end")
    for phase, nanoseconds in phases.take():
        milliseconds = nanoseconds / 1_000_000
        write_record(
            invocation,
            settings,
            "debug",
            f"{phase}: {milliseconds:.2f} ms",
            {"phase": phase, "milliseconds": milliseconds},
        )


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    from pyoci.cli.failure import Interrupted

    raise Interrupted(number)
