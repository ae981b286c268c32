"""``/mounts``: each entry becomes a detached mount, its attributes, and its place below the root.

Nothing is mounted by path. Bind sources are cloned (open_tree(2)) and new file systems are made
(fsopen(2)) without being visible anywhere; then the target is resolved inside the root and the
mount is moved onto that descriptor (move_mount(2)).
"""

from __future__ import annotations

from pyoci.errors import SpecError
from pyoci.plan.namespaces import map_text
from pyoci.plan.operations import (
    COVERED_MODE,
    INSIDE_PROC,
    NO_SLOT,
    NOFOLLOW_TARGET,
    REAL_DIRECTORY,
    TARGET_DIRECTORY,
    TARGET_FILE,
)
from pyoci.spec.tables.mount_options import MOUNT_OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host
    from pyoci.plan.namespaces import Namespaces
    from pyoci.plan.writer import PlanWriter, Section

ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4
ATTR_NOEXEC = 0x8
ATTR_IDMAP = 0x00100000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_UNBINDABLE = 1 << 17

# What may be mounted below /proc: files that fake a view (lxcfs) and cannot redirect a write that
# the runtime or the user relies on (runc's checkProcMount).
_BELOW_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    )
)


class MountFlags:
    """The options of one mount, sorted by what they act on."""

    __slots__ = (
        "attr_clear",
        "attr_set",
        "bind",
        "copy_symlink",
        "copy_up",
        "data",
        "idmap",
        "nofollow_source",
        "nofollow_target",
        "propagation",
        "recursive_bind",
        "recursive_clear",
        "recursive_idmap",
        "recursive_propagation",
        "recursive_set",
        "remount",
        "superblock",
    )

    def __init__(self, options: list[str]) -> None:
        self.attr_set = self.attr_clear = 0
        self.recursive_set = self.recursive_clear = 0
        self.propagation = 0
        self.recursive_propagation = False
        self.bind = self.recursive_bind = self.remount = False
        self.idmap = self.recursive_idmap = False
        self.copy_up = self.copy_symlink = False
        self.nofollow_source = self.nofollow_target = False
        self.superblock: list[str] = []
        self.data: list[str] = []
        for option in options:
            self._take(option)

    def _take(self, option: str) -> None:
        known = MOUNT_OPTIONS.get(option)
        if known is None:
            self.data.append(option)
        elif known.kind == "attribute":
            if known.recursive:
                self.recursive_set = self.recursive_set & ~known.attr_clear | known.attr_set
                self.recursive_clear = self.recursive_clear & ~known.attr_set | known.attr_clear
            else:
                self.attr_set = self.attr_set & ~known.attr_clear | known.attr_set
                self.attr_clear = self.attr_clear & ~known.attr_set | known.attr_clear
        elif known.kind == "propagation":
            self.propagation = known.propagation
            self.recursive_propagation = known.recursive
        elif known.kind == "superblock":
            if known.superblock:
                self.superblock.append(known.superblock)
        else:
            self._take_special(option)

    def _take_special(self, option: str) -> None:
        if option in ("bind", "rbind"):
            self.bind = True
            self.recursive_bind = option == "rbind"
        elif option == "remount":
            self.remount = True
        elif option in ("idmap", "ridmap"):
            self.idmap = True
            self.recursive_idmap = option == "ridmap"
        elif option == "tmpcopyup":
            self.copy_up = True
        elif option == "copy-symlink":
            self.copy_symlink = True
        elif option == "src-nofollow":
            self.nofollow_source = True
        elif option == "dest-nofollow":
            self.nofollow_target = True


