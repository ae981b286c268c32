"""Reading, writing, making and removing in cgroupfs, with errors that say which limit failed.

Error texts name the errno instead of using strerror: Docker and podman read "permission denied" and
"no such file" as a fault of the user's command (exit statuses 126 and 127).
"""

from __future__ import annotations

import errno
import posix as os
import time

from pyoci.errors import CgroupError
from pyoci.paths import dirname, isdir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.cgroup.undo import Undo

DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)

# errno -> why the kernel refuses a write to a cgroup file, in the kernel's terms (cgroups(7)).
REASONS = {
    errno.EACCES: "access refused (EACCES)",
    errno.EPERM: "access refused (EPERM)",
    errno.EROFS: "the hierarchy is mounted read-only (EROFS)",
    errno.ENOENT: "this kernel does not offer that file (ENOENT)",
    errno.EINVAL: "the kernel does not accept the value (EINVAL)",
    errno.ERANGE: "the value is out of range (ERANGE)",
    errno.EBUSY: "in use (EBUSY)",
    errno.ENODEV: "no such device on this host (ENODEV)",
    errno.ENOSPC: "no processor or memory node is assigned (ENOSPC)",
    errno.EOPNOTSUPP: "the cgroup is of a type that cannot do this (EOPNOTSUPP)",
    errno.ESRCH: "the process is gone (ESRCH)",
    errno.EAGAIN: "a limit of an ancestor is reached (EAGAIN)",
}


class CgroupGoneError(CgroupError):
    """A cgroup that was there has been removed by somebody else."""


class Setting:
    """One value for one cgroup file, and the JSON pointer of config.json that asks for it."""

    __slots__ = ("controller", "file", "hint", "optional", "pointer", "retry", "value")

    def __init__(
        self,
        controller: str,
        file: str,
        value: str,
        pointer: str,
        *,
        hint: str | None = None,
        optional: bool = False,
        retry: bool = False,
    ) -> None:
        self.controller = controller
        self.file = file
        self.value = value
        self.pointer = pointer
        self.hint = hint
        # A missing file is no error: the value is what a kernel without the file does anyway.
        self.optional = optional
        # The kernel may refuse it (EINVAL) until a later setting of the same list is in place.
        self.retry = retry

    def __repr__(self) -> str:
        return f"<{self.file}={self.value!r} {self.pointer}>"


def reason(error: OSError) -> str:
    """Say why, without the words that engines read as a fault of the user's command."""
    number = error.errno or 0
    return REASONS.get(number) or errno.errorcode.get(number, str(number))


def read(path: str) -> str | None:
    """Give the content of a cgroup file without surrounding space; None if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "surrogateescape").strip()


def write(path: str, value: str) -> None:
    """Write a value in one write(2), as cgroupfs demands; raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_TRUNC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def write_settings(
    settings: list[Setting], directories: dict[str, str], undo: Undo | None = None
) -> None:
    """Write settings in order, below the directory of each one's controller.

    With ``undo``, what was in the files before is remembered there.

    A pair such as a memory limit and its swap limit must be written in one order when growing and
    in the other when shrinking. Instead of comparing with the current values (a race), the first is
    tried, and tried again after the rest.
    """
    later: list[Setting] = []
    for setting in settings:
        if undo is not None and setting.controller in directories:
            undo.remember(f"{directories[setting.controller]}/{setting.file}", setting)
        try:
            _write_setting(setting, directories)
        except OSError as error:
            if not (setting.retry and error.errno in (errno.EINVAL, errno.EBUSY)):
                raise _refusal(setting, directories, error) from None
            later.append(setting)
    for setting in later:
        try:
            _write_setting(setting, directories)
        except OSError as error:
            raise _refusal(setting, directories, error) from None


def _write_setting(setting: Setting, directories: dict[str, str]) -> None:
    directory = directories.get(setting.controller)
    if directory is None:
        if setting.optional:
            return
        raise CgroupError(
            f"set {setting.pointer}: the {setting.controller} controller is not available",
            subject=setting.pointer,
            hint=f"mount or delegate the {setting.controller} controller, or remove the limit",
        )
    try:
        write(f"{directory}/{setting.file}", setting.value)
    except FileNotFoundError:
        if not setting.optional:
            raise


