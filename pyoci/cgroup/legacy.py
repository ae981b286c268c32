"""The v1 backend, and with it the hybrid layout: v1 controllers plus a v2 hierarchy without any.

A container gets a directory of the same path in every hierarchy, also where nothing is limited, so
that ``ps``, ``events`` and the engines find it. In the hybrid layout it joins the v2 hierarchy as
well, as with runc: cgroup.kill then ends all its processes at once. Directories of controllers are
keyed by controller, the v2 one by "".
"""

from __future__ import annotations

import errno

from pyoci.cgroup.files import CgroupGoneError, processes, read, reason, write, write_settings
from pyoci.cgroup.footprint import Footprint
from pyoci.cgroup.frozen import is_frozen
from pyoci.cgroup.hierarchies import unified_cgroup_of
from pyoci.cgroup.limits import ROOT
from pyoci.cgroup.membership import enter, inside, may_enter, memberships
from pyoci.errors import CgroupError
from pyoci.paths import basename, dirname, isdir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup.files import Setting
    from pyoci.cgroup.oom import OomWatch
    from pyoci.cgroup.undo import Undo

ATTEMPTS = 5
CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")


class LegacyCgroup:
    """A container's cgroup in all v1 hierarchies, and in the v2 one of a hybrid host."""

    __slots__ = ("_directories", "_footprint", "_mounts", "_resources", "_rootless")

    def __init__(
        self,
        directories: dict[str, str],
        mounts: dict[str, str],
        *,
        rootless: bool = False,
        managed: bool = False,
        record: dict[str, Any] | None = None,
    ) -> None:
        self._directories = directories
        self._mounts = mounts
        self._rootless = rootless
        # What create asked for: set while the cgroup is being made, None for one from a record.
        self._resources: dict[str, Any] | None = None
        leaves = {path: mounts[controller] for controller, path in directories.items()}
        self._footprint = Footprint(leaves, record, managed=managed)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> LegacyCgroup:
        """Take what ``record`` gave; raises KeyError or TypeError when it is damaged."""
        return cls(
            record["directories"], record["mounts"], rootless=record["rootless"], record=record
        )

    def record(self) -> dict[str, Any]:
        """Give directories, mount points, and what of it is or is going to be ours."""
        return {
            "manager": "legacy",
            "directories": self._directories,
            "mounts": self._mounts,
            "rootless": self._rootless,
            **self._footprint.record(),
        }

    def paths(self) -> dict[str, str]:
        """Give the directory of every controller."""
        return dict(self._directories)

    # -- making and limiting ----------------------------------------------------------------------

    def create(self, resources: dict[str, Any], pid: int | None = None) -> None:  # noqa: ARG002
        """Make the directories, inherit processors and memory nodes, install the device list."""
        self._footprint.record()
        self._footprint.make()
        self._prepare(resources)

    def found_at(self, pid: int) -> None:
        """Nothing: where systemd puts units on v1 is sure."""

    def adopt(self, resources: dict[str, Any]) -> None:
        """Make what is missing of a cgroup that systemd has made, with its process inside."""
        self._footprint.record()
        self._footprint.make(shared=True)
        self._prepare(resources)

    def _make_again(self) -> None:
        """Make what has been removed while it was still empty.

        systemd removes empty cgroups that it does not know, on hosts without a v2 hierarchy.
        """
        assert self._resources is not None
        self._footprint.make(shared=True)
        self._prepare(self._resources)
        self._set_limits(self._resources)

    def _prepare(self, resources: dict[str, Any]) -> None:
        self._resources = resources
        if "cpuset" in self._directories:
            inherit_cpuset(self._directories["cpuset"], self._mounts["cpuset"])
        # Before anything runs: nothing may, without the list. A user namespace cannot make devices.
        if not self._rootless:
            self.install_devices(resources)

    def install_devices(self, resources: dict[str, Any]) -> None:
        """Write the whole device list, beginning with nothing."""
        from pyoci.cgroup.devices import DeviceList, effective_device_rules

        rules = effective_device_rules(resources)
        directory = self._directories.get("devices")
        if directory is None:
            if "" not in self._directories:
                raise CgroupError(
                    f"set {ROOT}/devices: the devices controller is not mounted: every device "
                    "would be allowed",
                    subject=f"{ROOT}/devices",
                    hint="mount -t cgroup -o devices devices /sys/fs/cgroup/devices",
                )
            from pyoci.cgroup.device_attach import attach_program
            from pyoci.cgroup.device_bpf import compile_rules

            attach_program(self._directories[""], compile_rules(rules))
            return
        self._write_devices(DeviceList(rules).writes())

    def _write_devices(self, writes: list[tuple[str, str]]) -> None:
        directory = self._directory("devices", f"set {ROOT}/devices")
        for file, content in writes:
            try:
                write(f"{directory}/{file}", content)
            except OSError as error:
                hint = None
                if error.errno == errno.EPERM and file == "devices.allow":
                    hint = "the cgroup above does not allow that device itself"
                raise CgroupError(
                    f"set {ROOT}/devices: write {content!r} to {directory}/{file}: {reason(error)}",
                    subject=f"{ROOT}/devices",
                    hint=hint,
                ) from None

    def change_devices(self, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
        """Change the device list, or the program of a hybrid host without the controller."""
        if self._rootless:
            return
        from pyoci.cgroup.devices import DeviceList, effective_device_rules, transition

        rules = effective_device_rules({"devices": new})
        if "devices" not in self._directories:
            from pyoci.cgroup.device_attach import replace_programs
            from pyoci.cgroup.device_bpf import compile_rules

            unified = self._directory("", f"set {ROOT}/devices")
            replace_programs(unified, compile_rules(rules), others=True)
            return
        before = DeviceList(effective_device_rules({"devices": old}))
        after = DeviceList(rules)
        # Nobody may notice a moment in which nothing is allowed.
        freezing = before.default and not after.default and "freezer" in self._directories
        freezing = freezing and not self.frozen()
        try:
            if freezing:
                self._try_to_freeze()
            self._write_devices(transition(before, after))
        finally:
            if freezing:
                self.thaw()

    def apply(self, resources: dict[str, Any], undo: Undo | None = None) -> None:
        """Set the limits."""
        if resources.get("unified"):
            raise CgroupError(
                f"{ROOT}/unified: this host has cgroup v1",
                subject=f"{ROOT}/unified",
                hint="use the v1 properties, or boot with systemd.unified_cgroup_hierarchy=1",
            )
        try:
            self._set_limits(resources, undo)
        except CgroupGoneError:
            if self._resources is None:
                raise
            self._resources = resources
            self._make_again()

    def _set_limits(self, resources: dict[str, Any], undo: Undo | None = None) -> None:
        write_settings(self._settings(resources), self._directories, undo)

    def _settings(self, resources: dict[str, Any]) -> list[Setting]:
        from pyoci.cgroup.legacy_settings import legacy_settings

        directories = self._directories
        return legacy_settings(
            resources,
            lambda controller, file: (
                read(f"{directories[controller]}/{file}") if controller in directories else None
            ),
        )

    def delegate(self, uid: int) -> None:
        """Nothing: v1 cgroups are not safe to give away (runtime-spec, "Cgroup ownership")."""

    def take_over(self) -> None:
        """Count the cgroup as ours."""
        self._footprint.take_over()

    def check_fit(self) -> None:
        """Refuse a cgroup that is in use, for a caller that does not make it itself."""
        self._footprint.check_fit()

    def wait_empty(self, seconds: float) -> None:
        """Wait until no process is inside, or time is up."""
        self._footprint.wait_empty(seconds)

    # -- processes --------------------------------------------------------------------------------

    def attach(
        self, pid: int, *, below: dict[str, str] | None = None, init_pid: int | None = None
    ) -> None:
        """Put a process into the directories, or those ``below`` them."""
        for attempt in range(ATTEMPTS):
            try:
                entered = self._entered(pid)
                for path in self._targets(below):
                    if path not in entered:
                        enter(path, pid, None if below else init_pid)
                return
            except CgroupGoneError:
                if self._resources is None or below or attempt == ATTEMPTS - 1:
                    raise
                self._make_again()

    def files_to_join(self, below: dict[str, str] | None = None) -> list[str]:
        """The files "tasks" of the v1 hierarchies."""
        unified = self._mounts.get("")
        return [
            f"{path}/tasks"
            for path in self._targets(below)
            if unified is None or not path.startswith(f"{unified}/")
        ]

    def _entered(self, pid: int) -> set[str]:
        """Give the directories that a process is in, where their mounts show whole hierarchies."""
        return {
            self._mounts[controller] + path
            for controller, path in memberships(pid)
            if controller in self._mounts
        }

    def _targets(self, below: dict[str, str] | None) -> list[str]:
        """List the directories to join, one per hierarchy."""
        below = below or {}
        for controller in below:
            if controller and controller not in self._directories:
                raise CgroupError(
                    f"enter a cgroup of the {controller} controller: the container has none",
                    hint=f"name one of {', '.join(filter(None, self._directories))}",
                )
        targets: dict[str, str] = {}
        for controller, path in self._directories.items():
            inner = below.get(controller)
            if inner is not None or path not in targets:
                targets[path] = inside(path, inner if inner is not None else below.get("", ""))
        return list(targets.values())

    def directory_for_clone(self, init_pid: int | None = None) -> str | None:
        """Give a hybrid host's v2 directory, or the one in it where the container's init is."""
        unified = self._directories.get("")
        if unified is None or self._rootless:
            return None
        if init_pid is not None and not may_enter(unified):
            return unified_cgroup_of(init_pid, unified) or unified
        return unified

    def pids(self, recursive: bool = True) -> list[int]:
        """List the processes of all hierarchies: a privileged one may have left some of them."""
        found: set[int] = set()
        for path in self._footprint.leaves:
            found.update(processes(path, recursive=recursive))
        return sorted(found)

    def kill(self, signal: int) -> None:
        """Signal all processes."""
        footprint = self._footprint
        if not footprint.exists():
            return
        from pyoci.cgroup.signals import SIGKILL, kill_tree, signal_all

        freezer = self._directories.get("freezer")
        frozen = freezer is not None and is_frozen(freezer)
        unified = self._directories.get("")
        try:
            if signal == SIGKILL and unified is not None and kill_tree(unified):
                # What has been moved out of the v2 cgroup is left, as a rule nothing.
                signal_all(self.pids, signal)
            elif self.pids():
                if freezer is not None and not frozen:
                    self._try_to_freeze()
                signal_all(self.pids, signal)
        finally:
            # A frozen process of v1 cannot die, nor could one that we froze.
            if freezer is not None and (signal == SIGKILL or not frozen):
                from pyoci.cgroup.freezer import thaw_legacy

                thaw_legacy(freezer)

    def _try_to_freeze(self) -> None:
        """Keep processes from forking while they are signalled; a second of trying is enough."""
        from pyoci.cgroup.freezer import freeze_legacy

        try:
            freeze_legacy(self._directories["freezer"], 1.0)
        except CgroupError:
            return

    def freeze(self) -> None:
        """Stop all processes."""
        from pyoci.cgroup.freezer import freeze_legacy

        freeze_legacy(self._directory("freezer", "pause the container"))

    def thaw(self) -> None:
        """Let all processes run."""
        from pyoci.cgroup.freezer import thaw_legacy

        thaw_legacy(self._directory("freezer", "resume the container"))

    def frozen(self) -> bool:
        """Say whether the freezer stops them."""
        directory = self._directories.get("freezer")
        return directory is not None and is_frozen(directory)

    # -- end --------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Remove the directories that are ours."""
        self._footprint.remove()

    def remove_idle(self) -> bool:
        """Remove the directories if they are ours and nothing is inside."""
        return self._footprint.remove_idle()

    def exists(self) -> bool:
        """Say whether any directory is there."""
        return self._footprint.exists()

    # -- figures ----------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Read the usage figures."""
        from pyoci.cgroup.legacy_stats import legacy_stats

        return legacy_stats(self._directories)

    def oom_watch(self) -> OomWatch:
        """Watch memory.oom_control."""
        from pyoci.cgroup.oom import watch_legacy

        return watch_legacy(self._directory("memory", "watch for out-of-memory kills"))

    def oom_count(self) -> int:
        """Read oom_kill of memory.oom_control."""
        from pyoci.cgroup.oom import kill_count

        directory = self._directories.get("memory")
        return kill_count(f"{directory}/memory.oom_control") if directory else 0

    def namespace_mounts(self) -> list[tuple[str, str, str]]:
        """List the hierarchies, as they are to be mounted inside."""
        together: dict[str, list[str]] = {}
        for controller, mountpoint in self._mounts.items():
            if controller in self._directories:
                together.setdefault(mountpoint, []).append(controller)
        return [
            (
                ",".join(controllers),
                self._directories[controllers[0]],
                basename(mountpoint),
            )
            for mountpoint, controllers in together.items()
        ]

    def _directory(self, controller: str, what: str) -> str:
        directory = self._directories.get(controller)
        if directory is None:
            raise CgroupError(
                f"{what}: the {controller} controller is not available",
                hint=f"mount -t cgroup -o {controller} {controller} /sys/fs/cgroup/{controller}",
            )
        return directory


def inherit_cpuset(path: str, mountpoint: str) -> None:
    """Give a cpuset, and those above it, processors and memory nodes: a new one has none of either.

    Without any no process can enter it (ENOSPC; cpuset(7)).
    """
    if all(read(f"{path}/{file}") for file in CPUSET_FILES):
        return
    parent = dirname(path)
    if len(path) <= len(mountpoint) or not isdir(path):
        return
    inherit_cpuset(parent, mountpoint)
    for file in CPUSET_FILES:
        if read(f"{path}/{file}"):
            continue
        try:
            write(f"{path}/{file}", read(f"{parent}/{file}") or "")
        except OSError as error:
            raise CgroupError(
                f"copy {parent}/{file} to {path}: {reason(error)}",
                subject="/linux/cgroupsPath",
                hint="without processors and memory nodes no process can enter the cgroup",
            ) from None
