"""The plans of a restore: for the mount points, for CRIU, and for a read-only root.

CRIU makes the container's mounts itself, below a root that has to be a mount. The first two run in
a mount namespace of their own, so that the host sees none of it and nothing is left to take off.
"""

from __future__ import annotations

from pyoci.plan.mounts import (
    ATTR_NODEV,
    ATTR_NOEXEC,
    ATTR_NOSUID,
    ATTR_RDONLY,
    MS_SLAVE,
    MountFlags,
    compile_mounts,
)
from pyoci.plan.namespaces import NAMESPACE_FLAGS, Namespaces
from pyoci.plan.operations import NO_SLOT, TARGET_DIRECTORY, Operation
from pyoci.plan.writer import PlanWriter, Section, join_cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host

S_IFREG = 0o100000
_O_DIRECTORY_PATH = 0o10200000  # O_PATH|O_DIRECTORY
_KEPT_OPTIONS = ("bind", "rbind", "src-nofollow", "dest-nofollow")


class RestoreRequest:
    """What the plan that executes CRIU depends on.

    ``program`` are CRIU's arguments, ``environment`` its variables; ``first_closed`` is the number
    from which on it inherits no descriptors. ``scratch`` is a directory of the host in whose place
    CRIU finds a tmpfs with an empty ``directory``, an empty ``file``, and ``mounts``, entries of
    /mounts, under their numbers. The cgroup's members are as in create.
    """

    __slots__ = (
        "bundle",
        "cgroup_directory",
        "cgroup_files",
        "device_program",
        "environment",
        "first_closed",
        "mounts",
        "program",
        "rootfs",
        "scratch",
    )

    def __init__(
        self,
        *,
        bundle: str,
        rootfs: str,
        scratch: str,
        program: list[str],
        environment: list[str],
        first_closed: int,
        mounts: list[dict[str, Any]],
        cgroup_directory: str | None = None,
        cgroup_files: list[str] | None = None,
        device_program: bytes | None = None,
    ) -> None:
        self.bundle = bundle
        self.rootfs = rootfs
        self.scratch = scratch
        self.program = program
        self.environment = environment
        self.first_closed = first_closed
        self.mounts = mounts
        self.cgroup_directory = cgroup_directory
        self.cgroup_files = cgroup_files or []
        self.device_program = device_program


def compile_mount_points(
    config: dict[str, Any], rootfs: str, bundle: str, host: Host
) -> list[Operation]:
    """Compile what makes the mount points of ``/mounts`` in the rootfs; it ends at a sync.

    Bind mounts are made, as others may lie on them; a tmpfs stands for every other file system,
    and takes what would be made inside of it.
    """
    plan = PlanWriter(privileged=True)
    root = _root(plan, rootfs)
    plan.entry.add("sync", "", "namespaces")
    plan.container.add("propagation", "", "/", MS_SLAVE, 1)
    plan.container.add("attach_root", "/root/path", root, rootfs)
    simple = {**config, "mounts": [_simple(mount) for mount in _mounts(config)]}
    compile_mounts(plan, simple, host, Namespaces({}), bundle, [])
    plan.container.add("sync", "", "end")
    return plan.operations(Section(), _clone(NO_SLOT))


def compile_read_only_root(pidfd: int) -> list[Operation]:
    """Compile what makes the root of a restored process read-only; it ends at a sync."""
    plan = PlanWriter(privileged=True)
    slot = plan.slot()
    plan.host.add("inherit_file", "/root/readonly", slot, pidfd)
    joins, clone = Section(), Section()
    joins.add("join_process", "/root/readonly", slot, NAMESPACE_FLAGS["mount"])
    clone.add("clone", "", 0, NO_SLOT, NO_SLOT, "")
    plan.container.add("use_root", "/root/readonly", "/")
    plan.container.add("root_readonly", "/root/readonly")
    plan.container.add("sync", "", "end")
    return plan.operations(joins, clone)


def _mounts(config: dict[str, Any]) -> list[dict[str, Any]]:
    mounts = config.get("mounts") or []
    return [mount for mount in mounts if not MountFlags(mount.get("options") or []).remount]


def _simple(mount: dict[str, Any]) -> dict[str, Any]:
    options = mount.get("options") or []
    if MountFlags(options).bind:
        kept = [option for option in options if option in _KEPT_OPTIONS]
        return {
            "destination": mount["destination"],
            "source": mount.get("source") or "",
            "options": kept,
        }
    return {"destination": mount["destination"], "type": "tmpfs", "source": "tmpfs"}


def compile_restore(request: RestoreRequest, config: dict[str, Any], host: Host) -> list[Operation]:
    """Compile the execution of CRIU in the container's cgroup, with the rootfs as a mount.

    What the container shows of the host CRIU takes from mounts that have the right attributes: of
    two that are parts of one file system it sets only those of the first.
    """
    plan = PlanWriter(privileged=True)
    root = _root(plan, request.rootfs)
    cgroup = NO_SLOT
    if request.cgroup_directory:
        pointer = "/linux/cgroupsPath"
        cgroup = plan.slot()
        plan.host.add("open_file", pointer, cgroup, request.cgroup_directory, _O_DIRECTORY_PATH)
    if request.device_program:
        pointer = "/linux/resources/devices"
        plan.host.add("load_device_program", pointer, cgroup, request.device_program)
    join_cgroups(plan, request.cgroup_files, "/linux/cgroupsPath")
    plan.entry.add("sync", "", "namespaces", note="cgroups")
    body = plan.container.add
    body("propagation", "", "/", MS_SLAVE, 1)
    body("attach_root", "/root/path", root, request.rootfs)
    scratch = plan.slot()
    body("use_root", "", "/")
    body("new_mount", "", scratch, "tmpfs", "tmpfs", ["mode=0755"], 0)
    body("attach_mount", "", scratch, request.scratch, TARGET_DIRECTORY, 0)
    body("make_directory", "", f"{request.scratch}/directory", 0o555)
    # mknod(2) makes empty files too.
    body("make_device", "", f"{request.scratch}/file", S_IFREG | 0o444, 0, 0, 0, 0)
    mounts = [
        {**mount, "destination": f"{request.scratch}/{index}"}
        for index, mount in enumerate(request.mounts)
    ]
    linux = config.get("linux") or {}
    mapped = {"mounts": mounts, "linux": linux}
    compile_mounts(plan, mapped, host, Namespaces(config), request.bundle, [])
    safe = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC
    body("mount_attributes", "", scratch, safe, 0, 0, 0, NO_SLOT)
    body("program", "", request.program, request.environment)
    body("find_program", "")
    body("close_files", "", request.first_closed)
    body("exec", "")
    return plan.operations(Section(), _clone(cgroup))


def _root(plan: PlanWriter, rootfs: str) -> int:
    root = plan.slot()
    plan.sources.add("open_tree", "/root/path", root, rootfs, 1, 0)
    plan.sources.add("mount_attributes", "/root/path", root, 0, 0, MS_SLAVE, 1, NO_SLOT)
    return root


def _clone(cgroup: int) -> Section:
    section = Section()
    section.add("clone", "", NAMESPACE_FLAGS["mount"], cgroup, NO_SLOT, "")
    return section
