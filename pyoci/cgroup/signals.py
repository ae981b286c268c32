"""Signals to every process of a cgroup.

``cgroup.kill`` (Linux 5.14) kills a v2 tree at once. Everything else is a list of PIDs that may be
out of date when it is used: each process is held by a pidfd and signalled only if it is still in
the list after that, so that a PID that was given to another process meanwhile is never hit.
"""

from __future__ import annotations

import errno
import posix as os

from pyoci.cgroup.files import reason, write
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SIGKILL = 9
AT_ONCE = 256  # pidfds held at a time
ROUNDS = 100


def kill_tree(directory: str) -> bool:
    """Kill a v2 cgroup with everything below it; say whether the kernel can do that."""
    try:
        write(f"{directory}/cgroup.kill", "1")
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ENODEV:
            return True
        # EOPNOTSUPP: a threaded cgroup, whose processes are listed one by one.
        if error.errno == errno.EOPNOTSUPP:
            return False
        raise CgroupError(f"kill the processes of {directory}: {reason(error)}") from None
    return True


def signal_all(list_processes: Callable[[], list[int]], number: int) -> None:
    """Signal every process in the list, and those that appear in it meanwhile, once each.

    Raises CgroupError when a process may not be signalled.
    """
    done: set[int] = set()
    for _ in range(ROUNDS):
        new = [pid for pid in list_processes() if pid not in done]
        if not new:
            return
        for start in range(0, len(new), AT_ONCE):
            _signal_some(new[start : start + AT_ONCE], list_processes, number)
        done.update(new)


def _signal_some(pids: list[int], list_processes: Callable[[], list[int]], number: int) -> None:
    import _signal

    held: list[tuple[int, int]] = []
    try:
        for pid in pids:
            try:
                held.append((pid, os.pidfd_open(pid)))
            except OSError as error:
                # EINVAL: a thread of a threaded cgroup, which pidfds do not take.
                if error.errno == errno.EINVAL:
                    os.kill(pid, number)
                elif error.errno != errno.ESRCH:
                    raise
        inside = set(list_processes())
        for pid, descriptor in held:
            if pid in inside:
                try:
                    _signal.pidfd_send_signal(descriptor, number)
                except ProcessLookupError:
                    continue
    except ProcessLookupError:
        return
    except OSError as error:
        raise CgroupError(f"signal the container's processes {pids}: {reason(error)}") from None
    finally:
        for _, descriptor in held:
            os.close(descriptor)