def clean(destination: str) -> str:
    """Give a destination as an absolute path without ``.``, ``..`` and doubled slashes.

    Relative destinations are relative to "/" (config.md, Mounts). Only for comparing names and for
    messages: what the path means inside the root is the kernel's to say.
    """
    parts: list[str] = []
    for part in destination.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def compile_mounts(
    plan: PlanWriter,
    config: dict[str, Any],
    host: Host,
    namespaces: Namespaces,
    bundle: str,
    cgroup_mounts: list[tuple[str, str, str]],
) -> None:
    """Add the operations of every entry of ``/mounts``, in order.

    ``cgroup_mounts`` is `Cgroup.namespace_mounts()`: for a mount of type cgroup.

    Raises SpecError for what cannot be mounted, naming the entry.
    """
    deferred: list[tuple[int, str]] = []
    for index, mount in enumerate(config.get("mounts") or ()):
        pointer = f"/mounts/{index}"
        flags = MountFlags(mount.get("options") or [])
        kind = mount.get("type") or ""
        target = clean(mount["destination"])
        if target == "/":
            raise SpecError(
                f"{pointer}: mountpoint is on the top of rootfs",
                subject=f"{pointer}/destination",
                hint="mount below the root, or change /root/path",
            )
        if flags.remount:
            plan.container.add(
                "remount",
                pointer,
                target,
                flags.attr_set | flags.recursive_set,
                flags.attr_clear | flags.recursive_clear,
                flags.propagation,
                int(flags.recursive_bind or bool(flags.recursive_set | flags.recursive_clear)),
            )
            continue
        if flags.bind:
            slot = _bind(plan, config, host, namespaces, mount, flags, pointer, bundle)
        elif kind in ("cgroup", "cgroup2"):
            _cgroup(plan, host, namespaces, flags, pointer, target, cgroup_mounts)
            continue
        else:
            slot = _filesystem(plan, config, namespaces, mount, flags, pointer, target)
            if flags.attr_set & ATTR_RDONLY and kind == "tmpfs":
                deferred.append((slot, pointer))
    for slot, pointer in deferred:
        # Read-only only now: later mounts and devices make their mount points inside.
        plan.late.append((slot, ATTR_RDONLY, pointer))


def _policy(target: str, kind: str, flags: MountFlags, pointer: str) -> int:
    policy = NOFOLLOW_TARGET if flags.nofollow_target else 0
    if kind in ("proc", "sysfs") or target in ("/proc", "/sys"):
        policy |= REAL_DIRECTORY
    if target == "/proc" or target in _BELOW_PROC:
        policy |= INSIDE_PROC
    elif target.startswith("/proc/"):
        raise SpecError(
            f"{pointer}: {target!r} cannot be mounted because it is inside /proc",
            subject=f"{pointer}/destination",
            hint="mount it elsewhere: a mount there could redirect what is written to /proc",
        )
    return policy


def _bind(
    plan: PlanWriter,
    config: dict[str, Any],
    host: Host,
    namespaces: Namespaces,
    mount: dict[str, Any],
    flags: MountFlags,
    pointer: str,
    bundle: str,
) -> int:
    source = mount.get("source") or ""
    target = clean(mount["destination"])
    if not source:
        raise SpecError(
            f"{pointer}: a bind mount needs a source",
            subject=f"{pointer}/source",
            hint=f"name the file or directory of the host to show at {target}",
        )
    if not source.startswith("/"):
        source = f"{bundle}/{source}"
    is_directory = host.is_directory(source)
    if is_directory is None:
        raise SpecError(
            f'error mounting "{source}" to rootfs at "{target}": {pointer}/source: '
            f"no such file or directory",
            subject=f"{pointer}/source",
            hint="create it on the host, or correct the path",
        )
    slot = plan.slot()
    plan.sources.add(
        "open_tree",
        pointer,
        slot,
        source,
        int(flags.recursive_bind),
        int(flags.nofollow_source),
    )
    user_ns = _idmap(plan, config, namespaces, mount, flags, pointer)
    _attributes(plan.sources, slot, flags, pointer, user_ns, bind=True)
    kind = TARGET_DIRECTORY if is_directory else TARGET_FILE
    policy = _policy(target, "bind", flags, pointer)
    plan.container.add("attach_mount", pointer, slot, target, kind, policy, note=f"bind {source}")
    return slot


