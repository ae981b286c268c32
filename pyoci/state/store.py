"""The state directory: claim, read, replace, remove; and the state that follows from it."""

from __future__ import annotations

import errno
import fcntl
import posix as os

from pyoci.errors import (
    ContainerExistsError,
    ContainerNotFoundError,
    PyociError,
    StateFileError,
    reason,
)
from pyoci.paths import isdir, makedirs
from pyoci.spec.json_text import decode, encode
from pyoci.state.ident import check_id
from pyoci.state.process import is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATE_FILE = "state.json"
CONFIG_FILE = "config.json"
FIFO = "exec.fifo"
REPORT = "start.report"
LOCK = "lock"
SECCOMP_CACHE = "@seccomp"  # below the state root; no container can have this name
MAX_STATE_SIZE = 16 << 20


class Entry:
    """One container's directory below the state root."""

    __slots__ = ("id", "path", "root")

    def __init__(self, root: str, container_id: str) -> None:
        self.root = root
        self.id = check_id(container_id)
        self.path = f"{root}/{container_id}"

    def file(self, name: str) -> str:
        """Give the path of one of the directory's files."""
        return f"{self.path}/{name}"

    # -- claim and removal ------------------------------------------------------------------------

    def claim(self) -> None:
        """Make the directory, and with it the ID ours.

        Raises ContainerExistsError when the ID is taken, PyociError when the state root cannot be
        written.
        """
        try:
            makedirs(self.root, 0o711)
            os.mkdir(self.path, 0o711)
        except OSError as error:
            # Of the root itself it means that it is a file.
            if error.errno != errno.EEXIST or not isdir(self.root):
                raise PyociError(
                    f"cannot make the state directory {self.path}: {reason(error)}",
                    subject=self.root,
                    hint="check the state root (--root): it has to be a writable directory",
                ) from None
            raise ContainerExistsError(
                "container with given ID already exists",
                subject=self.id,
                hint=f"choose another ID, or remove it: pyoci delete --force {self.id}",
            ) from None

    def exists(self) -> bool:
        """Say whether the directory is there."""
        return isdir(self.path)

    def remove(self) -> None:
        """Remove the directory with everything in it; nothing happens if it is gone.

        state.json goes last, so that a removal that is killed half-way can be repeated.
        """
        while True:
            try:
                names = os.listdir(self.path)
            except FileNotFoundError:
                return
            for name in sorted(names, key=lambda name: name == STATE_FILE):
                self._remove_file(f"{self.path}/{name}")
            try:
                os.rmdir(self.path)
            except FileNotFoundError:
                return
            except OSError as error:
                # Another command waits for the container: it has made a new lock.
                if error.errno != errno.ENOTEMPTY:
                    raise

    def _remove_file(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            self._remove_directory(path)

    def _remove_directory(self, path: str) -> None:
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        os.rmdir(path)

    def lock(self) -> int:
        """Hold the container against other commands; gives the descriptor that holds it.

        Raises ContainerNotFoundError when there is no such container (any more).
        """
        try:
            descriptor = os.open(self.file(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise self.not_found() from None
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                # A full disk must not keep anybody from removing a container.
                descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            else:
                raise PyociError(
                    f"cannot lock container {self.id}: {reason(error)}", subject=self.id
                ) from None
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not self.exists():
            os.close(descriptor)
            raise self.not_found()
        return descriptor

    def not_found(self) -> ContainerNotFoundError:
        """Give the error that engines know as "there is no such container"."""
        return ContainerNotFoundError(
            "container does not exist", subject=self.id, hint="pyoci list shows those that do"
        )

    # -- contents ---------------------------------------------------------------------------------

    def write(self, state: State) -> None:
        """Replace state.json atomically.

        Raises PyociError on a full disk or an unwritable root; the old file then still stands.
        """
        write_atomically(self.file(STATE_FILE), encode(state.to_json()).encode())

    def read(self) -> State:
        """Read state.json.

        Raises ContainerNotFoundError, or StateFileError when the file is damaged.
        """
        try:
            data = read_file(self.file(STATE_FILE))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                if self.exists():
                    raise self.damaged("is missing") from None
                raise self.not_found() from None
            raise self.damaged(f"cannot be read: {reason(error)}") from None
        if not data:
            raise self.damaged("is empty")
        try:
            return State.from_json(decode(data, what=self.file(STATE_FILE)))
        except StateFileError:
            raise
        except (PyociError, TypeError, KeyError, ValueError) as error:
            raise self.damaged(f"is damaged: {error}") from None

    def damaged(self, what: str) -> StateFileError:
        """Give the error for a state file that cannot be used."""
        return StateFileError(
            f"container {self.id}: its state file {self.file(STATE_FILE)} {what}",
            subject=self.id,
            hint=f"remove what is left of it with: pyoci delete --force {self.id}",
        )

    def save_config(self, data: bytes) -> None:
        """Keep config.json as it was at create."""
        write_atomically(self.file(CONFIG_FILE), data)

    def read_hooks(self, kind: str) -> list[dict[str, Any]]:
        """Give the hooks of one kind of config.json as it was at create.

        Raises as `read_config` does. A whole file that does not name the kind is not parsed: only
        by a \\u escape can JSON spell the letters of a name in another way.
        """
        try:
            data = read_file(self.file(CONFIG_FILE))
        except OSError:
            data = b""
        whole = data.startswith(b"{") and data.rstrip().endswith(b"}")
        if whole and kind.encode() not in data and b"\\u" not in data:
            return []
        return (self.read_config().get("hooks") or {}).get(kind) or []

    def read_config(self) -> dict[str, Any]:
        """Give config.json as it was at create.

        Raises ContainerNotFoundError, or StateFileError when the file cannot be used.
        """
        if not self.exists():
            raise self.not_found()
        try:
            data = read_file(self.file(CONFIG_FILE))
            config = decode(data, what=self.file(CONFIG_FILE))
            if not isinstance(config, dict):
                raise TypeError("it holds no object")
        except (OSError, PyociError, TypeError) as error:
            raise StateFileError(
                f"container {self.id}: its saved configuration {self.file(CONFIG_FILE)} cannot be "
                f"used: {reason(error) if isinstance(error, OSError) else error}",
                subject=self.id,
                hint=f"remove the container with: pyoci delete --force {self.id}",
            ) from None
        return config


class State:
    """What is known of a container: the content of state.json.

    ``pid`` is 0 until there is a process; ``start_time`` is in clock ticks since boot; ``created``
    is RFC 3339 in UTC; ``cgroup`` is the record of `pyoci.cgroup`.
    """

    __slots__ = (
        "annotations",
        "bundle",
        "cgroup",
        "created",
        "creator",
        "creator_start_time",
        "id",
        "oci_version",
        "owner",
        "pid",
        "rootfs",
        "start_time",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 -- the specification's name
        oci_version: str,
        bundle: str,
        rootfs: str,
        created: str,
        owner: int,
        annotations: dict[str, str] | None = None,
        cgroup: dict[str, Any] | None = None,
        pid: int = 0,
        start_time: int = 0,
        creator: int = 0,
        creator_start_time: int = 0,
    ) -> None:
        self.id = id
        self.oci_version = oci_version
        self.bundle = bundle
        self.rootfs = rootfs
        self.created = created
        self.owner = owner
        self.annotations = annotations or {}
        self.cgroup = cgroup
        self.pid = pid
        self.start_time = start_time
        self.creator = creator
        self.creator_start_time = creator_start_time

    def to_json(self) -> dict[str, Any]:
        """Give the object that state.json holds."""
        return {
            "version": 1,
            "id": self.id,
            "ociVersion": self.oci_version,
            "bundle": self.bundle,
            "rootfs": self.rootfs,
            "created": self.created,
            "owner": self.owner,
            "annotations": self.annotations,
            "cgroup": self.cgroup,
            "pid": self.pid,
            "startTime": self.start_time,
            "creator": self.creator,
            "creatorStartTime": self.creator_start_time,
        }

    @classmethod
    def from_json(cls, value: object) -> State:
        """Take what state.json holds; raises TypeError or KeyError when it holds another thing."""
        if not isinstance(value, dict):
            raise TypeError("it holds no object")
        for name in ("id", "ociVersion", "bundle", "rootfs", "created"):
            if not isinstance(value[name], str):
                raise TypeError(f"{name} is not a string")
        for name in ("owner", "pid", "startTime", "creator", "creatorStartTime"):
            if type(value[name]) is not int:
                raise TypeError(f"{name} is not an integer")
        if not isinstance(value["annotations"], dict):
            raise TypeError("annotations is not an object")
        if not isinstance(value["cgroup"], dict | None):
            raise TypeError("cgroup is not an object")
        return cls(
            id=value["id"],
            oci_version=value["ociVersion"],
            bundle=value["bundle"],
            rootfs=value["rootfs"],
            created=value["created"],
            owner=value["owner"],
            annotations=value["annotations"],
            cgroup=value["cgroup"],
            pid=value["pid"],
            start_time=value["startTime"],
            creator=value["creator"],
            creator_start_time=value["creatorStartTime"],
        )

    def status(self, entry: Entry) -> str:
        """Give ``creating``, ``created``, ``running`` or ``stopped`` (runtime.md, State).

        ``paused`` is for the caller to find out: it needs the cgroup.
        """
        if not self.pid:
            alive = is_alive(self.creator, self.creator_start_time)
            return "creating" if alive else "stopped"
        if not is_alive(self.pid, self.start_time):
            return "stopped"
        try:
            os.lstat(entry.file(FIFO))
        except OSError:
            return "running"
        return "created"


def write_atomically(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write a file through a temporary name in the same directory and rename(2).

    Raises PyociError; the temporary file is then gone and the old file untouched.
    """
    directory, _, name = path.rpartition("/")
    temporary = f"{directory}/.{name}.{os.getpid()}"
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode
        )
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise PyociError(
            f"cannot write {path}: {reason(error)}",
            subject=path,
            hint="check that the file system has room and can be written",
        ) from None


def read_file(path: str) -> bytes:
    """Read a regular file of at most 16 MiB; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(descriptor).st_size
        if size > MAX_STATE_SIZE:
            raise OSError(errno.EFBIG, "larger than 16 MiB")
        # One byte more than there should be: a file that has grown meanwhile is read on.
        data = os.read(descriptor, size + 1)
        if len(data) <= size:
            return data
        chunks = [data]
        while chunk := os.read(descriptor, 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def entries(root: str) -> list[str]:
    """Give the IDs of all containers below a state root, sorted.

    Raises OSError when the root cannot be read.
    """
    found = []
    for name in os.listdir(root):
        try:
            check_id(name)
        except PyociError:
            continue
        if isdir(f"{root}/{name}"):
            found.append(name)
    return sorted(found)
