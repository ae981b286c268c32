"""The directories that are a container's cgroup: which of them are ours, so ours to remove.

The specification (runtime.md, Delete) has a container's resources removed if create made them, and
left alone if it did not. What create is going to make is foreseen and stored before anything is
made, so that a kill in between leaves no directory that nobody knows; what it really made replaces
that later.
"""

from __future__ import annotations

import posix as os
import time

from pyoci.cgroup.files import (
    children,
    make_directories,
    missing_directories,
    populated,
    processes,
    reason,
    remove_cgroups,
    remove_if_empty,
)
from pyoci.cgroup.frozen import is_frozen
from pyoci.errors import CgroupError
from pyoci.paths import isdir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REMOVE_SECONDS = 2.0


class Footprint:
    """The cgroup's directory in every hierarchy, each with the mount point it is below.

    ``made`` are directories that are ours, None while nothing is known; ``kept`` are cgroups that
    were inside before us; ``foreign`` says that the cgroup is none of ours, because it could not be
    made or is in somebody else's use: its processes are then not ours to signal.
    """

    __slots__ = ("_managed", "foreign", "kept", "leaves", "made")

    def __init__(
        self,
        leaves: dict[str, str],
        record: dict[str, Any] | None = None,
        *,
        managed: bool = False,
    ) -> None:
        self.leaves = leaves
        # systemd makes the cgroups above a scope and removes them.
        self._managed = managed
        self.made: list[str] | None = None
        self.kept: list[str] = []
        self.foreign = False
        if record is not None:
            self.made = list(record["made"])
            self.kept = list(record.get("kept") or ())
            self.foreign = bool(record.get("foreign"))

    def record(self) -> dict[str, Any]:
        """Give what ``__init__`` takes back; foresees what ``make`` is going to do."""
        if self.made is None:
            self.made = []
            for path, mountpoint in self.leaves.items():
                missing = missing_directories(path, mountpoint)
                self.made += missing[-1:] if self._managed else missing
                if not missing:
                    self.kept += children(path)
                    self.foreign = self.foreign or populated(path)
        record: dict[str, Any] = {"made": self.made}
        if self.kept:
            record["kept"] = self.kept
        if self.foreign:
            record["foreign"] = True
        return record

    def make(self, *, shared: bool = False) -> None:
        """Make the directories.

        Raises CgroupError when one cannot be made, or has processes or is frozen and ``shared`` is
        false; nothing that this call made is left then.
        """
        made: list[str] = []
        kept: list[str] = []
        self.foreign = False
        try:
            for path, mountpoint in self.leaves.items():
                try:
                    new = make_directories(path, mountpoint)
                except OSError as error:
                    raise CgroupError(
                        f"make cgroup {path}: {reason(error)}",
                        subject="/linux/cgroupsPath",
                        hint="the runtime has to be allowed to write to the cgroup tree",
                    ) from None
                made += new
                if not shared:
                    if path not in new:
                        kept += children(path)
                    self._check_fit(path, ours=path in new)
        except BaseException:
            remove_if_empty(made)
            self.made = []
            self.foreign = True
            raise
        self.made = [*made, *(path for path in self.made or () if shared and path not in made)]
        self.kept = self.kept if shared else kept

    def take_over(self) -> None:
        """Count what is there as ours: for a container whose record is lost."""
        self.made = [path for path in self.leaves if isdir(path)]
        self.kept = []
        self.foreign = False

    def check_fit(self) -> None:
        """Refuse a cgroup that exists with processes or frozen; raises CgroupError."""
        self.foreign = False
        for path in self.leaves:
            try:
                self._check_fit(path, ours=False)
            except CgroupError:
                self.foreign = True
                raise

    def wait_empty(self, seconds: float) -> None:
        """Wait until no process is inside, or time is up."""
        deadline = time.monotonic() + seconds
        pause = 0.0002
        while any(populated(path) for path in self.leaves) and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _check_fit(self, path: str, *, ours: bool) -> None:
        if not ours and populated(path):
            inside = processes(path, recursive=True)
            raise CgroupError(
                f"cgroup {path} is in use: processes "
                f"{inside or 'of another PID namespace'} are inside",
                subject="/linux/cgroupsPath",
                hint="give every container a cgroupsPath of its own, or end those processes",
            )
        if is_frozen(path):
            raise CgroupError(
                f"cgroup {path} is frozen: a process in it would not run",
                subject="/linux/cgroupsPath",
                hint="thaw it, or the cgroup above it that is frozen",
            )

    def exists(self) -> bool:
        """Say whether any of the directories is there and ours."""
        return not self.foreign and any(isdir(path) for path in self.leaves)

    def remove_idle(self) -> bool:
        """Remove what is ours if there is nothing inside; false when there is, or may be."""
        made = self.made or []
        if self.foreign or not all(path in made for path in self.leaves):
            return False
        for path in self.leaves:
            try:
                os.rmdir(path)
            except FileNotFoundError:
                continue
            except OSError:
                return False
        remove_if_empty([path for path in made if path not in self.leaves])
        return True

    def remove(self) -> None:
        """Remove what is ours, waiting for dying processes; raises CgroupError."""
        if self.foreign:
            return
        made = self.made or []
        ours = [path for path in self.leaves if path in made]
        for path in self.leaves:
            if path not in made:
                # The cgroup was there before us, but what is inside came with the container.
                ours += [child for child in children(path) if child not in self.kept]
        remove_cgroups(ours, REMOVE_SECONDS)
        remove_if_empty([path for path in made if path not in self.leaves])
