"""The runtime as a library::

    from pyoci import Runtime

    with Runtime(root="/run/my-program").create("bundle", "job-1") as container:
        container.start()
        status = container.wait()

Everything here runs in the calling process's thread; containers are its children, so that `wait`
gives their exit status. Failures are `pyoci.errors.PyociError` subclasses.
"""

from __future__ import annotations

import os

from pyoci.errors import PyociError, UsageError
from pyoci.lifecycle import delete as _delete
from pyoci.lifecycle import events as _events
from pyoci.lifecycle import exec as _exec
from pyoci.lifecycle import kill as _kill
from pyoci.lifecycle import pause as _pause
from pyoci.lifecycle import processes as _processes
from pyoci.lifecycle import start as _start
from pyoci.lifecycle import update as _update
from pyoci.lifecycle.create import CreateOptions, create
from pyoci.lifecycle.find import status_of
from pyoci.lifecycle.report import state_object
from pyoci.spec.bundle import load_bundle
from pyoci.spec.tables.signals import signal_number
from pyoci.state.store import Entry, entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any

    from pyoci.criu.options import CriuOptions

DEFAULT_ROOT = "/run/pyoci"


class Process:
    """A process that `Container.exec` started; a child of the caller.

    ``pid`` is its PID as the caller sees it; ``warnings`` are what was left out without failing.
    """

    __slots__ = ("_status", "pid", "warnings")

    def __init__(self, pid: int, warnings: list[str]) -> None:
        self.pid = pid
        self.warnings = warnings
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends; gives its exit status, 128 + the signal's number when it was killed.

        ``timeout`` is in seconds; raises TimeoutError when it passes.
        """
        if self._status is None:
            self._status = _wait_child(self.pid, timeout)
        return self._status

    def kill(self, signal: int | str = "SIGTERM") -> None:
        """Send it a signal, by name or number; nothing happens when it has ended."""
        if self._status is None:
            try:
                os.kill(self.pid, signal_number(str(signal)))
            except ProcessLookupError:
                return


class Container:
    """A container of a `Runtime`.

    As a context manager it is deleted, and killed before if need be, when the block ends.

    ``warnings`` collects what went wrong without making a method of this object fail: what create
    left out of the configuration, a poststop hook that failed at delete. The command line logs it.
    """

    __slots__ = ("_entry", "_pid", "_runtime", "_status", "id", "warnings")

    def __init__(self, runtime: Runtime, container_id: str, pid: int = 0) -> None:
        self.id = container_id
        self.warnings: list[str] = []
        self._runtime = runtime
        self._entry = Entry(runtime.root, container_id)
        self._pid = pid
        self._status: int | None = None

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.delete(force=True)

    def __repr__(self) -> str:
        return f"<Container {self.id!r} below {self._runtime.root!r}>"

    @property
    def pid(self) -> int:
        """The PID of the container's first process, as the caller sees it; 0 when stopped."""
        state = self._entry.read()
        return 0 if state.status(self._entry) == "stopped" else state.pid

    @property
    def status(self) -> str:
        """``creating``, ``created``, ``running``, ``paused`` or ``stopped``."""
        return status_of(self._entry, self._entry.read())

    def state(self) -> dict[str, Any]:
        """Give the state object (runtime.md, State).

        Raises ContainerNotFoundError when the container has been deleted.
        """
        state = self._entry.read()
        status = status_of(self._entry, state)
        return state_object(state, status, 0 if status == "stopped" else state.pid)

    def start(self) -> None:
        """Execute the container's program.

        Raises ContainerStateError unless the container is created, CommandError when the program
        cannot be executed.
        """
        _start.start(self._entry)

    def exec(
        self,
        args: list[str],
        *,
        env: list[str] | None = None,
        cwd: str | None = None,
        user: tuple[int, int] | None = None,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
    ) -> Process:
        """Run another process in the container, with its own configuration's other settings.

        ``env`` is added to the container's; ``user`` is (uid, gid) inside; the descriptors become
        its standard streams.

        Raises ContainerStateError when the container does not run, CommandError when the program
        cannot be executed.
        """
        process = dict(_exec.default_process(self._entry))
        process["args"] = list(args)
        process["terminal"] = False
        process["env"] = [*(process.get("env") or []), *(env or [])]
        if cwd is not None:
            process["cwd"] = cwd
        if user is not None:
            process["user"] = {"uid": user[0], "gid": user[1]}
        options = _exec.ExecOptions(stdio=(stdin, stdout, stderr))
        pid, warnings = _exec.execute(self._entry, process, options)
        return Process(pid, warnings)

    def kill(self, signal: int | str = "SIGTERM", *, all: bool = False) -> None:  # noqa: A002
        """Send a signal to the container's process, with ``all`` to every one of its processes.

        Raises ContainerStateError ``container not running``.
        """
        _kill.kill(self._entry, signal_number(str(signal)), everybody=all)

    def pause(self) -> None:
        """Stop all its processes; they are stopped when this returns.

        Raises ContainerStateError ``container not running``, also when it is paused already.
        """
        _pause.pause(self._entry)

    def resume(self) -> None:
        """Let its processes run again.

        Raises ContainerStateError ``container not paused``.
        """
        _pause.resume(self._entry)

    def update(self, resources: dict[str, Any]) -> None:
        """Change limits: an object like /linux/resources; what it does not mention stays.

        Raises SpecError for a bad object, ContainerStateError ``container not running``,
        CgroupError for a limit that cannot be set; nothing has changed then.
        """
        self.warnings += _update.update(self._entry, resources)

    def stats(self) -> dict[str, Any]:
        """Give what it uses: the ``data`` of ``pyoci events --stats``, in nanoseconds and bytes.

        Raises ContainerStateError when it has stopped, CgroupError when it has no cgroup.
        """
        return _events.stats(self._entry)

    def events(self, interval: float = 5.0) -> Iterator[dict[str, Any]]:
        """Give its events as they happen, until it stops.

        ``{"type": "stats", "id": …, "data": …}`` every ``interval`` seconds, and
        ``{"type": "oom", "id": …}`` for every process killed for want of memory. Raises as `stats`.
        """
        return _events.events(self._entry, interval)

    def processes(self) -> list[int]:
        """Give the PIDs of all its processes, as the caller sees them."""
        return _processes.processes(self._entry)

    def checkpoint(
        self,
        image_path: str,
        *,
        leave_running: bool = False,
        pre_dump: bool = False,
        parent_path: str | None = None,
        work_path: str | None = None,
        switches: tuple[str, ...] = (),
    ) -> None:
        """Write its processes to files in ``image_path`` with CRIU, and delete the container.

        With ``leave_running`` it runs on; with ``pre_dump`` too, and only its memory is written,
        for a later one that names it as ``parent_path``, relative to its own images. ``switches``
        are CRIU's options that are off by default, such as ``tcp_established``.

        Raises CriuError, with CRIU's reason, ContainerStateError unless it runs.
        """
        from pyoci.lifecycle.checkpoint import CheckpointOptions, checkpoint

        options = CheckpointOptions(
            _criu_options(image_path, work_path, switches),
            leave_running=leave_running,
            pre_dump=pre_dump,
            parent_path=parent_path,
        )
        self.warnings += checkpoint(self._entry, options)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the container's process ends; gives its exit status as a shell would.

        Only for containers that this process created. ``timeout`` is in seconds; raises
        TimeoutError when it passes.
        """
        if self._status is None:
            if not self._pid:
                raise PyociError(
                    f"cannot wait for container {self.id}: it is not a child of this process",
                    subject=self.id,
                    hint="wait in the process that created it, or poll its status",
                )
            self._status = _wait_child(self._pid, timeout)
        return self._status

    def delete(self, *, force: bool = False) -> None:
        """Remove the container and everything create made for it.

        With ``force`` it is killed first if it runs, and no error if it is gone.

        Raises ContainerStateError when it runs, ContainerNotFoundError when there is none.
        """
        self.warnings += _delete.delete(self._entry, force=force)
        if self._pid and self._status is None:
            try:
                self._status = _wait_child(self._pid, 5)
            except (ChildProcessError, TimeoutError):
                return


class Runtime:
    """The containers below one state root.

    ``root`` is the state root, ``systemd_cgroup`` as the command line's flag. Several objects, also
    in several processes, may share a root.
    """

    __slots__ = ("root", "systemd_cgroup")

    def __init__(self, root: str = DEFAULT_ROOT, *, systemd_cgroup: bool = False) -> None:
        self.root = os.path.abspath(root)
        self.systemd_cgroup = systemd_cgroup

    def create(
        self,
        bundle: str,
        id: str,  # noqa: A002 -- the specification's name
        *,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
        console_socket: str | None = None,
        preserve_fds: int = 0,
        no_pivot: bool = False,
    ) -> Container:
        """Create a container from a bundle; it waits for `Container.start`.

        The descriptors become its standard streams; ``console_socket`` is where the terminal's
        master goes when /process/terminal is set. Of the caller's other descriptors the container
        has the ``preserve_fds`` from 3 on, whether they are inheritable or not.

        Raises SpecError for a bad configuration, ContainerExistsError, HostError, InitError,
        CommandError, UsageError; nothing is left behind then.
        """
        _check_open(preserve_fds)
        options = CreateOptions(
            console_socket=console_socket,
            preserve=preserve_fds,
            inherited=tuple(range(3, 3 + preserve_fds)),
            no_pivot=no_pivot,
            systemd_cgroup=self.systemd_cgroup,
            stdio=(stdin, stdout, stderr),
        )
        state, warnings = create(self.root, id, load_bundle(os.path.abspath(bundle)), options)
        container = Container(self, id, state.pid)
        container.warnings += warnings
        return container

    def restore(
        self,
        bundle: str,
        id: str,  # noqa: A002
        image_path: str,
        *,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
        console_socket: str | None = None,
        work_path: str | None = None,
        switches: tuple[str, ...] = (),
    ) -> Container:
        """Restore a container from what `Container.checkpoint` has written; it runs at once.

        The bundle and the descriptors are as for `create`.

        Raises CriuError, with CRIU's reason; nothing is left behind then.
        """
        from pyoci.lifecycle.restore import RestoreOptions, restore

        options = CreateOptions(
            console_socket=console_socket,
            systemd_cgroup=self.systemd_cgroup,
            stdio=(stdin, stdout, stderr),
        )
        restoring = RestoreOptions(_criu_options(image_path, work_path, switches))
        loaded = load_bundle(os.path.abspath(bundle))
        state, warnings = restore(self.root, id, loaded, options, restoring)
        container = Container(self, id, state.pid)
        container.warnings += warnings
        return container

    def container(self, id: str) -> Container:  # noqa: A002
        """Give a container that exists.

        Raises ContainerNotFoundError.
        """
        container = Container(self, id)
        container.state()
        return container

    def list(self) -> list[Container]:
        """Give all containers below the root, sorted by ID."""
        try:
            return [Container(self, name) for name in entries(self.root)]
        except FileNotFoundError:
            return []


def _check_open(count: int) -> None:
    """Raise UsageError unless descriptors 3 to 2 + count are open.

    One that is not could become one of ours before the container is there.
    """
    if count < 0:
        raise UsageError(f"preserve_fds={count} must not be negative")
    for number in range(3, 3 + count):
        try:
            os.fstat(number)
        except OSError:
            raise UsageError(
                f"preserve_fds={count}: file descriptor {number} is not open",
                hint="the descriptors to keep are 3 and the following, without gaps",
            ) from None


def _criu_options(image_path: str, work_path: str | None, switches: tuple[str, ...]) -> CriuOptions:
    from pyoci.criu.options import CriuOptions

    return CriuOptions(
        image_path=os.path.abspath(image_path),
        work_path=os.path.abspath(work_path) if work_path else None,
        switches=switches,
        environ=dict(os.environ),
    )


def _wait_child(pid: int, timeout: float | None) -> int:
    """Wait for a child; gives its status as a shell would. Raises TimeoutError."""
    if timeout is not None:
        import select

        pidfd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if not poll.poll(max(0, int(timeout * 1000))):
                raise TimeoutError(f"process {pid} is still running after {timeout} s")
        finally:
            os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
