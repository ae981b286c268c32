"""The v2 backend (Documentation/admin-guide/cgroup-v2.rst): one directory, limits in its files.

What a controller offers is there only if every cgroup above hands it down
(cgroup.subtree_control), which a cgroup with processes of its own cannot do. So create enables what
it can on the way down, and a limit whose controller is missing is refused with the place where it
got lost. Device rules are no files here but a program, which the container's init attaches.
"""

from __future__ import annotations

import errno
import posix as os

from pyoci.cgroup.files import populated, processes, read, reason, write, write_settings
from pyoci.cgroup.footprint import Footprint
from pyoci.cgroup.frozen import is_frozen
from pyoci.cgroup.hierarchies import unified_cgroup_of
from pyoci.cgroup.membership import enter, inside, may_enter
from pyoci.cgroup.signals import SIGKILL, kill_tree, signal_all
from pyoci.errors import CgroupError
from pyoci.paths import basename, dirname, isdir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup.files import Setting
    from pyoci.cgroup.oom import OomWatch
    from pyoci.cgroup.undo import Undo

# What may be limited in a threaded cgroup, besides perf_event (cgroup-v2.rst, "Threads").
THREADED = ("cpu", "cpuset", "pids", "perf_event")
DELEGATE_FILES = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


class UnifiedCgroup:
    """A container's cgroup in the v2 hierarchy."""

    __slots__ = ("_footprint", "_mountpoint", "_path", "_rootless")

    def __init__(
        self,
        path: str,
        mountpoint: str,
        *,
        rootless: bool = False,
        managed: bool = False,
        record: dict[str, Any] | None = None,
    ) -> None:
        self._path = path
        self._mountpoint = mountpoint
        self._rootless = rootless
        self._footprint = Footprint({path: mountpoint}, record, managed=managed)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> UnifiedCgroup:
        """Take what ``record`` gave; raises KeyError or TypeError when it is damaged."""
        return cls(record["path"], record["mountpoint"], rootless=record["rootless"], record=record)

    def record(self) -> dict[str, Any]:
        """Give the directory, and what of it is or is going to be ours."""
        return {
            "manager": "unified",
            "path": self._path,
            "mountpoint": self._mountpoint,
            "rootless": self._rootless,
            **self._footprint.record(),
        }

    def paths(self) -> dict[str, str]:
        """Give the directory."""
        return {"": self._path}

    # -- making and limiting ----------------------------------------------------------------------

    def create(self, resources: dict[str, Any], pid: int | None = None) -> None:  # noqa: ARG002
        """Make the directory and have the cgroups above hand their controllers down to it."""
        self._footprint.record()
        self._footprint.make()
        for directory in self._above():
            enable_controllers(directory)
        if read(f"{self._path}/cgroup.type") == "domain invalid":
            # Below a threaded cgroup there are only such: a process can be in one, but the
            # controllers of memory and io cannot.
            try:
                write(f"{self._path}/cgroup.type", "threaded")
            except OSError as error:
                raise CgroupError(
                    f"make cgroup {self._path} threaded, as the one above it is: {reason(error)}",
                    subject="/linux/cgroupsPath",
                    hint="choose a cgroupsPath that is not below a threaded cgroup",
                ) from None

    def found_at(self, pid: int) -> None:
        """Take the directory that systemd has put a process into, should it not be the foreseen."""
        path = unified_cgroup_of(pid, self._mountpoint)
        if path is not None and path != self._path and path != self._mountpoint:
            self._path = path
            self._footprint = Footprint({path: self._mountpoint})
            self._footprint.made = [path]

    def adopt(self, resources: dict[str, Any]) -> None:  # noqa: ARG002
        """Take a cgroup that systemd has made, with its process inside."""
        self._footprint.record()

    def _above(self) -> list[str]:
        """List the cgroups above ours, the topmost first."""
        above: list[str] = []
        path = dirname(self._path)
        while len(path) >= len(self._mountpoint):
            above.insert(0, path)
            path = dirname(path)
        return above

    def _settings(self, resources: dict[str, Any]) -> list[Setting]:
        from pyoci.cgroup.unified_settings import unified_settings

        return unified_settings(resources, lambda file: read(f"{self._path}/{file}"))

    def change_devices(self, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:  # noqa: ARG002
        """Replace the device program."""
        self.replace_devices(new, others=True)

    def replace_devices(self, rules: list[dict[str, Any]] | None, *, others: bool) -> None:
        """Attach the program for a list, or none, and detach ours; with ``others`` all of them."""
        if self._rootless:
            return
        from pyoci.cgroup.device_attach import replace_programs
        from pyoci.cgroup.device_bpf import compile_rules
        from pyoci.cgroup.devices import effective_device_rules

        program = b""
        if rules is not None:
            program = compile_rules(effective_device_rules({"devices": rules}))
        replace_programs(self._path, program, others=others)

    def apply(self, resources: dict[str, Any], undo: Undo | None = None) -> None:
        """Set the limits, converted from v1's where need be."""
        if not resources:
            return
        settings = self._settings(resources)
        if not settings:
            return
        available = self._controllers()
        missing = {s.controller for s in settings if not s.optional} - {"", *available}
        if missing:
            # systemd hands down what it knows and its own units need, create what there was.
            for directory in self._above():
                enable_controllers(directory, missing)
            available = self._controllers()
            for setting in settings:
                if setting.controller in missing and setting.controller not in available:
                    raise self._unavailable(setting)
        directories = {"": self._path, **dict.fromkeys(available, self._path)}
        write_settings(settings, directories, undo)

    def _controllers(self) -> list[str]:
        return (read(f"{self._path}/cgroup.controllers") or "").split()

    def _unavailable(self, setting: Setting) -> CgroupError:
        """Say where on the way down the controller got lost."""
        controller = setting.controller
        start = f"set {setting.pointer}: the {controller} controller"
        if not isdir(self._path):
            return CgroupError(
                f"set {setting.pointer}: cgroup {self._path} has been removed",
                subject=setting.pointer,
            )
        for directory in self._above():
            if controller not in (read(f"{directory}/cgroup.controllers") or "").split():
                break
            if controller in (read(f"{directory}/cgroup.subtree_control") or "").split():
                continue
            failure = enable_controllers(directory, {controller}).get(controller)
            if failure is None:
                continue
            if failure in (errno.EACCES, errno.EPERM, errno.EROFS):
                return self._not_delegated(setting, directory)
            if failure == errno.EBUSY:
                inside_it = processes(directory, recursive=False)
                return CgroupError(
                    f"{start} cannot be handed down: {directory} has processes itself {inside_it}",
                    subject=setting.pointer,
                    hint="a v2 cgroup has processes or limits its children, not both: choose "
                    "another cgroupsPath, or move those processes to a cgroup of their own",
                )
            if controller not in THREADED:
                return CgroupError(
                    f"{start} cannot be used below the threaded cgroup {directory}",
                    subject=setting.pointer,
                    hint="choose a cgroupsPath that is not below a threaded cgroup",
                )
        if self._rootless and directory != self._mountpoint:
            return self._not_delegated(setting, dirname(directory))
        return CgroupError(
            f"{start} is not available in {directory}",
            subject=setting.pointer,
            hint="the kernel has none of that name, or it is mounted as cgroup v1, or the "
            "container that this runs in has not been given it",
        )

    def _not_delegated(self, setting: Setting, directory: str) -> CgroupError:
        from pyoci.cgroup import delegation

        uid = delegation.host_uid()
        return CgroupError(
            f"set {setting.pointer}: the {setting.controller} controller is not delegated to "
            f"uid {uid} (by {directory})",
            subject=setting.pointer,
            hint=delegation.hint(uid, setting.controller),
        )

    def delegate(self, uid: int) -> None:
        """Chown the directory and the files that the kernel names (cgroup-v2.rst, "Delegation")."""
        names = (read("/sys/kernel/cgroup/delegate") or "").split() or DELEGATE_FILES
        for name in ("", *names):
            path = f"{self._path}/{name}".rstrip("/")
            try:
                os.chown(path, uid, -1, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CgroupError(
                    f"give cgroup file {path} to uid {uid}: {reason(error)}",
                    subject="/process/user/uid",
                ) from None

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
        """Put a process into the directory, or one ``below`` it, unless it is there already."""
        path = self._path
        for controller, inner in (below or {}).items():
            if controller:
                raise CgroupError(
                    f"enter a cgroup of the {controller} controller: v2 has one for all",
                    hint="give the path alone",
                )
            path = inside(path, inner)
        # A move costs milliseconds, also one that goes nowhere; looking costs microseconds.
        if unified_cgroup_of(pid, self._path) != path:
            enter(path, pid, None if below else init_pid)

    def files_to_join(self, below: dict[str, str] | None = None) -> list[str]:  # noqa: ARG002
        """None: a process is cloned into v2 cgroups."""
        return []

    def directory_for_clone(self, init_pid: int | None = None) -> str | None:
        """Give the directory, or the one the container's init is in if only that may be entered."""
        if init_pid is not None and not may_enter(self._path):
            return unified_cgroup_of(init_pid, self._path) or self._path
        return self._path

    def pids(self, recursive: bool = True) -> list[int]:
        """List the processes."""
        return sorted(set(processes(self._path, recursive=recursive)))

    def kill(self, signal: int) -> None:
        """Signal all processes."""
        if self._footprint.foreign or not populated(self._path):
            return
        if signal == SIGKILL and kill_tree(self._path):
            return
        from pyoci.cgroup.freezer import freeze_unified, thaw_unified

        frozen = is_frozen(self._path)
        try:
            if not frozen:
                # Nothing forks then while it is signalled; a second of trying is enough.
                try:
                    freeze_unified(self._path, 1.0)
                except CgroupError:
                    pass
            signal_all(self.pids, signal)
        finally:
            if not frozen:
                thaw_unified(self._path)

    def freeze(self) -> None:
        """Stop all processes."""
        from pyoci.cgroup.freezer import freeze_unified

        freeze_unified(self._path)

    def thaw(self) -> None:
        """Let all processes run."""
        from pyoci.cgroup.freezer import thaw_unified

        thaw_unified(self._path)

    def frozen(self) -> bool:
        """Say whether they are stopped."""
        return is_frozen(self._path)

    # -- end --------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Remove the directory if it is ours."""
        self._footprint.remove()

    def remove_idle(self) -> bool:
        """Remove the directories if they are ours and nothing is inside."""
        return self._footprint.remove_idle()

    def exists(self) -> bool:
        """Say whether the directory is there."""
        return self._footprint.exists()

    # -- figures ----------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Read the usage figures."""
        from pyoci.cgroup.unified_stats import unified_stats

        return unified_stats(self._path)

    def oom_watch(self) -> OomWatch:
        """Watch memory.events."""
        from pyoci.cgroup.oom import watch_unified

        return watch_unified(self._path)

    def oom_count(self) -> int:
        """Read oom_kill of memory.events."""
        from pyoci.cgroup.oom import kill_count

        return kill_count(f"{self._path}/memory.events")

    def namespace_mounts(self) -> list[tuple[str, str, str]]:
        """Give the directory, as what is to be mounted inside."""
        return [("", self._path, basename(self._mountpoint))]


def enable_controllers(directory: str, wanted: set[str] | None = None) -> dict[str, int]:
    """Have a cgroup hand its controllers to those below; give an errno for each that failed.

    ``wanted`` are the controllers meant, all of them by default.
    One with processes is left as it is: the kernel would let it hand down those that work with
    threads, but the cgroups below would be threaded then (cgroup-v2.rst, "Threads").
    """
    available = (read(f"{directory}/cgroup.controllers") or "").split()
    enabled = (read(f"{directory}/cgroup.subtree_control") or "").split()
    missing = [
        controller
        for controller in available
        if controller not in enabled and (wanted is None or controller in wanted)
    ]
    if not missing:
        return {}
    if read(f"{directory}/cgroup.type") == "domain" and read(f"{directory}/cgroup.procs"):
        return dict.fromkeys(missing, errno.EBUSY)
    path = f"{directory}/cgroup.subtree_control"
    try:
        write(path, " ".join(f"+{controller}" for controller in missing))
        return {}
    except OSError:
        # One that cannot be had must not take the others along.
        failures: dict[str, int] = {}
    for controller in missing:
        try:
            write(path, f"+{controller}")
        except OSError as error:
            failures[controller] = error.errno or 0
    return failures
