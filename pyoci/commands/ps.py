"""``pyoci ps``."""

from __future__ import annotations

import shutil
import subprocess

from pyoci.errors import HostError, PyociError, UsageError, reason
from pyoci.lifecycle.processes import processes
from pyoci.paths import SEARCH_PATH
from pyoci.spec.json_text import encode
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """List a container's processes: their PIDs, or the lines that ps(1) has for them."""
    form = options.get("format") or "table"
    if form not in ("table", "json"):
        raise UsageError(
            f"invalid format option: {form}", subject="--format", hint="use table or json"
        )
    pids = processes(Entry(settings.root, arguments[0]))
    if form == "json":
        # Go writes an empty list that it never filled as null.
        invocation.write(encode(pids or None) + "\n")
        return 0
    lines = _ps(arguments[1:] or ["-ef"], invocation).splitlines()
    for line in [*lines[:1], *filter_lines(lines, pids)]:
        invocation.write(f"{line}\n")
    return 0


def filter_lines(lines: list[str], pids: list[int]) -> list[str]:
    """Give those lines of ps(1) whose PID column has one of the PIDs; the first is the header.

    Raises PyociError when there is no such column.
    """
    header = lines[0].split() if lines else []
    if "PID" not in header:
        raise PyociError(
            "couldn't find PID field in ps output",
            hint="give ps options that make it print a PID column, such as -o pid,comm",
        )
    column = header.index("PID")
    wanted = {str(pid) for pid in pids}
    return [line for line in lines[1:] if wanted.intersection(line.split()[column : column + 1])]


def _ps(arguments: list[str], invocation: Invocation) -> str:
    path = invocation.environ.get("PATH") or SEARCH_PATH
    program = shutil.which("ps", path=path)
    if program is None:
        raise HostError(
            "the host has no ps program in $PATH", hint="install procps, or use --format json"
        )
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=invocation.environ,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except OSError as error:
        raise HostError(f"run {program}: {reason(error)}", subject=program) from None
    if done.returncode != 0:
        text = " ".join(done.stdout.split())
        raise PyociError(
            f"{program} {' '.join(arguments)}: exit status {done.returncode}: {text}",
            hint="what follows the container's ID are options of ps",
        )
    return done.stdout
