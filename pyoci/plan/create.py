"""The plan of a create: config.json → operations, in the order in which they happen."""

from __future__ import annotations

from pyoci.errors import SpecError
from pyoci.plan.devices import brings_own_dev, compile_devices
from pyoci.plan.mounts import (
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
    compile_mounts,
)
from pyoci.plan.namespaces import (
    NAMESPACE_FLAGS,
    Namespaces,
    clone_flags,
    join_operations,
    time_offsets,
)
from pyoci.plan.operations import NO_SLOT, Operation
from pyoci.plan.process import (
    KEEP,
    Filter,
    compile_process,
    groups_denied,
    host_settings,
    late_filter,
    own_streams,
)
from pyoci.plan.writer import PlanWriter, Section, join_cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host

_O_RDWR = 0o2
_O_WRONLY_APPEND = 0o2001
_PROPAGATION = {
    "shared": (MS_SHARED, False),
    "rshared": (MS_SHARED, True),
    "slave": (MS_SLAVE, False),
    "rslave": (MS_SLAVE, True),
    "private": (MS_PRIVATE, False),
    "rprivate": (MS_PRIVATE, True),
    "unbindable": (MS_UNBINDABLE, False),
    "runbindable": (MS_UNBINDABLE, True),
}
# What belongs to a namespace, so that writing it changes nothing but the container
# (namespaces(7), and kernel/ucount.c's and net's registrations).
_SYSCTLS = (
    (("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall"), "ipc"),
    (("kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "fs.mqueue."), "ipc"),
    (("kernel.msg_next_id", "kernel.sem_next_id", "kernel.shm_next_id"), "ipc"),
    (("net.",), "network"),
    (("kernel.domainname", "kernel.hostname"), "uts"),
    (("user.",), "user"),
)


class CreateRequest:
    """Everything beside config.json and the host that a create's plan depends on.

    ``fifo`` and ``report`` are None for ``run``, which does not wait for a start;
    ``console_socket`` is a path, ``console_number`` an inherited socket. ``cgroup_directory`` is
    where clone3(2) puts the process (v2), ``cgroup_files`` are where it joins by itself (v1).
    ``state_json`` is the state object for hooks inside the container, split where its pid goes.
    """

    __slots__ = (
        "bundle",
        "cgroup_directory",
        "cgroup_files",
        "cgroup_mounts",
        "console_number",
        "console_socket",
        "device_program",
        "fifo",
        "filter",
        "id",
        "keyring",
        "listener",
        "no_pivot",
        "notify_directory",
        "pidfd_socket",
        "preserve",
        "report",
        "rootfs",
        "state_json",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 -- the specification's name
        bundle: str,
        rootfs: str,
        fifo: str | None = None,
        report: str | None = None,
        console_socket: str | None = None,
        console_number: int | None = None,
        pidfd_socket: str | None = None,
        cgroup_directory: str | None = None,
        cgroup_files: list[str] | None = None,
        cgroup_mounts: list[tuple[str, str, str]] | None = None,
        device_program: bytes | None = None,
        filter: Filter | None = None,  # noqa: A002
        listener: int | None = None,
        keyring: bool = True,
        no_pivot: bool = False,
        preserve: int = 0,
        notify_directory: str | None = None,
        state_json: tuple[str, str] = ("", ""),
    ) -> None:
        self.id = id
        self.bundle = bundle
        self.rootfs = rootfs
        self.fifo = fifo
        self.report = report
        self.console_socket = console_socket
        self.console_number = console_number
        self.pidfd_socket = pidfd_socket
        self.cgroup_directory = cgroup_directory
        self.cgroup_files = cgroup_files or []
        self.cgroup_mounts = cgroup_mounts or []
        self.device_program = device_program
        self.filter = filter
        self.listener = listener
        self.keyring = keyring
        self.no_pivot = no_pivot
        self.preserve = preserve
        self.notify_directory = notify_directory
        self.state_json = state_json


def compile_create(
    config: dict[str, Any], request: CreateRequest, host: Host, warnings: list[str]
) -> list[Operation]:
    """Compile the plan of a create or run.

    Raises SpecError, with the JSON pointer, for what the configuration asks and cannot be.
    """
    linux = config.get("linux") or {}
    process = config.get("process") or {}
    namespaces = Namespaces(config)
    _refuse_contradictions(config, namespaces)
    plan = PlanWriter(privileged=host.privileged and not host.in_user_namespace)
    own_mounts = namespaces.has("mount")
    new_mounts = "mount" in namespaces.new

    # -- in the caller's namespaces ---------------------------------------------------------------
    root = plan.slot()
    fifo = report = console = pidfd = cgroup = NO_SLOT
    if request.fifo and request.report:
        fifo, report = plan.slot(), plan.slot()
        plan.host.add("open_file", "", fifo, request.fifo, _O_RDWR, note="where start writes")
        plan.host.add("open_file", "", report, request.report, _O_WRONLY_APPEND)
    if request.console_socket is not None:
        console = plan.slot()
        plan.host.add("connect_unix", "/process/terminal", console, request.console_socket)
    elif request.console_number is not None:
        console = plan.slot()
        plan.host.add("inherit_file", "/process/terminal", console, request.console_number)
    if request.pidfd_socket:
        pidfd = plan.slot()
        plan.host.add("connect_unix", "", pidfd, request.pidfd_socket)
    if request.filter is not None and request.listener is not None:
        request.filter.listener = plan.slot()
        plan.host.add(
            "inherit_file",
            "/linux/seccomp/listenerPath",
            request.filter.listener,
            request.listener,
        )
    if request.cgroup_directory:
        cgroup = plan.slot()
        # O_PATH|O_DIRECTORY
        plan.host.add(
            "open_file", "/linux/cgroupsPath", cgroup, request.cgroup_directory, 0o10200000
        )
    if request.device_program:
        slot = cgroup
        plan.host.add(
            "load_device_program", "/linux/resources/devices", slot, request.device_program
        )
    if new_mounts:
        plan.sources.add("open_tree", "/root/path", root, request.rootfs, 1, 0)
        plan.sources.add(
            "mount_attributes",
            "/linux/rootfsPropagation",
            root,
            0,
            0,
            _root_tree_propagation(linux),
            1,
            NO_SLOT,
        )
    elif not own_mounts:
        plan.host.add("open_file", "/root/path", root, request.rootfs, 0o10200000)
    host_settings(plan, process, "/process")

    # -- in the container -------------------------------------------------------------------------
    body = plan.container.add
    proc = plan.slot() if _writes_proc(config) else NO_SLOT
    enter = plan.entry.add
    join_cgroups(plan, request.cgroup_files, "/linux/cgroupsPath")
    enter("sync", "", "namespaces", note="id mappings, cgroups, network devices")
    if "time" in namespaces.new:
        # While /proc/self is still the caller's: afterwards it is the host's root's.
        enter("time_namespace", namespaces.new["time"], time_offsets(config))
    if namespaces.has("user"):
        enter("become_root", namespaces.pointer("user"), 0, 0)
    enter("set_dumpable", "", 0)
    if "cgroup" in namespaces.new:
        enter("unshare", namespaces.new["cgroup"], NAMESPACE_FLAGS["cgroup"])
    if request.keyring:
        enter("session_keyring", "", f"_ses.{request.id}")
    enter("new_session", "")
    if "network" in namespaces.new:
        enter("loopback_up", namespaces.new["network"])
    if proc != NO_SLOT:
        enter("open_proc", "", proc, note="private, before any mount of the container exists")
    if linux.get("memoryPolicy"):
        from pyoci.plan.memory import memory_policy

        mode, nodes = memory_policy(linux["memoryPolicy"])
        enter("memory_policy", "/linux/memoryPolicy", mode, nodes)
    if own_mounts:
        _file_system(plan, config, request, host, namespaces, root)
    hooks = config.get("hooks") or {}
    if process.get("terminal"):
        peer = plan.slot()
        _console(plan, console, peer, process, mount=own_mounts)
    if hooks.get("prestart") or hooks.get("createRuntime"):
        body("sync", "/hooks/createRuntime", "hooks", note="prestart and createRuntime hooks")
    _hooks(plan, "createContainer", hooks, request)
    _enter_root(plan, config, request, namespaces, root)
    if config.get("hostname"):
        body("hostname", "/hostname", config["hostname"])
    if config.get("domainname"):
        body("domainname", "/domainname", config["domainname"])
    for name, value in (linux.get("sysctl") or {}).items():
        pointer = f"/linux/sysctl/{name}"
        body("write_proc", pointer, proc, f"sys/{_sysctl_path(name, namespaces, host)}", value)
    if own_mounts:
        for index, path in enumerate(linux.get("readonlyPaths") or ()):
            body("readonly_path", f"/linux/readonlyPaths/{index}", path)
        for index, path in enumerate(linux.get("maskedPaths") or ()):
            body("mask_path", f"/linux/maskedPaths/{index}", path)
    if process.get("cwd", "/") != "/":
        # Only what is missing: runc makes it too. The kernel refuses on a read-only root.
        body("make_directory", "/process/cwd", process["cwd"], 0o755)
    if own_mounts:
        for slot, attributes, pointer in plan.late:
            body("mount_attributes", pointer, slot, attributes, 0, 0, 0, NO_SLOT)
        if (config.get("root") or {}).get("readonly"):
            body("root_readonly", "/root/readonly")
    if process.get("terminal"):
        body("use_console", "/process/terminal", peer)
    else:
        own_streams(plan, process, config, host, "/process/user/uid")
    compile_process(
        plan,
        process,
        config,
        host,
        pointer="/process",
        proc=proc,
        filter=request.filter,
        keep_groups=groups_denied(host, namespaces, linux),
        preserve=request.preserve,
        warnings=warnings,
    )
    body("sync", "", "created", note="the container is created")
    if fifo != NO_SLOT:
        body("wait_start", "", fifo, report)
    _hooks(plan, "startContainer", hooks, request)
    late_filter(plan, process, request.filter)
    body("exec", "/process/args")

    joins = join_operations(plan, namespaces)
    if namespaces.joined and "user" not in namespaces.new:
        # Whoever is in the joined namespaces may not trace the init (CVE-2016-9962). A new user
        # namespace is for its caller to map, who may not if the process is not dumpable.
        joins.operations.insert(0, Operation("set_dumpable", "", (0,)))
    clone = Section()
    clone.add(
        "clone",
        "/linux/namespaces",
        clone_flags(namespaces),
        cgroup if request.cgroup_directory else NO_SLOT,
        pidfd,
        "standard",
    )
    return plan.operations(joins, clone)


def _writes_proc(config: dict[str, Any]) -> bool:
    process = config.get("process") or {}
    return bool(
        (config.get("linux") or {}).get("sysctl")
        or process.get("apparmorProfile")
        or process.get("selinuxLabel")
    )


def _refuse_contradictions(config: dict[str, Any], namespaces: Namespaces) -> None:
    linux = config.get("linux") or {}
    process = config.get("process") or {}
    without_mount = (
        ("/mounts", config.get("mounts")),
        ("/linux/maskedPaths", linux.get("maskedPaths")),
        ("/linux/readonlyPaths", linux.get("readonlyPaths")),
    )
    if not namespaces.has("mount"):
        for pointer, value in without_mount:
            if value:
                raise SpecError(
                    f"{pointer}: unable to restrict or mount anything without a private MNT "
                    f"namespace",
                    subject=pointer,
                    hint='add {"type": "mount"} to /linux/namespaces',
                )
    if "mount" not in namespaces.new and (config.get("root") or {}).get("readonly"):
        raise SpecError(
            "/root/readonly: the mounts of a namespace that others use cannot be made read-only",
            subject="/root/readonly",
            hint='add {"type": "mount"} without a path to /linux/namespaces',
        )
    for name, kind in (("hostname", "uts"), ("domainname", "uts")):
        if config.get(name) and not namespaces.has(kind):
            raise SpecError(
                f"/{name}: unable to set {name} without a private UTS namespace",
                subject=f"/{name}",
                hint='add {"type": "uts"} to /linux/namespaces',
            )
    if linux.get("timeOffsets") and "time" not in namespaces.new:
        raise SpecError(
            "/linux/timeOffsets: time offsets need a new time namespace",
            subject="/linux/timeOffsets",
            hint='add {"type": "time"} to /linux/namespaces',
        )
    if "user" in namespaces.new:
        for name in ("uidMappings", "gidMappings"):
            if not linux.get(name):
                raise SpecError(
                    f"/linux/{name}: a new user namespace needs id mappings",
                    subject=f"/linux/{name}",
                    hint="map at least the container's id 0",
                )
    elif not namespaces.has("user") and (linux.get("uidMappings") or linux.get("gidMappings")):
        raise SpecError(
            "/linux/uidMappings: user namespace mappings specified, but user namespace isn't "
            "enabled in the config",
            subject="/linux/uidMappings",
            hint='add {"type": "user"} to /linux/namespaces',
        )
    if process.get("terminal") and brings_own_dev(config) and not namespaces.has("mount"):
        raise SpecError("/process/terminal: no devpts to take a terminal from", subject="/process")


def _root_tree_propagation(linux: dict[str, Any]) -> int:
    # The clone of a shared mount is the host's peer until it is told otherwise.
    wanted = linux.get("rootfsPropagation") or ""
    if wanted in ("slave", "rslave", ""):
        return MS_SLAVE
    return MS_PRIVATE


def _file_system(
    plan: PlanWriter,
    config: dict[str, Any],
    request: CreateRequest,
    host: Host,
    namespaces: Namespaces,
    root: int,
) -> None:
    if "mount" in namespaces.new:
        plan.container.add("propagation", "/linux/rootfsPropagation", "/", MS_SLAVE, 1)
        plan.container.add("attach_root", "/root/path", root, request.rootfs)
    else:
        # Others live in a joined namespace: its mounts and its root stay as they are.
        plan.container.add("use_root", "/root/path", request.rootfs)
    compile_mounts(plan, config, host, namespaces, request.bundle, request.cgroup_mounts)
    if request.notify_directory:
        slot = plan.slot()
        plan.sources.add("open_tree", "", slot, request.notify_directory, 0, 0)
        plan.container.add("attach_mount", "", slot, "/run/notify", 0, 0, note="sd_notify(3)")
    compile_devices(plan, config, host, namespaces)


def _console(
    plan: PlanWriter,
    socket: int,
    peer: int,
    process: dict[str, Any],
    *,
    mount: bool,
) -> None:
    size = process.get("consoleSize") or {}
    plan.container.add(
        "open_console",
        "/process/terminal",
        peer,
        socket,
        size.get("width") or 0,
        size.get("height") or 0,
        (process.get("user") or {}).get("uid") or 0,
        KEEP,
        int(mount),
    )


def _hooks(plan: PlanWriter, kind: str, hooks: dict[str, Any], request: CreateRequest) -> None:
    for index, hook in enumerate(hooks.get(kind) or ()):
        head, tail = request.state_json
        if kind == "startContainer":
            head = head.replace('"status":"creating"', '"status":"created"')
            tail = tail.replace('"status":"creating"', '"status":"created"')
        plan.container.add(
            "run_hook",
            f"/hooks/{kind}/{index}",
            hook["path"],
            hook.get("args") or [hook["path"]],
            hook.get("env") or [],
            hook.get("timeout") or 0,
            head,
            tail,
        )


def _enter_root(
    plan: PlanWriter,
    config: dict[str, Any],
    request: CreateRequest,
    namespaces: Namespaces,
    root: int,
) -> None:
    if "mount" not in namespaces.new:
        # Without a slot: the directory that use_root has opened inside a joined namespace.
        slot = NO_SLOT if namespaces.has("mount") else root
        plan.container.add("change_root", "/root/path", slot)
        return
    plan.container.add("move_root" if request.no_pivot else "pivot_root", "/root/path")
    wanted = (config.get("linux") or {}).get("rootfsPropagation")
    if wanted:
        flags, recursive = _PROPAGATION[wanted]
        plan.container.add("root_propagation", "/linux/rootfsPropagation", flags, int(recursive))


def _sysctl_path(name: str, namespaces: Namespaces, host: Host) -> str:
    """Give a sysctl's path below /proc/sys.

    With a slash in it a name separates by slashes and keeps its dots, as in sysctl.d(5).

    Raises SpecError when it belongs to no namespace of the container's own: writing it would
    change the host.
    """
    path = name if "/" in name else name.replace(".", "/")
    pointer = f"/linux/sysctl/{name}"
    kind = _sysctl_namespace(path)
    if kind is None:
        raise SpecError(
            f'{pointer}: sysctl "{name}" is not in a separate kernel namespace',
            subject=pointer,
            hint="set it on the host: it would apply to every process there",
        )
    if not namespaces.has(kind):
        raise SpecError(
            f'{pointer}: sysctl "{name}" is not allowed without a private {kind} namespace',
            subject=pointer,
            hint=f'add {{"type": "{kind}"}} to /linux/namespaces',
        )
    if kind in namespaces.joined and host.is_own_namespace(kind, namespaces.joined[kind][0]):
        raise SpecError(
            f'{pointer}: sysctl "{name}" is not allowed in the host\'s {kind} namespace',
            subject=pointer,
            hint=f"{namespaces.pointer(kind)}: leave the path out, or join a container's namespace",
        )
    return path


def _sysctl_namespace(path: str) -> str | None:
    """Give the type of namespace that a path below /proc/sys belongs to."""
    if ".." in path.split("/"):
        # "user/../kernel/core_pattern" is none of the user namespace's.
        return None
    dotted = path.replace("/", ".")
    for prefixes, kind in _SYSCTLS:
        for prefix in prefixes:
            if dotted == prefix or (prefix.endswith(".") and dotted.startswith(prefix)):
                return kind
    return None