def _idmap(
    plan: PlanWriter,
    config: dict[str, Any],
    namespaces: Namespaces,
    mount: dict[str, Any],
    flags: MountFlags,
    pointer: str,
) -> int:
    uids, gids = mount.get("uidMappings"), mount.get("gidMappings")
    if not (flags.idmap or uids or gids):
        return NO_SLOT
    linux = config.get("linux") or {}
    if bool(uids) != bool(gids):
        raise SpecError(
            f"{pointer}: uidMappings and gidMappings go together",
            subject=pointer,
            hint="give both or neither",
        )
    if not uids:
        if not namespaces.has("user"):
            raise SpecError(
                f"{pointer}: an idmap mount needs mappings or a user namespace",
                subject=f"{pointer}/options",
                hint="give the mount uidMappings and gidMappings",
            )
        if "user" in namespaces.joined:
            slot = plan.slot()
            path = namespaces.joined["user"][0]
            plan.host.add("open_file", pointer, slot, path, 0o4000, note="user namespace")
            return slot
        uids, gids = linux.get("uidMappings") or [], linux.get("gidMappings") or []
    slot = plan.slot()
    plan.host.add("make_user_namespace", pointer, slot, map_text(uids), map_text(gids or []))
    return slot


def _attributes(
    section: Section, slot: int, flags: MountFlags, pointer: str, user_ns: int, *, bind: bool
) -> None:
    """Add what changes a mount's attributes and propagation, in as few calls as there can be."""
    propagation = flags.propagation
    recursive = flags.recursive_propagation
    if bind and not propagation:
        # A clone of a shared mount is its peer: what the container mounts in it would appear on
        # the host. As a slave it only receives (runc reaches the same by making "/" a slave).
        propagation, recursive = MS_SLAVE, True
    if user_ns != NO_SLOT:
        section.add(
            "mount_attributes",
            pointer,
            slot,
            ATTR_IDMAP,
            0,
            0,
            int(flags.recursive_idmap),
            user_ns,
        )
    if flags.recursive_set or flags.recursive_clear:
        section.add(
            "mount_attributes",
            pointer,
            slot,
            flags.recursive_set,
            flags.recursive_clear,
            0,
            1,
            NO_SLOT,
        )
    attr_set = flags.attr_set if bind else 0
    attr_clear = flags.attr_clear if bind else 0
    if recursive and (attr_set or attr_clear):
        section.add("mount_attributes", pointer, slot, attr_set, attr_clear, 0, 0, NO_SLOT)
        attr_set = attr_clear = 0
    if attr_set or attr_clear or propagation:
        section.add(
            "mount_attributes",
            pointer,
            slot,
            attr_set,
            attr_clear,
            propagation,
            int(recursive),
            NO_SLOT,
        )


def _filesystem(
    plan: PlanWriter,
    config: dict[str, Any],
    namespaces: Namespaces,
    mount: dict[str, Any],
    flags: MountFlags,
    pointer: str,
    target: str,
) -> int:
    kind = mount.get("type") or ""
    if not kind:
        raise SpecError(
            f"{pointer}: the mount has neither a type nor the option bind",
            subject=f"{pointer}/type",
            hint="give a file system type, or add bind or rbind to its options",
        )
    attributes = flags.attr_set
    options = flags.superblock + flags.data
    policy = _policy(target, kind, flags, pointer)
    if kind == "tmpfs":
        # Deferred, see compile_mounts.
        attributes &= ~ATTR_RDONLY
        if not any(option.startswith("mode=") for option in options):
            # As in runc: over /tmp of an image it is 1777, over /run it is not.
            policy |= COVERED_MODE if target != "/dev/shm" else 0
    label = (config.get("linux") or {}).get("mountLabel")
    if label and kind not in ("proc", "sysfs"):
        options = [*options, f"context={label}"]
    if kind == "overlay":
        options = _split_lower(options)
    slot = plan.slot()
    plan.container.add(
        "new_mount", pointer, slot, kind, mount.get("source") or kind, options, attributes
    )
    user_ns = _idmap(plan, config, namespaces, mount, flags, pointer)
    _attributes(plan.container, slot, flags, pointer, user_ns, bind=False)
    if flags.copy_up:
        if kind != "tmpfs":
            raise SpecError(
                f"{pointer}: tmpcopyup is for tmpfs mounts",
                subject=f"{pointer}/options",
                hint="remove the option, or make the type tmpfs",
            )
        plan.container.add("copy_up", pointer, slot, target)
    plan.container.add(
        "attach_mount",
        pointer,
        slot,
        target,
        TARGET_DIRECTORY,
        policy,
        note=kind,
    )
    return slot


