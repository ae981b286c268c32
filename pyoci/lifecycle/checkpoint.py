"""checkpoint: CRIU writes a container's processes to image files; restore goes on from them."""

from __future__ import annotations

import posix as os

from pyoci.criu.externals import (
    DESCRIPTORS_FILE,
    MountTable,
    dumped_mounts,
    dumped_namespaces,
    dumped_streams,
)
from pyoci.criu.log import failure_reason
from pyoci.criu.messages import DUMP, PRE_DUMP, request
from pyoci.criu.options import CriuOptions, Directories
from pyoci.criu.program import Connection, Criu, criu_environment, find_criu
from pyoci.errors import ContainerStateError, CriuError, HostError, UsageError
from pyoci.lifecycle.delete import delete_locked
from pyoci.lifecycle.find import cgroup_of, status_of
from pyoci.paths import isdir, normpath
from pyoci.plan.host import in_user_namespace
from pyoci.spec.json_text import encode
from pyoci.state.store import Entry, State, write_atomically

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup import Cgroup
    from pyoci.criu.messages import Options, Response

_LOG = "dump.log"


class CheckpointOptions:
    """How a container is checkpointed.

    ``criu`` is what restore takes too. ``leave_running`` keeps the container, ``pre_dump`` too: it
    writes the memory only, for a later one to write what has changed since; that one has it as
    ``parent_path``, relative to its own images. ``page_server`` is (address, port) of a machine
    that takes the memory. ``status_fd`` gets a zero byte when lazy pages can be fetched.
    """

    __slots__ = ("criu", "leave_running", "page_server", "parent_path", "pre_dump", "status_fd")

    def __init__(
        self,
        criu: CriuOptions,
        *,
        leave_running: bool = False,
        pre_dump: bool = False,
        parent_path: str | None = None,
        page_server: tuple[str, int] | None = None,
        status_fd: int | None = None,
    ) -> None:
        self.criu = criu
        self.leave_running = leave_running
        self.pre_dump = pre_dump
        self.parent_path = parent_path
        self.page_server = page_server
        self.status_fd = status_fd


def checkpoint(entry: Entry, options: CheckpointOptions) -> list[str]:
    """Checkpoint a running or paused container, and delete it unless it is to go on running.

    Gives warnings (failed poststop hooks). When it fails the container runs on.

    Raises CriuError with CRIU's own reason, ContainerStateError, HostError for ordinary users.
    """
    refuse_ordinary_users("checkpoint")
    lock = entry.lock()
    try:
        state = entry.read()
        status = status_of(entry, state)
        if status not in ("running", "paused"):
            raise ContainerStateError(
                f"container cannot be checkpointed in {status} state",
                subject=state.id,
                hint="only what runs can be checkpointed",
            )
        config = entry.read_config()
        environment = criu_environment(options.criu.environ)
        program = find_criu(environment)
        _check_parent(options)
        directories = Directories(options.criu)
        try:
            _dump(state, config, options, directories, program, environment)
        finally:
            directories.close()
        if options.leave_running or options.pre_dump:
            return []
        return delete_locked(entry, state, force=True)
    finally:
        os.close(lock)


def refuse_ordinary_users(verb: str) -> None:
    """Raise HostError unless the caller is the host's root: CRIU needs its capabilities."""
    if os.geteuid() != 0 or in_user_namespace():
        raise HostError(
            f"{verb} needs root",
            hint="CRIU needs the privileges of the host's root, for any container",
        )


def _check_parent(options: CheckpointOptions) -> None:
    parent = options.parent_path
    if not parent:
        return
    if parent.startswith("/"):
        raise UsageError(
            f"--parent-path {parent}: must be relative",
            subject="--parent-path",
            hint=f"give it relative to the images in {options.criu.image_path}",
        )
    path = normpath(f"{options.criu.image_path}/{parent}")
    if not isdir(path):
        raise UsageError(
            f"--parent-path {parent}: {path} is no directory",
            subject="--parent-path",
            hint="name the images of the checkpoint before, relative to --image-path",
        )


def _dump(
    state: State,
    config: dict[str, Any],
    options: CheckpointOptions,
    directories: Directories,
    program: str,
    environment: dict[str, str],
) -> None:
    cgroup = cgroup_of(state)
    frozen = cgroup is not None and cgroup.frozen()
    message = request(
        PRE_DUMP if options.pre_dump else DUMP,
        _options(state, config, options, directories, cgroup),
    )
    connection = Connection()
    criu: Criu | None = None
    answered = False
    try:
        criu = Criu(program, connection, environment)
        response = connection.converse(message, _ignore)
        answered = True
        if response is None or not response.success:
            log = f"{options.criu.work_path}/{_LOG}"
            raise failed("checkpoint", state.id, log, response, criu.output())
    finally:
        connection.close()
        if criu is not None:
            criu.end(kill=not answered)
        # A CRIU that did not come to its end leaves the container frozen.
        if cgroup is not None and not frozen and cgroup.frozen():
            cgroup.thaw()


def _options(
    state: State,
    config: dict[str, Any],
    options: CheckpointOptions,
    directories: Directories,
    cgroup: Cgroup | None,
) -> Options:
    result = options.criu.switched_on(directories, _LOG, config)
    result += [("pid", state.pid), ("root", state.rootfs)]
    if options.leave_running:
        result.append(("leave_running", 1))
    if options.parent_path:
        result += [("parent_img", options.parent_path), ("track_mem", 1)]
    if options.page_server is not None:
        result.append(("ps", options.page_server))
    if options.status_fd is not None:
        result.append(("status_fd", options.status_fd))
    freezer = _freezer(cgroup)
    if freezer:
        result.append(("freeze_cgroup", freezer))
    result += dumped_namespaces(config, state.pid)
    if not options.pre_dump:
        table = MountTable(state.pid)
        result += dumped_mounts(config, state.pid, table, cgroup)
        names, external = dumped_streams(state.pid, table)
        result += external
        path = f"{options.criu.image_path}/{DESCRIPTORS_FILE}"
        write_atomically(path, encode(names).encode())
    return result


def _freezer(cgroup: Cgroup | None) -> str | None:
    """Give the directory whose freezer stops all processes at once, as ptrace(2) cannot."""
    if cgroup is None:
        return None
    paths = cgroup.paths()
    return paths.get("freezer") or (paths.get("") if len(paths) == 1 else None)


def _ignore(response: Response, descriptor: int) -> None:
    """Go on: a dump has no stage at which there is anything to do."""


def failed(verb: str, name: str, log: str, response: Response | None, output: bytes) -> CriuError:
    """Give the error for a CRIU that failed, with its own reason."""
    why = failure_reason(log, output)
    if not why and response is not None:
        why = response.message or (os.strerror(response.errno) if response.errno else "")
    if not why:
        why = "it ended without an answer" if response is None else "it does not say why"
    return CriuError(
        f"cannot {verb} container {name}: criu: {why}", subject=name, hint=f"its log: {log}"
    )
