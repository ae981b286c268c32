"""restore: a container from a bundle and the image files of a checkpoint; it goes on at once.

CRIU runs as a container's init would: a child of ours, in the container's cgroup. What it restores
becomes its sibling, and so our child too.
"""

from __future__ import annotations

import fcntl
import posix as os

from pyoci.cgroup.membership import memberships
from pyoci.criu.externals import (
    DESCRIPTORS_FILE,
    MASKED_DIRECTORY,
    MASKED_FILE,
    NAMESPACE_KEYS,
    outside_mounts,
    restored_streams,
)
from pyoci.criu.messages import RESTORE, request
from pyoci.criu.options import CriuOptions, Directories
from pyoci.criu.program import Connection, criu_environment, find_criu
from pyoci.errors import CriuError, PyociError, reason
from pyoci.lifecycle.checkpoint import failed, refuse_ordinary_users
from pyoci.lifecycle.create import (
    CreateOptions,
    Creation,
    check_terminal,
    device_program,
    new_state,
    record_cgroup,
    run_hooks_before_pivot,
)
from pyoci.lifecycle.pid_file import write_pid_file
from pyoci.paths import isdir
from pyoci.plan.host import Host
from pyoci.plan.namespaces import Namespaces
from pyoci.plan.restore import (
    RestoreRequest,
    compile_mount_points,
    compile_read_only_root,
    compile_restore,
)
from pyoci.plan.stage import Failure, Stage
from pyoci.spec.check import check_config
from pyoci.spec.json_text import decode
from pyoci.state.process import stat_fields
from pyoci.state.store import Entry, State, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup import Cgroup
    from pyoci.criu.messages import Options, Response
    from pyoci.plan.operations import Operation
    from pyoci.spec.bundle import Bundle

_LOG = "restore.log"
_FIRST_FREE = 10
_TERMINAL = b"orphan-pts-master"
_SIGKILL = 9


class RestoreOptions:
    """How a container is restored, beside what create is told too.

    ``lsm_profile`` (``apparmor:NAME`` or ``selinux:LABEL``) and ``lsm_mount_context`` take the
    place of those that were dumped.
    """

    __slots__ = ("criu", "lsm_mount_context", "lsm_profile")

    def __init__(
        self,
        criu: CriuOptions,
        *,
        lsm_profile: str | None = None,
        lsm_mount_context: str | None = None,
    ) -> None:
        self.criu = criu
        self.lsm_profile = lsm_profile
        self.lsm_mount_context = lsm_mount_context


def restore(
    root: str,
    container_id: str,
    bundle: Bundle,
    options: CreateOptions,
    restoring: RestoreOptions,
) -> tuple[State, list[str]]:
    """Restore a container; its process is a child of the caller. Gives its state and warnings.

    The prestart and createRuntime hooks run as in a create. When anything fails nothing is left.

    Raises CriuError with CRIU's own reason, and whatever create raises.
    """
    refuse_ordinary_users("restore")
    warnings = check_config(bundle.config)
    check_terminal(bundle.config, options)
    environment = criu_environment(restoring.criu.environ)
    program = find_criu(environment)
    if not isdir(restoring.criu.image_path):
        raise PyociError(
            f"there is no checkpoint in {restoring.criu.image_path}: it is no directory",
            subject=restoring.criu.image_path,
            hint="name the directory that checkpoint has written with --image-path",
        )
    entry = Entry(root, container_id)
    state = new_state(container_id, bundle)
    entry.claim()
    restoration = Restoration(entry, state, bundle, options, restoring)
    try:
        restoration.begin(program, environment)
    except BaseException:
        restoration.undo()
        raise
    return state, warnings


