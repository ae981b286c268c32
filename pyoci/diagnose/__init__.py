"""Says why a program cannot be executed: in runc's words, and beyond them what to do about it.

The kernel has five or six errnos for dozens of causes, and the most frequent one is misleading:
"no such file or directory" for a file that is there means that its interpreter is not. After the
failure this package looks into the image, from outside, and finds out.

Engines turn the words into exit statuses (126 for ``permission denied``, 127 for ``no such file or
directory`` and ``executable file not found in $PATH``), so those of the errno are always there.

Nothing here runs unless an execution has failed.
"""

from __future__ import annotations

import errno as codes
import os

from pyoci.diagnose.access import who_is_kept_out
from pyoci.diagnose.program import why_not_a_program
from pyoci.diagnose.search import Search, nearest_name, why_not_found
from pyoci.diagnose.view import HiddenError, View, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyoci.diagnose.view import File

_PREFIX = "unable to start container process: exec: "
_HINTS = {
    codes.E2BIG: "/process/args and /process/env together are too large (execve(2)): a single "
    "string may have 128 KiB, all of them a quarter of the stack limit",
    codes.ETXTBSY: "somebody has the program open for writing: copy it and rename the copy",
    codes.ENOMEM: "the cgroup's memory limit leaves no room for the program: raise "
    "/linux/resources/memory/limit",
    codes.EPERM: "a seccomp filter or a security module refuses execve(2)",
    codes.ELOOP: "a chain of symlinks, or of scripts that interpret scripts, does not end",
    codes.ENAMETOOLONG: "the path has more than 4095 bytes, or a name in it more than 255",
    codes.ELIBBAD: "the loader that the program names is damaged or for another architecture",
    codes.EINVAL: "the program's ELF header is damaged: it names several loaders",
    codes.EIO: "the image's file system has an error: see the kernel's log",
}


class Diagnosis:
    """Why a program cannot be executed: one line for people and engines, and the remedy."""

    __slots__ = ("hint", "message")

    def __init__(self, message: str, hint: str | None) -> None:
        self.message = message
        self.hint = hint


def explain_exec_failure(
    rootfs: str,
    args: list[str],
    env: list[str],
    cwd: str,
    errno: int,
    uid: int,
    gid: int,
    *,
    mounts: Sequence[dict[str, Any]] = (),
) -> Diagnosis:
    """Give the diagnosis of an execve(2), or a search for its program, that failed with ``errno``.

    ``rootfs`` is the container's root as this process sees it; ``mounts`` are those entries of
    /mounts that are not visible below it. ``uid`` and ``gid`` are the container's.

    Never raises: where nothing can be found out, the errno speaks alone.
    """
    name = args[0] if args else ""
    words = os.strerror(errno).lower() if errno else "unknown reason"
    try:
        reason, hint = _reason(View(rootfs, mounts), name, env, cwd, errno, uid, gid)
    except (OSError, HiddenError, ValueError):
        reason, hint = _plain_reason(name, words, errno), None
    return Diagnosis(f'{_PREFIX}"{printable(name)}": {reason}', hint or _HINTS.get(errno))


def _plain_reason(name: str, words: str, errno: int) -> str:
    if errno == codes.ENOENT:
        if "/" in name:
            return f"stat {printable(name)}: {words}"
        return "executable file not found in $PATH"
    return words


def _reason(
    view: View, name: str, env: list[str], cwd: str, errno: int, uid: int, gid: int
) -> tuple[str, str | None]:
    words = os.strerror(errno).lower() if errno else "unknown reason"
    if not name:
        return (
            "executable file not found in $PATH",
            "/process/args/0 is empty: name the program to run",
        )
    search = Search(view, name, env, cwd)
    path, file = search.find()
    if file is None:
        if errno not in (codes.ENOENT, codes.ENOTDIR, codes.EACCES):
            return words, None
        if errno == codes.EACCES:
            return words, _denied_on_the_way(view, search, uid, gid)
        hint = why_not_found(search)
        if "/" not in name:
            return "executable file not found in $PATH", hint
        return f"stat {printable(name)}: {words}", hint or nearest_name(view, path)
    try:
        return _about_file(view, search, path, file, words, errno, uid, gid)
    finally:
        file.close()


def _about_file(
    view: View,
    search: Search,
    path: str,
    file: File,
    words: str,
    errno: int,
    uid: int,
    gid: int,
) -> tuple[str, str | None]:
    if file.is_directory:
        return (
            f"is a directory: {os.strerror(codes.EACCES).lower()}",
            "name a program in /process/args/0",
        )
    if errno == codes.EACCES:
        return words, who_is_kept_out(view, path, file, uid, gid)
    if errno == codes.ENOENT and not search.by_path and not file.mode & 0o111:
        # The search passes over what may not be executed.
        hint = who_is_kept_out(view, path, file, uid, gid)
        return "executable file not found in $PATH", hint
    if errno in (codes.ENOENT, codes.ENOEXEC, codes.ELIBBAD, codes.EINVAL):
        finding = why_not_a_program(view, path, file)
        if finding is not None:
            return f"{words}: {finding.what}", finding.hint
    return words, None


def _denied_on_the_way(view: View, search: Search, uid: int, gid: int) -> str | None:
    for path in search.candidates:
        kept_out = who_is_kept_out(view, path, None, uid, gid)
        if kept_out is not None:
            return kept_out
    return None
