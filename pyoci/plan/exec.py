"""The plan of an exec: one more process in a container that runs."""

from __future__ import annotations

from pyoci.plan.namespaces import NAMESPACE_FLAGS, Namespaces
from pyoci.plan.operations import NO_SLOT
from pyoci.plan.process import (
    KEEP,
    Filter,
    compile_process,
    host_settings,
    late_filter,
    own_streams,
)
from pyoci.plan.writer import PlanWriter, Section, join_cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host
    from pyoci.plan.operations import Operation


class ExecRequest:
    """Everything beside the two configurations and the host that an exec's plan depends on.

    ``pidfd`` is an inherited descriptor of the container's init; ``root`` is set where the
    container has no mount namespace of its own; ``groups_denied`` says that its user namespace
    denies setgroups(2), whoever the caller is.
    """

    __slots__ = (
        "cgroup_directory",
        "cgroup_files",
        "console_number",
        "console_socket",
        "filter",
        "groups_denied",
        "id",
        "keyring",
        "listener",
        "pidfd",
        "pidfd_socket",
        "preserve",
        "root",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 -- the specification's name
        pidfd: int,
        root: str | None = None,
        console_socket: str | None = None,
        console_number: int | None = None,
        pidfd_socket: str | None = None,
        cgroup_directory: str | None = None,
        cgroup_files: list[str] | None = None,
        filter: Filter | None = None,  # noqa: A002
        groups_denied: bool = False,
        listener: int | None = None,
        keyring: bool = True,
        preserve: int = 0,
    ) -> None:
        self.id = id
        self.pidfd = pidfd
        self.root = root
        self.console_socket = console_socket
        self.console_number = console_number
        self.pidfd_socket = pidfd_socket
        self.cgroup_directory = cgroup_directory
        self.cgroup_files = cgroup_files or []
        self.filter = filter
        self.groups_denied = groups_denied
        self.listener = listener
        self.keyring = keyring
        self.preserve = preserve


def compile_exec(
    config: dict[str, Any],
    process: dict[str, Any],
    request: ExecRequest,
    host: Host,
    warnings: list[str],
) -> list[Operation]:
    """Compile the plan that runs ``process`` in a container made from ``config``.

    The stage is not dumpable while it is inside the container and not yet the user's program, so
    that nothing there can trace it or look at its descriptors (CVE-2016-9962).
    """
    namespaces = Namespaces(config)
    plan = PlanWriter(privileged=True)
    console = pidfd_socket = cgroup = root = NO_SLOT
    container = plan.slot()
    plan.host.add("inherit_file", "", container, request.pidfd, note="the container's init")
    if request.console_socket is not None:
        console = plan.slot()
        plan.host.add("connect_unix", "/terminal", console, request.console_socket)
    elif request.console_number is not None:
        console = plan.slot()
        plan.host.add("inherit_file", "/terminal", console, request.console_number)
    if request.pidfd_socket:
        pidfd_socket = plan.slot()
        plan.host.add("connect_unix", "", pidfd_socket, request.pidfd_socket)
    if request.filter is not None and request.listener is not None:
        request.filter.listener = plan.slot()
        plan.host.add("inherit_file", "/linux/seccomp", request.filter.listener, request.listener)
    if request.cgroup_directory:
        cgroup = plan.slot()
        plan.host.add("open_file", "", cgroup, request.cgroup_directory, 0o10200000)
    if request.root:
        root = plan.slot()
        plan.host.add("open_file", "", root, request.root, 0o10200000)
    host_settings(plan, process, "")
    affinity = process.get("execCPUAffinity") or {}
    if affinity.get("initial"):
        from pyoci.plan.memory import bit_mask, parse_list

        cpus = bit_mask(parse_list(affinity["initial"], "/execCPUAffinity/initial"))
        plan.host.add("cpu_affinity", "/execCPUAffinity/initial", cpus)

    joins = Section()
    joins.add("set_dumpable", "", 0)
    types = 0
    for kind, flag in NAMESPACE_FLAGS.items():
        if namespaces.has(kind):
            types |= flag
    # The child can be seen from inside as soon as it is there: by then it has to have left the
    # host's mounts (CVE-2016-9962). What a privileged caller joins later is what would keep it from
    # cloning into the container's cgroup. Without privileges the user namespace comes first.
    last = (NAMESPACE_FLAGS["user"] | NAMESPACE_FLAGS["cgroup"]) if host.privileged else 0
    first = types & ~last
    if first:
        joins.add("join_process", "/linux/namespaces", container, first)
    if root != NO_SLOT:
        joins.add("change_root", "", root)
    clone = Section()
    clone.add("clone", "", 0, cgroup, pidfd_socket, "setns")

    body = plan.entry.add
    join_cgroups(plan, request.cgroup_files, "")
    body("sync", "", "namespaces", note="cgroups")
    if types & ~first:
        body("join_process", "/linux/namespaces", container, types & ~first)
    if namespaces.has("user"):
        body("become_root", "", 0, 0)
    body("set_dumpable", "", 0)
    if affinity.get("final"):
        from pyoci.plan.memory import bit_mask, parse_list

        cpus = bit_mask(parse_list(affinity["final"], "/execCPUAffinity/final"))
        body("cpu_affinity", "/execCPUAffinity/final", cpus)
    if request.keyring:
        body("session_keyring", "", f"_ses.{request.id}")
    body("new_session", "")
    proc = NO_SLOT
    if process.get("apparmorProfile") or process.get("selinuxLabel"):
        proc = plan.slot()
        body("open_proc", "", proc)
    body("use_root", "", "/")
    if process.get("terminal"):
        peer = plan.slot()
        size = process.get("consoleSize") or {}
        body(
            "open_console",
            "/terminal",
            peer,
            console,
            size.get("width") or 0,
            size.get("height") or 0,
            (process.get("user") or {}).get("uid") or 0,
            KEEP,
            0,
        )
        body("use_console", "/terminal", peer)
    else:
        own_streams(plan, process, config, host, "/user/uid")
    compile_process(
        plan,
        process,
        config,
        host,
        pointer="",
        proc=proc,
        filter=request.filter,
        keep_groups=request.groups_denied,
        preserve=request.preserve,
        warnings=warnings,
    )
    plan.container.add("sync", "", "ready")
    late_filter(plan, process, request.filter)
    plan.container.add("exec", "/args")
    return plan.operations(joins, clone)
