"""Notices of out-of-memory kills: an eventfd on v1, a pollable file on v2, as one descriptor."""

from __future__ import annotations

import os
import select

from pyoci.cgroup.files import read, reason
from pyoci.errors import CgroupError


class OomWatch:
    """A descriptor to poll; `drain` then says how many kills are new. Close it when done.

    ``poll_mask`` is what to give ``poll.register``: cgroup files announce a change as POLLPRI.
    """

    __slots__ = ("_path", "_seen", "descriptor", "poll_mask")

    def __init__(self, descriptor: int, poll_mask: int, path: str, count: int) -> None:
        self.descriptor = descriptor
        self.poll_mask = poll_mask
        self._path = path
        self._seen = count

    def fileno(self) -> int:
        """Let poll and select take the object itself."""
        return self.descriptor

    def drain(self) -> int:
        """Re-arm the descriptor; give the number of kills since the last call."""
        if self.poll_mask & select.POLLPRI:
            # kernfs re-arms POLLPRI when the file is read from its start.
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            try:
                os.read(self.descriptor, 4096)
            except OSError:
                return 0
            now = kill_count(self._path)
        else:
            try:
                # v1 also signals the removal of the cgroup, where the count file is gone.
                os.eventfd_read(self.descriptor)
            except BlockingIOError:
                return 0
            if not os.path.exists(self._path):
                return 0
            now = kill_count(self._path)
            if now <= self._seen:
                # The notice comes before the kill is counted; with the killer disabled, never.
                now = self._seen + 1
        new = max(0, now - self._seen)
        self._seen = max(now, self._seen)
        return new

    def close(self) -> None:
        """Stop watching."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def kill_count(path: str) -> int:
    """Read ``oom_kill`` from memory.events (v2) or memory.oom_control (v1, Linux 4.13)."""
    for line in (read(path) or "").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.isdigit():
            return int(value)
    return 0


def watch_unified(directory: str) -> OomWatch:
    """Watch memory.events; raises CgroupError if the memory controller is not enabled."""
    path = f"{directory}/memory.events"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.read(descriptor, 4096)
    except OSError as error:
        raise CgroupError(f"watch {path}: {reason(error)}") from None
    return OomWatch(descriptor, select.POLLPRI, path, kill_count(path))


def watch_legacy(directory: str) -> OomWatch:
    """Register an eventfd at cgroup.event_control; raises CgroupError without a memory cgroup."""
    path = f"{directory}/memory.oom_control"
    try:
        control = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CgroupError(f"watch {path}: {reason(error)}") from None
    notice = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        target = os.open(f"{directory}/cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(target, f"{notice} {control}".encode())
        finally:
            os.close(target)
    except OSError as error:
        os.close(notice)
        raise CgroupError(f"watch {path}: {reason(error)}") from None
    finally:
        # The kernel keeps its own reference to the cgroup.
        os.close(control)
    return OomWatch(notice, select.POLLIN, path, kill_count(path))
