"""The state object of the specification (runtime.md, State), for ``state``, hooks and listeners."""

from __future__ import annotations

import posix as os

from pyoci.spec.json_text import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.state.store import State


def state_object(state: State, status: str, pid: int) -> dict[str, Any]:
    """Give the state of a container as the specification wants it."""
    result: dict[str, Any] = {
        "ociVersion": state.oci_version,
        "id": state.id,
        "status": status,
    }
    if pid:
        result["pid"] = pid
    result["bundle"] = state.bundle
    if state.annotations:
        result["annotations"] = state.annotations
    return result


def state_text(state: State, status: str, pid: int) -> str:
    """Give the state as the JSON text that hooks read."""
    return encode(state_object(state, status, pid))


def split_state_text(state: State, status: str) -> tuple[str, str]:
    """Give the state's JSON text in two parts, before and after the pid."""
    marker = 987654321
    head, _, tail = state_text(state, status, marker).partition(str(marker))
    return head, tail


def owner_name(uid: int) -> str:
    """Give a user's name, empty when there is none, for ``state`` and ``list``."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (KeyError, ImportError):
        return ""


def now() -> str:
    """Give the time as RFC 3339 in UTC with nanoseconds."""
    import time

    nanoseconds = time.time_ns()
    seconds = time.gmtime(nanoseconds // 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", seconds) + f".{nanoseconds % 1_000_000_000:09}Z"


def caller() -> tuple[int, int]:
    """Give this process as (pid, start time)."""
    from pyoci.state.process import stat_fields

    pid = os.getpid()
    return pid, stat_fields(pid)[1]
