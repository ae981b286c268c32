"""The systemd backend: the container's cgroup is a scope, a unit around processes made by others.

linux.cgroupsPath is ``slice:prefix:name`` then, for the unit ``prefix-name.scope`` in that slice.
A scope starts with its first process and ends with its last; so ``create`` checks and remembers,
``attach`` starts it. Delegate=yes makes systemd leave the inside of the cgroup to us: `unified` or
`legacy` do the rest there.

    attach(pid)     StartTransientUnit(PIDs=pid, limits as properties), JobRemoved "done"
                    limits once more into the files, exactly, and what systemd has no property for
    remove()        StopUnit, JobRemoved; the directories that systemd does not know
"""

from __future__ import annotations

from pyoci.cgroup.devices import effective_device_rules
from pyoci.cgroup.legacy import LegacyCgroup
from pyoci.cgroup.limits import ROOT
from pyoci.cgroup.unified import UnifiedCgroup
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup.dbus_connection import Connection
    from pyoci.cgroup.oom import OomWatch
    from pyoci.cgroup.systemd_properties import Property
    from pyoci.cgroup.undo import Undo

POINTER = "/linux/cgroupsPath"
PREFIX = "pyoci"
UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists"
NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"
ACCESS_DENIED = (
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
)
PATIENCE = 2.0  # seconds for processes to leave the scope before it is stopped


def unit_of(cgroups_path: str | None, container_id: str, *, rootless: bool) -> tuple[str, str, str]:
    """Give (unit, slice, path below the mount point or the user manager's cgroup).

    Raises CgroupError for a path that is not ``slice:prefix:name``.
    """
    default = "user.slice" if rootless else "system.slice"
    parts = cgroups_path.split(":") if cgroups_path else [default, PREFIX, container_id]
    if len(parts) != 3 or not parts[2] or "/" in (cgroups_path or ""):
        raise CgroupError(
            f"{POINTER} {cgroups_path!r} must be slice:prefix:name with --systemd-cgroup",
            subject=POINTER,
            hint=f"such as {default}:{PREFIX}:{container_id}, or leave --systemd-cgroup out",
        )
    slice_name, prefix, name = parts
    slice_name = slice_name or default
    if name.endswith(".slice"):
        raise CgroupError(
            f"{POINTER} {cgroups_path!r}: {name} is a slice, which cannot hold processes",
            subject=POINTER,
            hint="give a name that does not end in .slice",
        )
    unit = f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    return unit, slice_name, f"{slice_path(slice_name)}/{unit}"


def slice_path(slice_name: str) -> str:
    """Give a slice's path: ``a-b.slice`` is inside ``a.slice`` (systemd.slice(5))."""
    stem = slice_name.removesuffix(".slice")
    if stem == "-":
        return ""
    words = stem.split("-")
    if not slice_name.endswith(".slice") or not all(words) or "\0" in stem:
        raise CgroupError(
            f"{POINTER}: {slice_name!r} is no slice", subject=POINTER, hint="such as system.slice"
        )
    return "".join(f"/{'-'.join(words[: n + 1])}.slice" for n in range(len(words)))


