"""Writes a new user namespace's id mappings, from outside (user_namespaces(7))."""

from __future__ import annotations

import posix as os

from pyoci.errors import HostError, PyociError, reason
from pyoci.plan.namespaces import map_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.host import Host

_HELPERS = {"uid": "newuidmap", "gid": "newgidmap"}
_DIRECTORIES = ("/usr/bin", "/bin", "/usr/local/bin")


def write_mappings(pid: int, linux: dict[str, Any], host: Host) -> None:
    """Map the ids of ``/linux/uidMappings`` and ``/linux/gidMappings``.

    A privileged caller writes them itself. Another may map its own id only; for more the setuid
    helpers of shadow-utils check them against /etc/subuid and /etc/subgid (newuidmap(1)).

    Raises HostError with the remedy.
    """
    for kind, own in (("uid", host.euid), ("gid", host.egid)):
        mappings = linux.get(f"{kind}Mappings") or []
        single = len(mappings) == 1 and mappings[0]["size"] == 1 and mappings[0]["hostID"] == own
        if host.effective >> (7 if kind == "uid" else 6) & 1 or single:
            if single and kind == "gid" and not host.effective >> 6 & 1:
                _write(f"/proc/{pid}/setgroups", "deny", "/linux/gidMappings")
            _write(f"/proc/{pid}/{kind}_map", map_text(mappings), f"/linux/{kind}Mappings")
        else:
            _run_helper(kind, pid, mappings)


def _write(path: str, text: str, pointer: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("ascii"))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HostError(
            f"{pointer}: the kernel does not take the id mappings: {reason(error)}",
            subject=pointer,
            hint="ranges may not overlap, and the host's ids have to be the caller's to give",
        ) from None


def _run_helper(kind: str, pid: int, mappings: list[dict[str, int]]) -> None:
    name = _HELPERS[kind]
    pointer = f"/linux/{kind}Mappings"
    path = next((f"{d}/{name}" for d in _DIRECTORIES if os.access(f"{d}/{name}", os.X_OK)), None)
    if path is None:
        raise HostError(
            f"{pointer}: mapping more than one id as an ordinary user needs {name}",
            subject=pointer,
            hint="install the package uidmap (shadow-utils), or map only your own id",
        )
    arguments = [name, str(pid)]
    for entry in mappings:
        arguments += [str(entry["containerID"]), str(entry["hostID"]), str(entry["size"])]
    read_end, write_end = os.pipe()
    try:
        child = os.posix_spawn(
            path, arguments, {}, file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 2)]
        )
    except OSError as error:
        os.close(read_end)
        raise PyociError(f"cannot run {path}: {reason(error)}") from None
    finally:
        os.close(write_end)
    output = os.read(read_end, 4096).decode("utf-8", "replace").strip()
    os.close(read_end)
    _, status = os.waitpid(child, 0)
    if status:
        raise HostError(
            f"{pointer}: {name} refuses the mappings: {output.splitlines()[0] if output else ''}",
            subject=pointer,
            hint=f"the ranges have to be yours in /etc/sub{kind}",
        )