def _refusal(setting: Setting, directories: dict[str, str], error: OSError) -> CgroupError:
    directory = directories.get(setting.controller, "")
    why = reason(error)
    hint = setting.hint
    if error.errno == errno.EBUSY and setting.controller == "memory":
        usage = read(f"{directory}/memory.usage_in_bytes") or read(f"{directory}/memory.current")
        why = f"more is in use than the limit allows (EBUSY, usage {usage})"
        hint = "choose a limit above the usage, or stop processes first"
    elif error.errno in (errno.ENOENT, errno.ENODEV) and not isdir(directory):
        return CgroupGoneError(
            f"set {setting.pointer}: cgroup {directory} has been removed", subject=setting.pointer
        )
    return CgroupError(
        f"set {setting.pointer} to {setting.value}: {directory}/{setting.file}: {why}",
        subject=setting.pointer,
        hint=hint,
    )


def make_directories(path: str, stop: str) -> list[str]:
    """Make a cgroup and its missing ancestors below the mount point ``stop``; raises OSError.

    Gives the directories that this call has made, the topmost first.
    """
    for _ in range(10):
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:
            return []
        except FileNotFoundError:
            parent = dirname(path)
            if len(parent) <= len(stop):
                raise
            # Another container's delete may remove an empty parent between the two calls: again.
            made = make_directories(parent, stop)
            try:
                os.mkdir(path, 0o755)
            except FileExistsError:
                return made
            except FileNotFoundError:
                continue
            return [*made, path]
        return [path]
    os.mkdir(path, 0o755)
    return [path]


def missing_directories(path: str, stop: str) -> list[str]:
    """List what ``make_directories`` would make, the topmost first."""
    missing: list[str] = []
    while len(path) > len(stop) and not isdir(path):
        missing.insert(0, path)
        path = dirname(path)
    return missing


def children(path: str) -> list[str]:
    """List the cgroups directly inside a cgroup."""
    try:
        # kernfs counts a cgroup's children in st_nlink: most have none, and need no listing.
        if os.stat(path).st_nlink == 2:
            return []
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def processes(path: str, *, recursive: bool) -> list[int]:
    """List the processes of a cgroup, and of the cgroups inside it; a vanished one has none.

    Those in PID namespaces that cannot be seen from here, which the kernel lists as 0, are left
    out: kill(2) would take 0 for our own process group.
    """
    text = read(f"{path}/cgroup.procs")
    if text is None:
        # A threaded cgroup (v2) lists threads only (EOPNOTSUPP): kill(2) takes those as well.
        text = read(f"{path}/cgroup.threads") or ""
    found = [int(line) for line in text.split() if line != "0"]
    if recursive:
        for child in children(path):
            found += processes(child, recursive=True)
    return found


def populated(path: str) -> bool:
    """Say whether a cgroup or one inside it has processes, also such as are not visible here."""
    events = read(f"{path}/cgroup.events")
    if events is not None:
        return "populated 1" in events
    if read(f"{path}/cgroup.procs"):
        return True
    return any(populated(child) for child in children(path))


def remove_cgroups(paths: list[str], seconds: float) -> None:
    """Remove cgroups and the cgroups inside them, waiting for dying processes to leave.

    Raises CgroupError when processes are still inside after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    pause = 0.0002
    while True:
        paths = [path for path in paths if not _remove_tree(path)]
        if not paths:
            return
        if time.monotonic() > deadline:
            break
        # A killed process leaves its cgroup only when it has been torn down entirely.
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    inside = sorted({pid for path in paths for pid in processes(path, recursive=True)})
    raise CgroupError(
        f"remove cgroup {paths[0]}: "
        + (f"processes {inside} are still inside" if inside else "the kernel says it is in use"),
        hint="kill the processes, then delete again" if inside else None,
    )


def remove_if_empty(paths: list[str]) -> None:
    """Remove ancestors that we made, the deepest first, unless somebody else uses them by now."""
    for path in sorted(paths, key=len, reverse=True):
        try:
            os.rmdir(path)
        except OSError:
            pass


def _remove_tree(path: str) -> bool:
    """Remove one cgroup; say whether it is gone."""
    try:
        os.rmdir(path)
        return True
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in DENIED:
            raise CgroupError(
                f"remove cgroup {path}: {reason(error)}", hint="run as the user who created it"
            ) from None
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise CgroupError(f"remove cgroup {path}: {reason(error)}") from None
    inner = children(path)
    if not inner:
        return False
    for child in inner:
        _remove_tree(child)
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