class SystemdCgroup:
    """A scope, and the directories of it in ``inner``."""

    __slots__ = (
        "_annotations",
        "_inner",
        "_resources",
        "_rootless",
        "_slice",
        "_started",
        "_unit",
    )

    def __init__(
        self,
        inner: LegacyCgroup | UnifiedCgroup,
        unit: str,
        slice_name: str,
        *,
        rootless: bool = False,
        started: bool = False,
        annotations: dict[str, str] | None = None,
    ) -> None:
        self._inner = inner
        self._unit = unit
        self._slice = slice_name
        self._rootless = rootless
        self._started = started
        self._annotations = annotations or {}
        self._resources: dict[str, Any] = {}

    def record(self) -> dict[str, Any]:
        """Give the unit's name and the record of the directories."""
        return {
            "manager": "systemd",
            "unit": self._unit,
            "slice": self._slice,
            "inner": self._inner.record(),
        }

    def paths(self) -> dict[str, str]:
        """Give the directories, whether they exist yet or not."""
        return self._inner.paths()

    # -- making and limiting ----------------------------------------------------------------------

    def create(self, resources: dict[str, Any], pid: int | None = None) -> None:  # noqa: ARG002
        """Check that nobody uses the scope, and that the resources can be expressed."""
        self._inner.record()
        self._inner.check_fit()
        self._properties(resources)
        self._annotated()
        self._resources = resources

    def apply(self, resources: dict[str, Any], undo: Undo | None = None) -> None:
        """Set the limits; before the scope is started they are only remembered."""
        if not self._started:
            self._resources = resources
            return
        # The files first: what the kernel refuses there can be taken back. systemd then writes
        # what it makes of the properties, rounded.
        self._inner.apply(resources, undo)
        properties = self._properties(resources)
        if properties or self._is_version_needed(resources):
            what = f"set {ROOT} of unit {self._unit}"
            self._set_properties(properties, what, resources)
            self._inner.apply(resources)

    def _is_version_needed(self, resources: dict[str, Any]) -> bool:
        from pyoci.cgroup.systemd_properties import is_version_needed

        return isinstance(self._inner, UnifiedCgroup) and is_version_needed(resources)

    def _set_properties(
        self, properties: list[Property], what: str, resources: dict[str, Any] | None = None
    ) -> None:
        connection = self._connect()
        try:
            if resources and self._is_version_needed(resources):
                from pyoci.cgroup.systemd_properties import adapted

                properties = adapted(properties, resources, connection.version())
                # It is decided when a unit starts.
                properties = [entry for entry in properties if entry[0] != "OOMPolicy"]
            if not properties:
                return
            self._call(
                connection,
                what,
                "SetUnitProperties",
                "sba(sv)",
                self._unit,
                True,
                variants(properties),
            )
        finally:
            connection.close()

    def change_devices(
        self,
        old: list[dict[str, Any]],  # noqa: ARG002
        new: list[dict[str, Any]],
    ) -> None:
        """Change the unit's device list, or our program where systemd has no words for it."""
        if self._rootless:
            return
        from pyoci.cgroup.systemd_properties import device_properties

        rules = effective_device_rules({"devices": new})
        expressed = device_properties(rules)
        properties = expressed or [("DevicePolicy", "s", "auto")]
        # Lists of a unit are added to; an empty one clears them (org.freedesktop.systemd1(5)).
        properties.insert(1, ("DeviceAllow", "a(ss)", []))
        what = f"set {ROOT}/devices of unit {self._unit}"
        if isinstance(self._inner, UnifiedCgroup):
            if expressed is None:
                self._inner.replace_devices(new, others=False)
            self._set_properties(properties, what)
            if expressed is not None:
                self._inner.replace_devices(None, others=False)
            return
        # systemd rewrites the whole list on v1, beginning with nothing.
        frozen = self.frozen()
        try:
            if not frozen:
                self.freeze()
            self._set_properties(properties, what)
            self._inner.install_devices({"devices": new})
        finally:
            if not frozen:
                self.thaw()

    def _properties(self, resources: dict[str, Any]) -> list[Property]:
        """Convert what systemd has properties for, devices excepted."""
        if isinstance(self._inner, UnifiedCgroup):
            from pyoci.cgroup.systemd_properties import unified_properties

            return unified_properties(resources)
        from pyoci.cgroup.systemd_properties import legacy_properties

        return legacy_properties(resources)

    def _annotated(self) -> list[Property]:
        """Give the properties that annotations ask for: last, so that they win."""
        if not self._annotations:
            return []
        from pyoci.cgroup.systemd_annotations import annotated_properties

        return annotated_properties(self._annotations)

    def attach(
        self, pid: int, *, below: dict[str, str] | None = None, init_pid: int | None = None
    ) -> None:
        """Start the scope around its first process, or put another one in."""
        if self._started or below or init_pid is not None:
            self._inner.attach(pid, below=below, init_pid=init_pid)
            return
        program = self._start(pid)
        self._started = True
        self._inner.found_at(pid)
        self._inner.adopt(self._resources)
        self._inner.attach(pid)
        self._inner.apply(self._resources)
        if program:
            from pyoci.cgroup.device_attach import attach_program

            attach_program(self._inner.paths()[""], program)

    def _start(self, pid: int) -> bytes:
        """Start the scope; gives the device program that is still to be attached."""
        legacy = isinstance(self._inner, LegacyCgroup)
        properties: list[Property] = [
            ("Description", "s", f"container {self._unit.removesuffix('.scope')}"),
            ("Slice", "s", self._slice),
            ("PIDs", "au", [pid]),
            ("Delegate", "b", True),
            ("DefaultDependencies", "b", False),
            # A scope whose process was killed for want of memory would stay as "failed" else.
            ("CollectMode", "s", "inactive-or-failed"),
            ("CPUAccounting", "b", True),
            ("MemoryAccounting", "b", True),
            ("BlockIOAccounting" if legacy else "IOAccounting", "b", True),
            ("TasksAccounting", "b", True),
            *self._properties(self._resources),
            *self._annotated(),
        ]
        program = b""
        # A user's manager may not limit devices, nor need it.
        if not self._rootless:
            from pyoci.cgroup.systemd_properties import device_properties

            rules = effective_device_rules(self._resources)
            devices = device_properties(rules)
            if devices is None:
                devices = [("DevicePolicy", "s", "auto")]
                if not legacy:
                    from pyoci.cgroup.device_bpf import compile_rules

                    program = compile_rules(rules)
            properties += devices
        connection = self._connect()
        try:
            if self._is_version_needed(self._resources):
                from pyoci.cgroup.systemd_properties import adapted

                properties = adapted(properties, self._resources, connection.version())
            self._start_unit(connection, properties)
        finally:
            connection.close()
        return program

    def _start_unit(self, connection: Connection, properties: list[Property]) -> None:
        from pyoci.cgroup.dbus_connection import RefusedError

        values: tuple[Any, ...] = (self._unit, "fail", variants(properties), [])
        arguments: tuple[Any, ...] = ("ssa(sv)a(sa(sv))", *values)
        try:
            (job,) = connection.call("StartTransientUnit", *arguments)
        except RefusedError as refused:
            if refused.name != UNIT_EXISTS:
                raise self._refused(f"start unit {self._unit}", refused) from None
            # One that has failed keeps its name until somebody says that he has seen it.
            self._call(connection, f"reset unit {self._unit}", "ResetFailedUnit", "s", self._unit)
            (job,) = self._call(
                connection, f"start unit {self._unit}", "StartTransientUnit", *arguments
            )
        result = connection.wait_for_job(job)
        if result != "done":
            raise CgroupError(
                f"start unit {self._unit}: systemd says {result!r}",
                subject=POINTER,
                hint=f"systemctl status {self._unit} and the journal tell more",
            )

    def _connect(self) -> Connection:
        from pyoci.cgroup.dbus_connection import Connection

        return Connection(user=self._rootless)

    def _call(
        self, connection: Connection, what: str, method: str, signature: str, *arguments: Any
    ) -> list[Any]:
        from pyoci.cgroup.dbus_connection import RefusedError

        try:
            return connection.call(method, signature, *arguments)
        except RefusedError as refused:
            raise self._refused(what, refused) from None

    def _refused(self, what: str, refused: Any) -> CgroupError:
        hint = None
        if refused.name == UNIT_EXISTS:
            hint = f"a container of that name runs: systemctl status {self._unit}"
        elif refused.name in ACCESS_DENIED:
            hint = "only root may have system units; a user has those of his own manager"
        return CgroupError(f"{what}: systemd says: {refused.text}", subject=POINTER, hint=hint)

    def delegate(self, uid: int) -> None:
        """Give the directory to a user."""
        self._inner.delegate(uid)

    # -- processes --------------------------------------------------------------------------------

    def files_to_join(self, below: dict[str, str] | None = None) -> list[str]:
        """Those inside the scope, once it is there."""
        return self._inner.files_to_join(below) if self._started else []

    def directory_for_clone(self, init_pid: int | None = None) -> str | None:
        """None for the first process, which the scope has to be started with."""
        return None if init_pid is None else self._inner.directory_for_clone(init_pid)

    def pids(self, recursive: bool = True) -> list[int]:
        """List the processes."""
        return self._inner.pids(recursive)

    def kill(self, signal: int) -> None:
        """Signal all processes."""
        self._inner.kill(signal)

    def freeze(self) -> None:
        """Stop all processes."""
        self._inner.freeze()

    def thaw(self) -> None:
        """Let all processes run."""
        self._inner.thaw()

    def frozen(self) -> bool:
        """Say whether they are stopped."""
        return self._inner.frozen()

    # -- end --------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Stop the scope, if systemd has not ended it with its last process already."""
        if self._inner.exists():
            # Stopping it while a process is dying would take systemd's time-out of 90 s.
            self._inner.wait_empty(PATIENCE)
            self._stop()
        self._inner.remove()

    def _stop(self) -> None:
        from pyoci.cgroup.dbus_connection import RefusedError

        try:
            connection = self._connect()
        except CgroupError:
            # systemd is not there (any more): the directories are all that is left of the unit.
            return
        try:
            (job,) = connection.call("StopUnit", "ss", self._unit, "replace")
            connection.wait_for_job(job)
        except RefusedError as refused:
            if refused.name != NO_SUCH_UNIT:
                raise self._refused(f"stop unit {self._unit}", refused) from None
        finally:
            connection.close()

    def take_over(self) -> None:
        """Count the unit's cgroup as ours."""
        self._inner.take_over()

    def remove_idle(self) -> bool:
        """Never: the unit has to be stopped as well."""
        return False

    def exists(self) -> bool:
        """Say whether any directory is there."""
        return self._inner.exists()

    # -- figures ----------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Read the usage figures."""
        return self._inner.stats()

    def oom_watch(self) -> OomWatch:
        """Watch for kills."""
        return self._inner.oom_watch()

    def oom_count(self) -> int:
        """Count kills."""
        return self._inner.oom_count()

    def namespace_mounts(self) -> list[tuple[str, str, str]]:
        """List what is to be mounted inside."""
        return self._inner.namespace_mounts()


def variants(properties: list[Property]) -> list[tuple[str, tuple[str, Any]]]:
    """Give properties as D-Bus wants them: (name, variant)."""
    return [(name, (signature, value)) for name, signature, value in properties]