class Restoration:
    """A restore on its way: what it has made so far, and what it still needs."""

    __slots__ = (
        "_bundle",
        "_connection",
        "_creation",
        "_given",
        "_options",
        "_restored",
        "_restoring",
    )

    def __init__(
        self,
        entry: Entry,
        state: State,
        bundle: Bundle,
        options: CreateOptions,
        restoring: RestoreOptions,
    ) -> None:
        self._creation = Creation(entry, state, bundle.config)
        self._bundle = bundle
        self._options = options
        self._restoring = restoring
        self._connection: Connection | None = None
        self._given: list[int] = []
        self._restored = 0

    def undo(self) -> None:
        """Kill what runs of CRIU and the container; remove the cgroup and the state."""
        self._close()
        if self._restored:
            try:
                os.kill(self._restored, _SIGKILL)
                os.waitpid(self._restored, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        self._creation.undo()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for number in self._given:
            os.close(number)
        self._given = []

    def begin(self, program: str, environment: dict[str, str]) -> None:
        """Do it all: cgroup, mount points, CRIU, and the state of what it has restored."""
        entry, state = self._creation.entry, self._creation.state
        config = self._bundle.config
        host = Host.gather()
        cgroup = self._make_cgroup(host)
        _make_mount_points(self._bundle, host)
        self._connection = Connection()
        namespaces = self._open_namespaces()
        self._given.append(self._move_up(self._connection.number))
        self._connection.hand_over()
        directory, files = cgroup.directory_for_clone(), cgroup.files_to_join()
        plan = compile_restore(
            RestoreRequest(
                bundle=state.bundle,
                rootfs=state.rootfs,
                scratch=entry.path,
                program=[program, "swrk", str(self._given[-1])],
                environment=[f"{name}={value}" for name, value in environment.items()],
                first_closed=self._given[-1] + 1,
                cgroup_directory=directory,
                cgroup_files=files,
                device_program=device_program(config, directory, files, host),
                mounts=list(outside_mounts(config, cgroup).values()),
            ),
            config,
            host,
        )
        self._start(plan, cgroup)
        directories = Directories(self._restoring.criu, f"/proc/{self._criu.pid}/root")
        try:
            response = self._converse(namespaces, directories)
        finally:
            directories.close()
        state.pid = self._restored = response.pid
        state.start_time = stat_fields(response.pid)[1]
        state.cgroup = cgroup.record()
        entry.write(state)
        if self._options.pid_file:
            write_pid_file(self._options.pid_file, state.pid)
        self._close()

    @property
    def _criu(self) -> Stage:
        stage = self._creation.stage
        assert stage is not None
        return stage

    def _make_cgroup(self, host: Host) -> Cgroup:
        """Make the cgroup as create does."""
        creation = self._creation
        cgroup = creation.cgroup = record_cgroup(creation, self._bundle, self._options, host)
        resources = (creation.config.get("linux") or {}).get("resources") or {}
        cgroup.create(resources, None)
        cgroup.apply(resources)
        return cgroup

    def _move_up(self, number: int) -> int:
        """Give a copy of a descriptor with a number that no standard stream can have."""
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)

    def _open_namespaces(self) -> Options:
        """Open the namespaces that config.json names and CRIU is to leave alone."""
        options: Options = []
        for kind, (path, pointer) in Namespaces(self._creation.config).joined.items():
            if kind not in NAMESPACE_KEYS:
                continue
            try:
                opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                raise PyociError(
                    f"{pointer}: cannot open the {kind} namespace {path}: {reason(error)}",
                    subject=pointer,
                    hint="name the namespace of a process that runs",
                ) from None
            self._given.append(self._move_up(opened))
            os.close(opened)
            options.append(("inherit_fd", (NAMESPACE_KEYS[kind], self._given[-1])))
        return options

    def _start(self, plan: list[Operation], cgroup: Cgroup) -> None:
        """Execute CRIU in the container's cgroup."""
        creation = self._creation
        stage = creation.stage = Stage(
            plan, inherited=tuple(self._given), stdio=self._options.stdio
        )

        def on_sync(_name: str) -> None:
            cgroup.attach(stage.pid)
            creation.state.cgroup = cgroup.record()
            creation.entry.write(creation.state)

        try:
            stage.run(on_sync)
        except Failure as failure:
            raise _refused(failure, creation.config, creation.state.rootfs) from None
        stage.close()
        # From now on only CRIU has its end of the connection: when it ends, we see it.
        os.close(self._given.pop())

    def _converse(self, namespaces: Options, directories: Directories) -> Response:
        """Have CRIU restore; gives its response when it has. CRIU is gone then."""
        creation, connection = self._creation, self._connection
        stage = self._criu
        assert connection is not None
        message = request(RESTORE, self._request_options(namespaces, directories, stage.pid))
        response = connection.converse(message, self._on_notify)
        log = f"{self._restoring.criu.work_path}/{_LOG}"
        if response is None or not response.success or response.pid <= 0:
            raise failed("restore", creation.state.id, log, response, b"")
        os.waitpid(stage.pid, 0)
        stage.pid = 0
        return response

    def _request_options(
        self, namespaces: Options, directories: Directories, criu_pid: int
    ) -> Options:
        creation, restoring = self._creation, self._restoring
        state, config = creation.state, creation.config
        options = restoring.criu.switched_on(directories, _LOG, config)
        options += [("root", state.rootfs), ("rst_sibling", 1)]
        # The other way of restoring mounts refuses slaves of the host's mounts (3.17).
        options.append(("mntns_compat_mode", 1))
        options += [("cg_root", membership) for membership in memberships(criu_pid)]
        scratch = creation.entry.path
        options += [
            ("ext_mnt", (key, f"{scratch}/{index}"))
            for index, key in enumerate(outside_mounts(config, creation.cgroup))
        ]
        options.append(("ext_mnt", (MASKED_DIRECTORY, f"{scratch}/directory")))
        options.append(("ext_mnt", (MASKED_FILE, f"{scratch}/file")))
        options += namespaces
        options += restored_streams(_streams(restoring.criu.image_path), (0, 1, 2))
        if restoring.lsm_profile:
            options.append(("lsm_profile", restoring.lsm_profile))
        if restoring.lsm_mount_context:
            options.append(("lsm_mount_context", restoring.lsm_mount_context))
        return options

    def _on_notify(self, response: Response, descriptor: int) -> None:
        creation = self._creation
        if response.script == "setup-namespaces":
            creation.state.pid = response.pid
            run_hooks_before_pivot(creation.config, creation.state)
            creation.state.pid = 0
        elif response.script == "orphan-pts-master" and descriptor >= 0:
            _send_terminal(self._options, descriptor)
        elif response.script == "post-restore":
            self._restored = response.pid
            if (creation.config.get("root") or {}).get("readonly"):
                # CRIU 3.17 forgets that it was. Its processes do not run yet.
                self._make_root_read_only(response.pid)

    def _make_root_read_only(self, pid: int) -> None:
        pidfd = os.pidfd_open(pid)
        try:
            plan = compile_read_only_root(pidfd)
            _run_to_the_end(plan, self._creation.config, self._creation.state.rootfs, (pidfd,))
        finally:
            os.close(pidfd)


