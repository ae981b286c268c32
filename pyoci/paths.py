"""The functions of os.path and os that commands need, with the same names and meanings.

Importing `os` runs the hundreds of statements that make the abstract collection classes: more than
a tenth of a short command. The system calls themselves are built into the interpreter, in `posix`;
modules that engines' commands load take them from there (``import posix as os``).
"""

from __future__ import annotations

from posix import getcwd, lstat, mkdir, stat

# Where programs are looked for when the caller's environment has no PATH: engines give none.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TYPE, _DIRECTORY = 0o170000, 0o040000  # S_IFMT, S_IFDIR


def dirname(path: str) -> str:
    """Give a path without its last component."""
    head = path[: path.rfind("/") + 1]
    return head.rstrip("/") or head


def basename(path: str) -> str:
    """Give a path's last component."""
    return path[path.rfind("/") + 1 :]


def normpath(path: str) -> str:
    """Give a path without empty and ``.`` components, and ``..`` resolved by the text alone."""
    parts: list[str] = []
    absolute = path.startswith("/")
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            parts.append(part)
        elif parts and parts[-1] != "..":
            parts.pop()
        elif not absolute:
            parts.append(part)
    # Exactly two slashes at the start may mean something else (POSIX, Pathname Resolution).
    root = ("//" if path.startswith("//") and path[2:3] != "/" else "/") if absolute else ""
    return root + "/".join(parts) or "."


def abspath(path: str) -> str:
    """Give a path as an absolute one; raises OSError when the working directory is gone."""
    return normpath(path if path.startswith("/") else f"{getcwd()}/{path}")


def isdir(path: str) -> bool:
    """Say whether a path leads to a directory."""
    try:
        return stat(path).st_mode & _TYPE == _DIRECTORY
    except (OSError, ValueError):
        return False


def exists(path: str) -> bool:
    """Say whether a path leads to something."""
    try:
        stat(path)
    except (OSError, ValueError):
        return False
    return True


def lexists(path: str) -> bool:
    """Say whether there is something at a path, if only a symbolic link that leads nowhere."""
    try:
        lstat(path)
    except (OSError, ValueError):
        return False
    return True


def makedirs(path: str, mode: int) -> None:
    """Make a directory and those above it that are missing; no error if it is there."""
    try:
        mkdir(path, mode)
    except OSError as error:
        # Not EEXIST alone: a read-only file system may say EROFS first.
        if isdir(path):
            return
        parent = dirname(path)
        if not isinstance(error, FileNotFoundError) or parent in ("", path):
            raise
        makedirs(parent, 0o777)
        try:
            mkdir(path, mode)
        except FileExistsError:
            if not isdir(path):
                raise
