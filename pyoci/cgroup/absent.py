"""The cgroup of a container that has none: nothing is mounted, or nothing is delegated to us."""

from __future__ import annotations

from pyoci.cgroup import delegation
from pyoci.cgroup.limits import wanted_limits
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup.oom import OomWatch
    from pyoci.cgroup.undo import Undo


class AbsentCgroup:
    """Does what needs no cgroup, and says why it cannot do the rest."""

    __slots__ = ("_undelegated", "reason")

    def __init__(self, reason: str, *, undelegated: bool = False) -> None:
        self.reason = reason
        self._undelegated = undelegated

    def record(self) -> dict[str, Any]:
        """Keep the reason, for later commands."""
        return {"manager": "absent", "reason": self.reason, "undelegated": self._undelegated}

    def paths(self) -> dict[str, str]:
        """Nowhere."""
        return {}

    def create(self, resources: dict[str, Any], pid: int | None = None) -> None:  # noqa: ARG002
        """Fail if a limit is asked for; otherwise there is nothing to make."""
        wanted = wanted_limits(resources)
        if wanted:
            raise CgroupError(
                f"set {wanted[0]}: {self.reason}",
                subject=wanted[0],
                hint=self._hint(),
            )

    def apply(self, resources: dict[str, Any], undo: Undo | None = None) -> None:  # noqa: ARG002
        """Fail if a limit is asked for."""
        self.create(resources)

    def change_devices(
        self,
        old: list[dict[str, Any]],  # noqa: ARG002
        new: list[dict[str, Any]],  # noqa: ARG002
    ) -> None:
        """Fail."""
        raise self._impossible("change the devices it may use")

    def attach(
        self,
        pid: int,  # noqa: ARG002
        *,
        below: dict[str, str] | None = None,
        init_pid: int | None = None,  # noqa: ARG002
    ) -> None:
        """The process stays where it is."""
        if below:
            raise self._impossible("enter a cgroup inside the container's")

    def files_to_join(self, below: dict[str, str] | None = None) -> list[str]:  # noqa: ARG002
        """None."""
        return []

    def directory_for_clone(self, init_pid: int | None = None) -> str | None:  # noqa: ARG002
        """None."""
        return None

    def pids(self, recursive: bool = True) -> list[int]:  # noqa: ARG002
        """Nobody knows."""
        raise self._impossible("list the container's processes")

    def freeze(self) -> None:
        """Fail."""
        raise self._impossible("pause the container")

    def thaw(self) -> None:
        """Fail."""
        raise self._impossible("resume the container")

    def frozen(self) -> bool:
        """Never."""
        return False

    def kill(self, signal: int) -> None:  # noqa: ARG002
        """Fail: the caller has the init's PID, not the others'."""
        raise self._impossible("signal all processes of the container")

    def remove(self) -> None:
        """Nothing to remove."""

    def take_over(self) -> None:
        """Nothing to take."""

    def remove_idle(self) -> bool:
        """Nothing is there."""
        return True

    def exists(self) -> bool:
        """Never."""
        return False

    def stats(self) -> dict[str, Any]:
        """Fail."""
        raise self._impossible("read statistics")

    def oom_watch(self) -> OomWatch:
        """Fail."""
        raise self._impossible("watch for out-of-memory kills")

    def oom_count(self) -> int:
        """Unknown, so none."""
        return 0

    def delegate(self, uid: int) -> None:
        """Nothing to give away."""

    def namespace_mounts(self) -> list[tuple[str, str, str]]:
        """Nothing to mount."""
        return []

    def _hint(self) -> str | None:
        return delegation.hint(delegation.host_uid()) if self._undelegated else None

    def _impossible(self, what: str) -> CgroupError:
        return CgroupError(
            f"{what}: the container has no cgroup: {self.reason}",
            hint=self._hint(),
        )
