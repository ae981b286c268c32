"""Bundles for cases: a root file system with a shell, and a configuration with little in it."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from conformance.judge import CannotTellError

APPLETS = (
    *("cat", "chmod", "cut", "dd", "echo", "env", "false", "grep", "head", "hostname", "id"),
    *("kill", "ln", "ls", "mkdir", "mknod", "mount", "printf", "ps", "pwd", "readlink", "rm"),
    *("sh", "sleep", "stat", "tail", "test", "touch", "tr", "true", "umount", "uname", "wc"),
)
PATH = "PATH=/bin"

_MOUNTS = (
    ("/proc", "proc", "proc", ()),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        *("/dev/pts", "devpts", "devpts"),
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
)


def basic_config(*args: str) -> dict[str, Any]:
    """A configuration that every runtime on Linux must take."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": [PATH],
            "cwd": "/",
        },
        "root": {"path": "rootfs", "readonly": False},
        "mounts": [
            {"destination": place, "type": kind, "source": source, "options": list(options)}
            for place, kind, source, options in _MOUNTS
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]
        },
    }


def find_shell() -> str:
    """The program that is the shell of the root file systems. Raises CannotTellError."""
    path = shutil.which("busybox")
    if path is None:
        raise CannotTellError("there is no static busybox here: apt-get install busybox-static")
    with open(path, "rb") as file:
        # A dynamic program names its loader, which the root file system does not have.
        if b"/lib64/ld-linux" in file.read(4096):
            raise CannotTellError(f"{path} is not static: apt-get install busybox-static")
    return path


def make_bundle(path: str, config: dict[str, Any] | str | bytes) -> str:
    """Make a bundle at path; a configuration that is text is written as it is."""
    shell = find_shell()
    for directory in ("bin", "etc", "tmp", "out", "proc", "dev", "sys"):
        os.makedirs(f"{path}/rootfs/{directory}")
    os.chmod(f"{path}/rootfs/tmp", 0o1777)
    os.mkdir(f"{path}/out")
    os.chmod(f"{path}/out", 0o777)
    shutil.copy(shell, f"{path}/rootfs/bin/busybox")
    for name in APPLETS:
        os.symlink("busybox", f"{path}/rootfs/bin/{name}")
    write_config(path, config)
    return path


def write_config(path: str, config: dict[str, Any] | str | bytes) -> None:
    """Write the bundle's config.json."""
    if isinstance(config, dict):
        config = json.dumps(config)
    data = config.encode() if isinstance(config, str) else config
    with open(f"{path}/config.json", "wb") as file:
        file.write(data)