def _split_lower(options: list[str]) -> list[str]:
    # fsconfig(2) takes strings of at most 256 bytes: one "lowerdir+" a layer (Linux 6.7).
    split = []
    for option in options:
        if option.startswith("lowerdir=") and len(option) > 250:
            split += [f"lowerdir+={path}" for path in option[9:].split(":")]
        else:
            split.append(option)
    return split


def _cgroup(
    plan: PlanWriter,
    host: Host,
    namespaces: Namespaces,
    flags: MountFlags,
    pointer: str,
    target: str,
    cgroup_mounts: list[tuple[str, str, str]],
) -> None:
    """Mount the container's view of its cgroups.

    v2: with a cgroup namespace a fresh cgroup2 mount, else the container's own directory, so that
    the rest of the host's tree cannot be seen or written (CVE-2023-25809). v1: a tmpfs with one
    mount per controller, and the links engines expect (cpu -> cpu,cpuacct).
    """
    safe = ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC
    read_only = flags.attr_set & ATTR_RDONLY
    if host.unified:
        slot = plan.slot()
        if namespaces.has("cgroup"):
            plan.container.add(
                "new_mount", pointer, slot, "cgroup2", "cgroup", flags.data, flags.attr_set
            )
        else:
            if not cgroup_mounts:
                raise SpecError(
                    f"{pointer}: the container has no cgroup of its own to show",
                    subject=pointer,
                    hint='add {"type": "cgroup"} to /linux/namespaces, or remove the mount',
                )
            _, path, _ = cgroup_mounts[0]
            plan.sources.add("open_tree", pointer, slot, path, 0, 0)
            plan.sources.add(
                "mount_attributes", pointer, slot, safe | flags.attr_set, 0, MS_PRIVATE, 0, NO_SLOT
            )
        plan.container.add(
            "attach_mount", pointer, slot, target, TARGET_DIRECTORY, 0, note="cgroup2"
        )
        if flags.propagation:
            plan.container.add(
                "mount_attributes", pointer, slot, 0, 0, flags.propagation, 0, NO_SLOT
            )
        return
    top = plan.slot()
    plan.container.add("new_mount", pointer, top, "tmpfs", "tmpfs", ["mode=755"], safe)
    plan.container.add("attach_mount", pointer, top, target, TARGET_DIRECTORY, 0, note="cgroup v1")
    for controllers, path, name in cgroup_mounts:
        slot = plan.slot()
        if namespaces.has("cgroup") and controllers:
            plan.container.add(
                "new_mount",
                pointer,
                slot,
                "cgroup",
                "cgroup",
                controllers.split(","),
                safe | read_only,
            )
        else:
            plan.sources.add("open_tree", pointer, slot, path, 0, 0)
            plan.sources.add(
                "mount_attributes", pointer, slot, safe | read_only, 0, MS_PRIVATE, 0, NO_SLOT
            )
        plan.container.add(
            "attach_mount",
            pointer,
            slot,
            f"{target}/{name}",
            TARGET_DIRECTORY,
            0,
            note=f"cgroup {controllers or name}",
        )
        if "," in name:
            for single in name.split(","):
                plan.container.add("make_symlink", pointer, name, f"{target}/{single}")
    if read_only:
        plan.late.append((top, ATTR_RDONLY, pointer))
