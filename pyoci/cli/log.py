"""Log records: one line each, in the two forms engines ask for with ``--log-format``.

JSON records have runc's members (level, msg, time) and, for errors, a stable ``code``, the
``subject`` and a ``hint``; text records are logfmt. Readers want exactly one error record: podman
reads the whole file as one JSON value, containerd takes the last one.
"""

from __future__ import annotations

import posix as os

from pyoci.errors import PyociError, reason
from pyoci.invocation import Invocation, Settings, write_all
from pyoci.lifecycle.report import now
from pyoci.spec.json_text import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@^+")


def write_record(
    invocation: Invocation,
    settings: Settings,
    level: str,
    message: str,
    members: dict[str, Any] | None = None,
) -> None:
    """Write a record to the log, standard error when there is none.

    A record that cannot be written is lost: the command's own outcome counts for more.
    """
    record: dict[str, Any] = {"level": level, "msg": one_line(message), "time": now()}
    for name, value in (members or {}).items():
        record[name] = one_line(value) if isinstance(value, str) else value
    line = encode(record) if settings.log_format == "json" else logfmt(record)
    if settings.log is None:
        invocation.complain(line)
        return
    try:
        write_all(settings.log, line.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        return


def open_log(path: str) -> int:
    """Open a log file for appending, made if need be; raises PyociError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags, 0o644)
    except OSError as error:
        raise PyociError(
            f"cannot open the log file {path}: {reason(error)}",
            subject=path,
            hint="check --log",
        ) from None


def one_line(text: str) -> str:
    """Make text fit for one line of a log: no line breaks, no control characters."""
    text = " ".join(part.strip() for part in text.splitlines()) if "\n" in text else text
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def logfmt(record: dict[str, Any]) -> str:
    """Give a record as ``time="…" level=error msg="…"``, in runc's order."""
    parts = [f'time="{record["time"]}"', f"level={record['level']}"]
    parts += [
        f"{name}={_quoted(str(value))}"
        for name, value in record.items()
        if name not in ("time", "level")
    ]
    return " ".join(parts)


def _quoted(text: str) -> str:
    if text and _PLAIN.issuperset(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