def _make_mount_points(bundle: Bundle, host: Host) -> None:
    """Make the mount points that are missing in the rootfs, as create would."""
    plan = compile_mount_points(bundle.config, bundle.rootfs, bundle.path, host)
    _run_to_the_end(plan, bundle.config, bundle.rootfs, ())


def _run_to_the_end(
    plan: list[Operation], config: dict[str, Any], rootfs: str, inherited: tuple[int, ...]
) -> None:
    """Run a plan that ends at the sync ``end``; its mounts end with it."""
    stage = Stage(plan, inherited=inherited)

    def on_sync(name: str) -> None:
        if name == "end":
            raise _End

    try:
        stage.run(on_sync)
    except _End:
        return
    except Failure as failure:
        raise _refused(failure, config, rootfs) from None
    finally:
        stage.abandon()
    raise PyociError("the init of the restore ended before its plan did", subject=rootfs)


class _End(Exception):  # noqa: N818 -- no error
    """The end of a plan."""


def _refused(failure: Failure, config: dict[str, Any], rootfs: str) -> PyociError:
    from pyoci.plan.failure import explain

    if failure.operation is not None and failure.operation.name in ("exec", "find_program"):
        return CriuError(f"cannot execute criu: {os.strerror(failure.errno).lower()}")
    return explain(failure, config, {}, rootfs)


def _streams(image_path: str) -> list[str]:
    """Give what the standard streams were at the dump; nothing for images without a record."""
    path = f"{image_path}/{DESCRIPTORS_FILE}"
    try:
        names = decode(read_file(path), what=path)
    except OSError:
        return []
    return [name if isinstance(name, str) else "" for name in names] if names else []


def _send_terminal(options: CreateOptions, descriptor: int) -> None:
    """Hand the restored terminal's master to the caller, as the init does in a create."""
    import _socket

    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        if options.console_socket is not None:
            connection.connect(options.console_socket)
        elif options.console_number is not None:
            connection.close()
            connection = _socket.socket(fileno=os.dup(options.console_number))
        else:
            return
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(4, "little"))
        connection.sendmsg([_TERMINAL], [rights])
    except OSError as error:
        raise PyociError(
            f"cannot send the terminal to {options.console_socket}: {reason(error)}",
            subject="/process/terminal",
            hint="a program has to listen at --console-socket",
        ) from None
    finally:
        connection.close()
