"""Moving processes between v1 cgroups without waiting for it.

Every move takes a lock against all forks of the machine (cgroup_threadgroup_rwsem), and the first
one after a while waits for an RCU grace period, which is 5 to 20 ms. Moves that follow within that
time again do not wait. Who knows that he is going to move a process therefore announces it: a
thread moves itself to where it is already, and waits, while the rest of the runtime goes on.
"""

from __future__ import annotations

import os

from pyoci.cgroup.hierarchies import read_hierarchies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def announce() -> None:
    """Have the kernel get ready for moves; returns at once, and nothing depends on it."""
    import _thread

    try:
        _thread.start_new_thread(move_nowhere, (_thread.get_native_id,))
    except RuntimeError:
        # No thread to be had (RLIMIT_NPROC, pids.max): the moves take their time then.
        return


def move_nowhere(native_id: Callable[[], int]) -> None:
    """Move the calling thread to the v1 cgroup that it is in.

    By its number, not as "0", for which the kernel does without the lock.
    """
    hierarchies = read_hierarchies().legacy
    if not hierarchies:
        return
    own = hierarchies[0]
    try:
        descriptor = os.open(
            f"{own.mountpoint}{own.own.rstrip('/')}/tasks", os.O_WRONLY | os.O_CLOEXEC
        )
        try:
            os.write(descriptor, str(native_id()).encode())
        finally:
            os.close(descriptor)
    except OSError:
        return
