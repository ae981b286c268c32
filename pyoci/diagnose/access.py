"""Permission denied: by which bit, of which file, or by which mount."""

from __future__ import annotations

from pyoci.diagnose.view import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.diagnose.view import File, View

_SEARCH_OR_EXECUTE = 0o111


def who_is_kept_out(view: View, path: str, file: File | None, uid: int, gid: int) -> str | None:
    """Give the hint for a file that a user may not execute; None when nothing forbids it.

    The directories on the way first; then the file, if it is known.
    """
    hint = _directories(view, path, uid, gid)
    if hint is not None or file is None:
        return hint
    shown = printable(path)
    if not file.is_regular:
        return f"{shown} is not a regular file: name a program in /process/args/0"
    if not file.mode & _SEARCH_OR_EXECUTE:
        return f"{shown} is not executable (mode {file.mode:04o}): chmod +x it in the image"
    mount = view.mount_of(path)
    if mount is not None and "noexec" in (mount.get("options") or ()):
        return (
            f"{shown} is on the mount {printable(mount['destination'])}, which has the option "
            "noexec: remove it, or run the program from elsewhere"
        )
    if file.on_noexec_mount:
        return f"{shown} is on a file system that is mounted noexec: remount it with exec"
    if uid != 0 and not _may(file, uid, gid):
        return (
            f"user {uid} may not execute {shown} (mode {file.mode:04o}, owner "
            f"{file.status.st_uid}:{file.status.st_gid}): chmod a+rx it, or change /process/user"
        )
    return _interpreter(view, path, file, uid, gid)


def _directories(view: View, path: str, uid: int, gid: int) -> str | None:
    if uid == 0:
        return None
    parts = path.split("/")
    for length in range(1, len(parts)):
        above = "/".join(parts[:length]) or "/"
        found = view.find(above)
        if found is None:
            continue
        try:
            if found.is_directory and not _may(found, uid, gid):
                return (
                    f"the directory {printable(above)} (mode {found.mode:04o}, owner "
                    f"{found.status.st_uid}:{found.status.st_gid}) keeps user {uid} out: "
                    "chmod a+x it, or change /process/user"
                )
        finally:
            found.close()
    return None


def _interpreter(view: View, path: str, file: File, uid: int, gid: int) -> str | None:
    """Say whether the script's interpreter is what may not be executed (execve(2), EACCES)."""
    from pyoci.diagnose.program import script_interpreter

    named = script_interpreter(file)
    if named is None or not named.startswith("/") or named == path:
        return "a security module may refuse it: see the kernel's log"
    interpreter = view.find(named)
    if interpreter is None:
        return None
    try:
        if interpreter.is_directory:
            return (
                f"the interpreter {printable(named)} of the script {printable(path)} is a directory"
            )
        return who_is_kept_out(view, named, interpreter, uid, gid)
    finally:
        interpreter.close()


def _may(file: File, uid: int, gid: int) -> bool:
    # The owner as the host sees it: with a user namespace it is another number, and the bits of
    # everybody decide, as they do for most files of an image.
    status = file.status
    if status.st_uid == uid and file.mode & 0o100:
        return True
    if status.st_gid == gid and file.mode & 0o010:
        return True
    return bool(file.mode & 0o001)
