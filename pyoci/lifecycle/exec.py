"""exec: runs one more process in a container."""

from __future__ import annotations

import posix as os

from pyoci.errors import ContainerStateError, PyociError
from pyoci.lifecycle.filter import compiled_filter
from pyoci.lifecycle.find import cgroup_of, status_of
from pyoci.lifecycle.pid_file import write_pid_file
from pyoci.paths import isdir
from pyoci.plan.exec import ExecRequest, compile_exec
from pyoci.plan.host import Host, groups_denied
from pyoci.plan.namespaces import Namespaces
from pyoci.plan.stage import Failure, Stage
from pyoci.spec.check import check_process
from pyoci.state.process import is_alive
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.state.store import State


class ExecOptions:
    """How a process is executed, beside what its ``process`` object says."""

    __slots__ = (
        "cgroup",
        "console_number",
        "console_socket",
        "ignore_paused",
        "pid_file",
        "pidfd_socket",
        "preserve",
        "stdio",
    )

    def __init__(
        self,
        *,
        console_socket: str | None = None,
        console_number: int | None = None,
        pidfd_socket: str | None = None,
        pid_file: str | None = None,
        preserve: int = 0,
        ignore_paused: bool = False,
        cgroup: list[str] | None = None,
        stdio: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        self.console_socket = console_socket
        self.console_number = console_number
        self.pidfd_socket = pidfd_socket
        self.pid_file = pid_file
        self.preserve = preserve
        self.ignore_paused = ignore_paused
        self.cgroup = cgroup or []
        self.stdio = stdio


def execute(entry: Entry, process: dict[str, Any], options: ExecOptions) -> tuple[int, list[str]]:
    """Execute a process in a running (or created) container.

    The process is a child of the caller: gives its PID, and warnings.

    Raises ContainerStateError, CommandError and other PyociErrors.
    """
    warnings = check_process(process)
    state = entry.read()
    _check_status(entry, state, options)
    config = entry.read_config()
    host = Host.gather()
    pidfd = _pidfd(state)
    try:
        return _execute(entry, state, config, process, options, host, pidfd, warnings)
    finally:
        os.close(pidfd)


def default_process(entry: Entry) -> dict[str, Any]:
    """Give the ``process`` object of the container's own configuration."""
    process: dict[str, Any] = entry.read_config().get("process") or {}
    return process


def _check_status(entry: Entry, state: State, options: ExecOptions) -> None:
    status = status_of(entry, state)
    if status in ("stopped", "creating"):
        raise ContainerStateError(
            "cannot exec in a stopped container",
            subject=state.id,
            hint="container not running: create and start it again",
        )
    if status == "paused" and not options.ignore_paused:
        raise ContainerStateError(
            "cannot exec in a paused container (use --ignore-paused to override)",
            subject=state.id,
            hint=f"or first: pyoci resume {state.id}",
        )


def _pidfd(state: State) -> int:
    try:
        pidfd = os.pidfd_open(state.pid)
    except OSError:
        raise ContainerStateError("cannot exec in a stopped container", subject=state.id) from None
    if not is_alive(state.pid, state.start_time):
        os.close(pidfd)
        raise ContainerStateError("cannot exec in a stopped container", subject=state.id)
    return pidfd


def _execute(
    entry: Entry,
    state: State,
    config: dict[str, Any],
    process: dict[str, Any],
    options: ExecOptions,
    host: Host,
    pidfd: int,
    warnings: list[str],
) -> tuple[int, list[str]]:
    cgroup = cgroup_of(state)
    linux = config.get("linux") or {}
    sub = _sub_cgroups(options.cgroup)
    directory = None
    if cgroup is not None and host.privileged:
        directory = cgroup.directory_for_clone(state.pid)
        if directory is not None and sub:
            directory = _below(directory, sub.get("", "/"))
    files = cgroup.files_to_join(sub or None) if cgroup is not None else []
    namespaces = Namespaces(config)
    root = None if "mount" in namespaces.new else f"/proc/{state.pid}/root"
    inner = namespaces.has("user") or host.in_user_namespace
    request = ExecRequest(
        id=state.id,
        pidfd=pidfd,
        root=root,
        console_socket=options.console_socket,
        console_number=options.console_number,
        pidfd_socket=options.pidfd_socket,
        cgroup_directory=directory,
        cgroup_files=files,
        filter=compiled_filter(entry.root, linux),
        groups_denied=inner and groups_denied(state.pid),
        preserve=options.preserve,
    )
    operations = compile_exec(config, process, request, host, warnings)
    inherited = [pidfd]
    if options.console_number is not None:
        inherited.append(options.console_number)
    stage = Stage(
        operations,
        inherited=tuple(inherited),
        preserve=options.preserve,
        stdio=options.stdio,
    )
    ready = False

    def on_sync(name: str) -> None:
        nonlocal ready
        if name == "namespaces":
            if cgroup is not None and (directory is None or files):
                cgroup.attach(stage.pid, below=sub or None, init_pid=state.pid)
        elif name == "ready":
            ready = True
            if options.pid_file:
                write_pid_file(options.pid_file, stage.pid)

    try:
        stage.run(on_sync)
    except Failure as failure:
        stage.abandon()
        from pyoci.plan.failure import explain

        raise explain(failure, config, process, f"/proc/{state.pid}/root", pointer="") from None
    except BaseException:
        stage.abandon()
        raise
    if not ready:
        stage.abandon()
        raise PyociError(
            "the process ended before it could execute its program",
            subject=state.id,
            hint="the container stopped meanwhile, or is out of memory",
        )
    stage.close()
    return stage.pid, warnings + stage.warnings


def _sub_cgroups(specified: list[str]) -> dict[str, str]:
    """Give ``--cgroup [controllers:]path`` by controller; "" is all of them."""
    result: dict[str, str] = {}
    for entry in specified:
        controllers, colon, path = entry.rpartition(":")
        for controller in controllers.split(",") if colon else ("",):
            result[controller] = path
    return result


def _below(directory: str, path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PyociError(
            f"--cgroup {path}: is not below the container's cgroup",
            hint="give a path without ..",
        )
    target = "/".join([directory, *parts])
    if not isdir(target):
        raise PyociError(
            f"--cgroup {path}: the container has no such cgroup",
            hint="create it inside the container first",
        )
    return target
