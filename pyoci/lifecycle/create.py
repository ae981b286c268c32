"""create: from a bundle to a container that waits for start; run goes on to the program itself."""

from __future__ import annotations

import posix as os

from pyoci import phases
from pyoci.cgroup.location import resolve
from pyoci.errors import PyociError, UsageError, reason
from pyoci.lifecycle.filter import compiled_filter
from pyoci.lifecycle.pid_file import write_pid_file
from pyoci.lifecycle.report import caller, now, split_state_text, state_text
from pyoci.plan.create import CreateRequest, compile_create
from pyoci.plan.host import Host
from pyoci.plan.stage import Failure, Stage
from pyoci.spec.check import check_config
from pyoci.spec.version import NEWEST
from pyoci.state.process import stat_fields
from pyoci.state.store import FIFO, REPORT, Entry, State, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup import Cgroup
    from pyoci.plan.operations import Operation
    from pyoci.spec.bundle import Bundle


class CreateOptions:
    """How a container is created, beside what its configuration says.

    ``wait`` is true for create: the container waits for start. ``console_number`` is an open
    socket that takes the terminal's master, for a caller that handles the terminal itself.
    ``inherited`` are descriptors that are handed on although they are close-on-exec.
    """

    __slots__ = (
        "console_number",
        "console_socket",
        "inherited",
        "keyring",
        "no_pivot",
        "pid_file",
        "pidfd_socket",
        "preserve",
        "rootless",
        "stdio",
        "systemd_cgroup",
        "wait",
    )

    def __init__(
        self,
        *,
        wait: bool = True,
        console_socket: str | None = None,
        console_number: int | None = None,
        pidfd_socket: str | None = None,
        pid_file: str | None = None,
        no_pivot: bool = False,
        keyring: bool = True,
        preserve: int = 0,
        inherited: tuple[int, ...] = (),
        systemd_cgroup: bool = False,
        rootless: bool | None = None,
        stdio: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        self.wait = wait
        self.console_socket = console_socket
        self.console_number = console_number
        self.pidfd_socket = pidfd_socket
        self.pid_file = pid_file
        self.no_pivot = no_pivot
        self.keyring = keyring
        self.preserve = preserve
        self.inherited = inherited
        self.systemd_cgroup = systemd_cgroup
        self.rootless = rootless
        self.stdio = stdio


class Creation:
    """What a create has made so far; undone in the reverse order when it fails."""

    __slots__ = ("cgroup", "config", "entry", "stage", "state")

    def __init__(self, entry: Entry, state: State, config: dict[str, Any]) -> None:
        self.entry = entry
        self.state = state
        self.config = config
        self.cgroup: Cgroup | None = None
        self.stage: Stage | None = None

    def undo(self) -> None:
        """Kill the process, remove the cgroup and the state directory."""
        if self.stage is not None:
            self.stage.abandon()
        if self.cgroup is not None:
            try:
                if self.cgroup.exists():
                    self.cgroup.kill(9)
                self.cgroup.remove()
            except PyociError:
                # The state must stay: it is what delete --force finds the cgroup by.
                return
        self.entry.remove()


def create(
    root: str, container_id: str, bundle: Bundle, options: CreateOptions
) -> tuple[State, list[str]]:
    """Create a container from a loaded bundle; for ``options.wait`` false, execute its program.

    The process is a child of the caller. Gives its state and warnings. When anything fails
    nothing is left: no process, mount, cgroup or state.

    Raises PyociError.
    """
    warnings = check_config(bundle.config)
    check_terminal(bundle.config, options)
    entry = Entry(root, container_id)
    host = Host.gather()
    state = new_state(container_id, bundle)
    entry.claim()
    phases.mark("check")
    creation = Creation(entry, state, bundle.config)
    try:
        _create(creation, bundle, options, host, warnings)
    except BaseException:
        creation.undo()
        raise
    return state, warnings


def new_state(container_id: str, bundle: Bundle) -> State:
    """Give the state of a container that this process is about to make."""
    creator, creator_start = caller()
    return State(
        id=container_id,
        oci_version=bundle.config.get("ociVersion") or NEWEST,
        bundle=bundle.path,
        rootfs=bundle.rootfs,
        created=now(),
        owner=os.geteuid(),
        annotations=bundle.config.get("annotations") or {},
        creator=creator,
        creator_start_time=creator_start,
    )


def _create(
    creation: Creation,
    bundle: Bundle,
    options: CreateOptions,
    host: Host,
    warnings: list[str],
) -> None:
    entry, state, config = creation.entry, creation.state, creation.config
    linux = config.get("linux") or {}
    cgroup = record_cgroup(creation, bundle, options, host)
    listener = _connect_listener(linux)
    operations = compile_create(
        config, _request(creation, options, cgroup, host, listener), host, warnings
    )
    phases.mark("plan")
    creation.cgroup = cgroup
    cgroup.create(linux.get("resources") or {}, None)
    cgroup.apply(linux.get("resources") or {})
    state.cgroup = cgroup.record()
    phases.mark("cgroup")
    stage = creation.stage = _start_stage(operations, options, listener)
    phases.mark("stage")

    def on_namespaces() -> None:
        state.pid = stage.pid
        state.start_time = stat_fields(stage.pid)[1]
        if "user" in {n["type"] for n in linux.get("namespaces") or () if not n.get("path")}:
            from pyoci.lifecycle.identity import write_mappings

            write_mappings(state.pid, linux, host)
        cgroup.attach(state.pid)
        if host.unified and any(
            mount.get("source") == "cgroup" for mount in config.get("mounts") or ()
        ):
            _give_cgroup(cgroup, config, host, state.pid)
        # With the pid, so that killing this command leaves nothing that cannot be found.
        state.cgroup = cgroup.record()
        entry.write(state)

    created = False

    def on_sync(name: str) -> None:
        nonlocal created
        if name == "namespaces":
            on_namespaces()
        elif name == "hooks":
            run_hooks_before_pivot(config, state)
        elif name == "created":
            created = True
            if listener is not None:
                _send_listener(listener, linux, state)
            if options.pid_file:
                write_pid_file(options.pid_file, state.pid)

    try:
        stage.run(on_sync)
    except Failure as failure:
        from pyoci.plan.failure import explain

        process = config.get("process") or {}
        raise explain(failure, config, process, state.rootfs) from None
    finally:
        if listener is not None:
            listener.close()
    if not created:
        raise _died(stage)
    phases.mark("init")
    stage.close()
    warnings += stage.warnings


def record_cgroup(creation: Creation, bundle: Bundle, options: CreateOptions, host: Host) -> Cgroup:
    """Give the cgroup that a container is to have, and write it down with the configuration.

    Before anything is made, so that delete --force finds all of it.
    """
    state = creation.state
    rootless = host.euid != 0 or host.in_user_namespace
    if options.rootless is not None:
        rootless = options.rootless
    cgroup = resolve(
        (creation.config.get("linux") or {}).get("cgroupsPath"),
        state.id,
        systemd=options.systemd_cgroup,
        rootless=rootless,
        annotations=state.annotations,
    )
    state.cgroup = cgroup.record()
    creation.entry.save_config(bundle.config_bytes)
    creation.entry.write(state)
    return cgroup


def _give_cgroup(cgroup: Cgroup, config: dict[str, Any], host: Host, pid: int) -> None:
    from pyoci.lifecycle.cgroup_owner import cgroup_owner

    owner = cgroup_owner(config, host, read_file(f"/proc/{pid}/uid_map").decode("ascii"))
    if owner is not None:
        cgroup.delegate(owner)


def _start_stage(
    operations: list[Operation], options: CreateOptions, listener: Listener | None
) -> Stage:
    inherited = [*options.inherited]
    if options.console_number is not None:
        inherited.append(options.console_number)
    if listener is not None:
        inherited.append(listener.number)
    return Stage(
        operations,
        inherited=tuple(inherited),
        preserve=options.preserve,
        stdio=options.stdio,
    )


def _request(
    creation: Creation,
    options: CreateOptions,
    cgroup: Cgroup,
    host: Host,
    listener: Listener | None,
) -> CreateRequest:
    entry, state, config = creation.entry, creation.state, creation.config
    linux = config.get("linux") or {}
    fifo = report = None
    if options.wait:
        fifo, report = entry.file(FIFO), entry.file(REPORT)
        os.mkfifo(fifo, 0o600)
        os.close(os.open(report, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    directory = cgroup.directory_for_clone()
    files = cgroup.files_to_join()
    return CreateRequest(
        id=state.id,
        bundle=state.bundle,
        rootfs=state.rootfs,
        fifo=fifo,
        report=report,
        console_socket=options.console_socket,
        console_number=options.console_number,
        pidfd_socket=options.pidfd_socket,
        cgroup_directory=directory,
        cgroup_files=files,
        cgroup_mounts=cgroup.namespace_mounts(),
        device_program=device_program(config, directory, files, host),
        filter=compiled_filter(entry.root, linux),
        listener=listener.number if listener is not None else None,
        keyring=options.keyring,
        no_pivot=options.no_pivot,
        preserve=options.preserve,
        state_json=split_state_text(state, "creating"),
    )


def device_program(
    config: dict[str, Any], directory: str | None, files: list[str], host: Host
) -> bytes | None:
    """Give the program for a v2 cgroup's device rules, None where something else enforces them."""
    # A v1 hierarchy has a device list of its own.
    if directory is None or files or host.in_user_namespace or not host.privileged:
        return None
    from pyoci import cgroup as cgroups

    resources = (config.get("linux") or {}).get("resources") or {}
    return cgroups.device_program(cgroups.effective_device_rules(resources)) or None


def check_terminal(config: dict[str, Any], options: CreateOptions) -> None:
    """Raise UsageError unless a terminal is wanted and can be handed on, or neither."""
    terminal = (config.get("process") or {}).get("terminal")
    handled = options.console_socket is not None or options.console_number is not None
    if terminal and not handled:
        raise UsageError(
            "cannot allocate tty if pyoci will detach without setting console socket",
            subject="/process/terminal",
            hint="give --console-socket, or set /process/terminal to false",
        )
    if not terminal and options.console_socket is not None:
        raise UsageError(
            "cannot use console socket if pyoci will not detach or allocate tty",
            subject="/process/terminal",
            hint="leave --console-socket out, or set /process/terminal to true",
        )


def run_hooks_before_pivot(config: dict[str, Any], state: State) -> None:
    """Run the prestart and createRuntime hooks; raises HookError."""
    from pyoci.hooks import run_hooks

    hooks = config.get("hooks") or {}
    text = state_text(state, "creating", state.pid)
    for kind in ("prestart", "createRuntime"):
        run_hooks(kind, hooks.get(kind) or [], text)


def _died(stage: Stage) -> PyociError:
    """Give the error for an init that ended before the container was created."""
    if stage.pid:
        _, status = os.waitpid(stage.pid, 0)
        stage.pid = 0
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == 9:
            return PyociError(
                "the container's init was killed during its set-up",
                subject="/linux/resources/memory/limit",
                hint="out of memory most likely: raise the memory limit",
            )
    return PyociError("the container's init ended before the container was created")


class Listener:
    """The way of a seccomp listener descriptor from the container's init to its agent."""

    __slots__ = ("_ours", "number", "path")

    def __init__(self, path: str) -> None:
        import _socket

        self.path = path
        self._ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self.number = theirs.detach()

    def receive(self) -> int:
        """Take the descriptor that the init sends."""
        import _socket

        _, control, _, _ = self._ours.recvmsg(1, _socket.CMSG_SPACE(4))
        for level, kind, data in control:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                return int.from_bytes(data[:4], "little")
        raise PyociError("the container's init did not send its seccomp listener")

    def close(self) -> None:
        """Close both ends."""
        self._ours.close()
        if self.number >= 0:
            os.close(self.number)
            self.number = -1


def _connect_listener(linux: dict[str, Any]) -> Listener | None:
    profile = linux.get("seccomp") or {}
    path = profile.get("listenerPath")
    if not path:
        return None
    actions = {rule["action"] for rule in profile.get("syscalls") or ()}
    return Listener(path) if "SCMP_ACT_NOTIFY" in actions else None


def _send_listener(listener: Listener, linux: dict[str, Any], state: State) -> None:
    """Send the container process state and the descriptor to ``listenerPath``.

    config-linux.md, Seccomp: one connection, one state, closed after.
    """
    import _socket

    from pyoci.lifecycle.report import state_object
    from pyoci.spec.json_text import encode

    descriptor = listener.receive()
    message: dict[str, Any] = {
        "ociVersion": NEWEST,
        "fds": ["seccompFd"],
        "pid": state.pid,
        "state": state_object(state, "creating", state.pid),
    }
    metadata = (linux.get("seccomp") or {}).get("listenerMetadata")
    if metadata:
        message["metadata"] = metadata
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(listener.path)
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(4, "little"))
        data = encode(message).encode()
        sent = connection.sendmsg([data], [rights])
        connection.sendall(data[sent:])
    except OSError as error:
        raise PyociError(
            f"cannot send the seccomp listener to {listener.path}: {reason(error)}",
            subject="/linux/seccomp/listenerPath",
            hint="an agent has to listen there before the container starts",
        ) from None
    finally:
        connection.close()
        os.close(descriptor)
