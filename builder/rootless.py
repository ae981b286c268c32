"""Getting ready to mount: a mount namespace of our own, and a user namespace when we are not root.

What is mounted in the namespace is gone when the process is, however it ends. As an ordinary user
the process becomes root of a user namespace: with the ranges of /etc/subuid and /etc/subgid when
newuidmap(1) and newgidmap(1) are there, else with nobody but itself.

Call it before any thread is started: a namespace belongs to a thread (unshare(2)).
"""

from __future__ import annotations

import ctypes
import os
import subprocess

from builder.errors import BuilderError

_CLONE_NEWUSER = 0x10000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class NamespaceError(BuilderError):
    """The kernel or its settings do not let us have the namespaces that a build needs."""

    code = "namespace"


def enter_namespaces() -> None:
    """Enter a private mount namespace, below a user namespace for an ordinary user.

    Raises NamespaceError.
    """
    if os.geteuid() != 0:
        _enter_user_namespace()
    from builder.snapshot.mounting import isolate

    try:
        isolate()
    except OSError as error:
        ctypes.set_errno(error.errno or 0)
        raise _failed("entering a mount namespace") from None


def setgroups_is_denied() -> bool:
    """Whether this user namespace was made without the power to set groups (user_namespaces(7))."""
    try:
        with open("/proc/self/setgroups", encoding="ascii") as file:
            return file.read().strip() == "deny"
    except OSError:
        return False


def _unshare(flags: int, kind: str) -> None:
    if _LIBC.unshare(flags) != 0:
        raise _failed(f"entering a {kind} namespace")


def _failed(doing: str) -> NamespaceError:
    error = ctypes.get_errno()
    hint = None
    if error == 1:
        hint = "as an ordinary user this needs the sysctl kernel.unprivileged_userns_clone=1"
        if os.geteuid() == 0:
            hint = "root needs CAP_SYS_ADMIN: a container may lack it"
    elif error == 28:
        hint = "see the sysctls user.max_user_namespaces and user.max_mnt_namespaces"
    return NamespaceError(f"{doing}: {os.strerror(error)}", hint=hint)


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    ranges = _ranges("/etc/subuid", uid), _ranges("/etc/subgid", uid)
    if all(ranges) and _has_tools():
        _enter_with_ranges(uid, gid, *ranges)
        return
    _unshare(_CLONE_NEWUSER, "user")
    # Without privileges only one's own id can be mapped, and only after giving up setgroups(2).
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1\n")
    _write("/proc/self/gid_map", f"0 {gid} 1\n")


def _enter_with_ranges(
    uid: int, gid: int, uids: list[tuple[int, int]], gids: list[tuple[int, int]]
) -> None:
    """Let a helper outside of the new namespace map the ranges: only there newuidmap may.

    The helper is forked before and waits until the namespace is there.
    """
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()
    parent = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(ready_write)
        os.close(done_read)
        status = 1
        try:
            if os.read(ready_read, 1):
                _map(parent, "newuidmap", uid, uids)
                _map(parent, "newgidmap", gid, gids)
                os.write(done_write, b"+")
                status = 0
        except (OSError, subprocess.SubprocessError) as error:
            os.write(done_write, str(error).encode()[:400])
        finally:
            os._exit(status)
    os.close(ready_read)
    os.close(done_write)
    try:
        _unshare(_CLONE_NEWUSER, "user")
        os.write(ready_write, b"+")
        answer = os.read(done_read, 512)
    finally:
        os.close(ready_write)
        os.close(done_read)
        os.waitpid(helper, 0)
    if answer != b"+":
        raise NamespaceError(
            f"mapping the ids of /etc/subuid: {answer.decode('utf-8', 'replace') or 'no answer'}",
            hint="newuidmap and newgidmap must be set-user-ID root (package uidmap)",
        )
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _map(pid: int, tool: str, own: int, ranges: list[tuple[int, int]]) -> None:
    arguments = ["0", str(own), "1"]
    inside = 1
    for start, count in ranges:
        arguments += [str(inside), str(start), str(count)]
        inside += count
    subprocess.run([tool, str(pid), *arguments], check=True, capture_output=True, timeout=30)


def _has_tools() -> bool:
    import shutil

    return all(shutil.which(tool) for tool in ("newuidmap", "newgidmap"))


def _ranges(path: str, uid: int) -> list[tuple[int, int]]:
    """First id and count of each range of a user (subuid(5)), who is named by name or number."""
    import pwd

    owners = {str(uid)}
    try:
        owners.add(pwd.getpwuid(uid).pw_name)
    except KeyError:
        pass
    ranges = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.strip().split(":")
                if len(fields) != 3 or fields[0] not in owners:
                    continue
                if fields[1].isdigit() and fields[2].isdigit() and int(fields[2]) > 0:
                    ranges.append((int(fields[1]), int(fields[2])))
    except OSError:
        return []
    return ranges


def _write(path: str, text: str) -> None:
    try:
        number = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.write(number, text.encode())
    except OSError as error:
        raise NamespaceError(f"writing {path}: {error.strerror}", subject=path) from None
    finally:
        os.close(number)
