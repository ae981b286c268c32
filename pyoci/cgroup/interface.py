"""What every cgroup backend does: the names the rest of the runtime uses. Read by mypy and people.

Never imported at run time. All methods raise CgroupError; errors about a value carry the JSON
pointer of config.json (``/linux/resources/…``) as ``subject``.
"""

from __future__ import annotations

from typing import Any, Protocol

from pyoci.cgroup.oom import OomWatch
from pyoci.cgroup.undo import Undo

Resources = dict[str, Any]
Rule = dict[str, Any]


class Cgroup(Protocol):
    """A container's cgroup in all hierarchies of the host."""

    def record(self) -> dict[str, Any]:
        """What state.json keeps. Call it before ``create``: it foresees what will be made."""

    def paths(self) -> dict[str, str]:
        """Directory per controller (v1), or under the key "" (v2), as in runc's state.json."""

    def create(self, resources: Resources, pid: int | None = None) -> None:
        """Make the cgroup, empty; on v1 install the device list (nothing may run without it).

        Refused when the cgroup exists and is frozen or has processes. ``resources`` is
        linux.resources; controllers it needs are enabled on v2. ``pid`` is not used: with systemd
        the scope is started by ``attach``, which has a process to put inside.
        """

    def apply(self, resources: Resources, undo: Undo | None = None) -> None:
        """Set limits. What ``resources`` does not mention is left alone; nor are devices touched.

        So it serves create and update. v1 settings are converted on v2, refused if that cannot be.
        With ``undo`` the caller can take back what had been set before an error.
        """

    def change_devices(self, old: list[Rule], new: list[Rule]) -> None:
        """Replace the device list of a container that runs: all rules, without the defaults.

        What both lists allow is allowed all the time.
        """

    def attach(
        self, pid: int, *, below: dict[str, str] | None = None, init_pid: int | None = None
    ) -> None:
        """Put a process into the cgroup, in all hierarchies (a v2 one it is already in is free).

        exec: ``below`` is a path inside the cgroup per controller ("" for all of them), and
        ``init_pid`` names the process whose cgroup is taken when the container has made itself
        sub-cgroups and the top may hold no processes any more (v2).
        """

    def files_to_join(self, below: dict[str, str] | None = None) -> list[str]:
        """The v1 files in which a process writes 0 to join by itself, faster than ``attach``.

        Where that has failed ``attach`` still puts it inside.
        """

    def directory_for_clone(self, init_pid: int | None = None) -> str | None:
        """The v2 directory, if any, to open for CLONE_INTO_CGROUP (clone3, Linux 5.7).

        It is all of the cgroup unless there are ``files_to_join`` as well: then attach has to look.
        """

    def pids(self, recursive: bool = True) -> list[int]:
        """The processes inside, as seen from our PID namespace."""

    def freeze(self) -> None:
        """Stop all processes, and wait until they are stopped."""

    def thaw(self) -> None:
        """Let them run again."""

    def frozen(self) -> bool:
        """Say whether the cgroup is frozen."""

    def kill(self, signal: int) -> None:
        """Send a signal to every process inside, also to those being forked meanwhile."""

    def remove(self) -> None:
        """Remove the cgroup, all cgroups inside it, and the ancestors made by us if they are empty.

        Only what we made; nothing there is no error. Waits up to 2 s for dying processes.
        """

    def remove_idle(self) -> bool:
        """Remove the cgroup at once if that can be done; false where it takes ``remove``.

        The kernel removes no cgroup with a process or another cgroup inside: after this there is
        nothing left to kill.
        """

    def take_over(self) -> None:
        """Count what is there as made by us: for delete, when the container's record is lost."""

    def exists(self) -> bool:
        """Say whether any of the directories exists."""

    def stats(self) -> dict[str, Any]:
        """The ``data`` of runc's ``events --stats`` (network interfaces are not a cgroup's)."""

    def oom_watch(self) -> OomWatch:
        """A descriptor to poll for out-of-memory kills; the caller closes it."""

    def oom_count(self) -> int:
        """How many processes have been killed for want of memory."""

    def delegate(self, uid: int) -> None:
        """Give the cgroup to a host user (runtime-spec, "Cgroup ownership"); nothing on v1."""

    def namespace_mounts(self) -> list[tuple[str, str, str]]:
        """For a mount of type cgroup: (controllers, the cgroup's directory, mount point's name).

        v2: one entry with controllers "". v1: one per hierarchy, named "cpu,cpuacct" where two
        share it (the links cpu and cpuacct are the caller's); ``name=systemd`` for a named one.
        """
