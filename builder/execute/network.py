"""/etc/resolv.conf and /etc/hosts of RUN: the host's names, mounted and never in a layer."""

from __future__ import annotations

import os

from builder.execute.mounts import Prepared
from builder.execute.sandbox import bind

_LARGEST_FILE = 1 << 20
_NO_NAMES = b"# no network\n"
_LOOPBACK = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def network_files(network: str, hostname: str, directory: str) -> list[Prepared]:
    """The mounts of the two files, which are made in a directory of the step's own."""
    if network == "none":
        resolv, hosts = _NO_NAMES, _LOOPBACK
    else:
        resolv = _host_file("/etc/resolv.conf") or _NO_NAMES
        hosts = _host_file("/etc/hosts") or _LOOPBACK
    if not hosts.endswith(b"\n"):
        hosts += b"\n"
    hosts += f"127.0.0.1\t{hostname}\n".encode()
    mounts = []
    for name, content in (("resolv.conf", resolv), ("hosts", hosts)):
        path = f"{directory}/{name}"
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(number, "wb") as file:
            file.write(content)
        os.chmod(path, 0o644)
        mounts.append(Prepared(bind(path, f"/etc/{name}", "ro"), is_directory=False))
    return mounts


def _host_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return b""
