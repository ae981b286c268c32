"""Names of RUN's containers, and deleting those that a killed builder left.

A container's ID says which process made it (PID and start time), so that a later build can tell
whether that process is still there to take care of it.
"""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count()


def state_root(store_root: str) -> str:
    """The runtime's state root of a store."""
    return f"{store_root}/containers"


def container_id() -> str:
    """A new container ID of this process."""
    pid = os.getpid()
    return f"build-{pid}-{_start_time(pid)}-{next(_numbers)}"


def is_alive(name: str) -> bool:
    """Whether the process that made a container ID still runs."""
    parts = name.split("-")
    if len(parts) != 4 or parts[0] != "build" or not parts[1].isdigit():
        return True  # none of ours: not ours to delete
    return _start_time(int(parts[1])) == parts[2]


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)), "" for no process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def sweep(store_root: str) -> None:
    """Delete the containers of builders that are gone."""
    root = state_root(store_root)
    # Names that begin with "@" are the runtime's own, such as its cache of filters.
    if not os.path.isdir(root) or all(name[0] == "@" for name in os.listdir(root)):
        return
    from builder.execute.container import sweep_containers

    sweep_containers(root, is_alive)
