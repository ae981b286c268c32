"""Which process a PID means: PIDs are reused, one with its start time is not (proc_pid_stat(5))."""

from __future__ import annotations

import posix as os

GONE = ""


def stat_fields(pid: int) -> tuple[str, int]:
    """Give a process's (state letter, start time in ticks since boot); ``("", 0)`` if gone."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return GONE, 0
    try:
        data = os.read(descriptor, 4096)
    except OSError:
        return GONE, 0
    finally:
        os.close(descriptor)
    # The command name may hold spaces and parentheses: the last ")" ends it.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) < 20:
        return GONE, 0
    return fields[0].decode("ascii"), int(fields[19])


def is_alive(pid: int, start_time: int) -> bool:
    """Say whether the process that had this PID and start time still runs (zombies do not)."""
    if pid <= 0:
        return False
    state, started = stat_fields(pid)
    return state not in (GONE, "Z", "X", "x") and started == start_time
