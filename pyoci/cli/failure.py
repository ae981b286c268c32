"""Tells why a command failed: once in the log, once on standard error, on one line each.

Never a traceback: standard error may be the container's, and engines take one line of it.
"""

from __future__ import annotations

import errno

from pyoci.cli.log import one_line, write_record
from pyoci.errors import PyociError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cli.table import Command
    from pyoci.invocation import Invocation, Settings

_SIGPIPE = 13


class Interrupted(BaseException):
    """A signal asks this process to end; what it has begun is undone on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class MissingLibraryError(PyociError):
    """A library that only some commands need is not installed for this interpreter."""

    code = "missing-library"


class InternalError(PyociError):
    """Something happened that no part of the runtime expects: a defect of ours."""

    code = "internal"


def tell(
    error: BaseException, invocation: Invocation, settings: Settings, row: Command | None
) -> int:
    """Report an exception that ended a command; gives the exit status.

    ``row`` is the command, None when it ended before it was known which.
    """
    doing = f"pyoci {row.name}" if row else "pyoci"
    if isinstance(error, BrokenPipeError):
        return 128 + _SIGPIPE
    if isinstance(error, Interrupted | KeyboardInterrupt):
        number = error.number if isinstance(error, Interrupted) else 2
        _tell(PyociError(f"{doing} was interrupted by signal {number}"), invocation, settings)
        return 128 + number
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("pyoci"):
        error = MissingLibraryError(
            f"{doing} needs the Python library {error.name}, which is not installed",
            subject=error.name,
            hint="install pyoci with pip: it brings its libraries along",
        )
    if not isinstance(error, PyociError):
        if settings.debug:
            _tell_traceback(error, invocation, settings)
        error = InternalError(
            f"internal error in {doing}: {_unexpected(error)}",
            hint="a defect of pyoci: please report it, with what --debug --log FILE writes",
        )
    _tell(error, invocation, settings)
    return row.failure if row else 1


def members(error: PyociError) -> dict[str, Any]:
    """Give what an error's log record says beside its message."""
    found: dict[str, Any] = {"code": error.code}
    if error.subject is not None:
        found["subject"] = error.subject
    if error.hint is not None:
        found["hint"] = error.hint
    number = getattr(error, "errno", 0)
    if number:
        found["errno"] = errno.errorcode.get(number, str(number))
    return found


def _tell(error: PyociError, invocation: Invocation, settings: Settings) -> None:
    if settings.log is not None or settings.log_format == "json":
        write_record(invocation, settings, "error", str(error), members(error))
        if settings.log is None:
            return
    invocation.complain(one_line(f"pyoci: {error}"))


def _unexpected(error: BaseException) -> str:
    """Describe an exception without strerror's words.

    Docker and podman look for them and would say that the user's command is missing.
    """
    kind = type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        name = errno.errorcode.get(error.errno, str(error.errno))
        on = f" on {error.filename!r}" if error.filename is not None else ""
        return f"{kind} ({name}){on}"
    return f"{kind}: {error}" if str(error) else kind


def _tell_traceback(error: BaseException, invocation: Invocation, settings: Settings) -> None:
    """Log where an unexpected exception came from; only in a log file, never on stderr."""
    if settings.log is None:
        return
    frames = []
    entry = error.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        frames.append(f"{code.co_filename}:{entry.tb_lineno} in {code.co_name}")
        entry = entry.tb_next
    write_record(
        invocation,
        settings,
        "debug",
        f"{_unexpected(error)}, raised at {' < '.join(reversed(frames))}",
    )
