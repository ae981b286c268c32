"""The PID file, by which engines learn a container's process."""

from __future__ import annotations

from pyoci.paths import abspath
from pyoci.state.store import write_atomically


def write_pid_file(path: str, pid: int) -> None:
    """Write a PID file: decimal, no newline, complete at once (engines parse the raw bytes)."""
    directory, _, name = abspath(path).rpartition("/")
    write_atomically(f"{directory or '/'}/{name}", str(pid).encode("ascii"), 0o644)
