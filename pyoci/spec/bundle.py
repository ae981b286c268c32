"""The bundle: a directory with config.json and the root file system (bundle.md)."""

from __future__ import annotations

import errno
import posix as os

from pyoci.errors import PyociError, SpecError
from pyoci.spec.check import spec_error
from pyoci.spec.json_text import decode
from pyoci.spec.rules import Fault, kind
from pyoci.spec.version import check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONFIG = "config.json"
LARGEST_CONFIG = 16 << 20

_O_PATH = 0o10000000
_O_DIRECTORY = os.O_DIRECTORY


class Bundle:
    """A bundle that has been read.

    ``path`` and ``rootfs`` are absolute and without symlinks; ``config_bytes`` is config.json as it
    was read, ``config`` its value. Only its root and version have been checked.
    """

    __slots__ = ("config", "config_bytes", "path", "rootfs")

    def __init__(self, path: str, config: dict[str, Any], data: bytes, rootfs: str) -> None:
        self.path = path
        self.config = config
        self.config_bytes = data
        self.rootfs = rootfs


def load_bundle(path: str) -> Bundle:
    """Read the bundle in a directory.

    Raises PyociError when it is no bundle, SpecError when its config.json cannot be used.
    """
    directory = _open_bundle(path)
    try:
        path = os.readlink(f"/proc/self/fd/{directory}")
        data = _read_config(directory, path)
        config = decode(data, what=f"{path}/{CONFIG}")
        if not isinstance(config, dict):
            raise SpecError(
                f"{path}/{CONFIG}: must be an object, not {kind(config)}",
                subject="",
                hint="pyoci spec writes an example",
            )
        _check_version(config)
        rootfs = _rootfs(directory, path, config)
    finally:
        os.close(directory)
    return Bundle(path, config, data, rootfs)


# Errors here are in words of our own: "no such file or directory" and "permission denied" make
# engines report that the user's command is missing or not executable.


def _open_bundle(path: str) -> int:
    try:
        return os.open(path, _O_PATH | _O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise PyociError(
            f"cannot open the bundle {kind(path)}: {_reason(error)}",
            subject=path,
            hint="--bundle names a directory with a config.json",
        ) from None


def _read_config(directory: int, path: str) -> bytes:
    try:
        # O_NONBLOCK: a FIFO of that name must not hang the runtime.
        descriptor = os.open(
            CONFIG, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=directory
        )
    except FileNotFoundError:
        raise PyociError(
            f"JSON specification file {CONFIG} not found",
            subject=f"{path}/{CONFIG}",
            hint=f"{path} is not a bundle; pyoci spec --bundle {path} makes it one",
        ) from None
    except OSError as error:
        raise _unreadable(path, _reason(error)) from None
    try:
        status = os.fstat(descriptor)
        if status.st_mode & 0o170000 != 0o100000:
            raise _unreadable(path, "it is not a regular file")
        chunks = []
        left = LARGEST_CONFIG + 1
        while left > 0 and (chunk := os.read(descriptor, min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise _unreadable(path, _reason(error)) from None
    finally:
        os.close(descriptor)
    if left <= 0:
        raise _unreadable(path, f"it is larger than {LARGEST_CONFIG >> 20} MiB")
    return b"".join(chunks)


def _unreadable(path: str, why: str) -> PyociError:
    return PyociError(f"cannot read {path}/{CONFIG}: {why}", subject=f"{path}/{CONFIG}")


def _check_version(config: dict[str, Any]) -> None:
    try:
        if config.get("ociVersion") is None:
            raise Fault("is missing")
        check_version(config["ociVersion"], None, [])
    except Fault as fault:
        raise spec_error(fault, "/ociVersion") from None


def _rootfs(directory: int, path: str, config: dict[str, Any]) -> str:
    """Give the root file system's real path; a relative one is relative to the bundle."""
    root = config.get("root")
    if not isinstance(root, dict):
        why = "is missing" if root is None else f"must be an object, not {kind(root)}"
        raise SpecError(
            f"/root: {why}", subject="/root", hint='name the rootfs: {"path": "rootfs"}'
        )
    name = root.get("path")
    if not isinstance(name, str) or not name:
        why = f"must be a path, not {kind(name)}" if name is not None else "is missing"
        raise SpecError(
            f"/root/path: {why}", subject="/root/path", hint='"rootfs" is the usual name'
        )
    try:
        descriptor = os.open(name, _O_PATH | _O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except (OSError, ValueError) as error:
        full = name if name.startswith("/") else f"{path}/{name}"
        raise SpecError(
            f'/root/path: rootfs "{full}" {_rootfs_reason(error)}',
            subject="/root/path",
            hint="unpack the image there, or correct the path",
        ) from None
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _rootfs_reason(error: OSError | ValueError) -> str:
    number = error.errno if isinstance(error, OSError) else 0
    return {errno.ENOENT: "does not exist", errno.ENOTDIR: "is no directory"}.get(
        number or 0, f"cannot be opened: {_reason(error)}"
    )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "the path holds a NUL character"
    return {
        errno.ENOENT: "it does not exist",
        errno.ENOTDIR: "it is no directory",
        errno.EACCES: "access is denied",
        errno.EPERM: "access is denied",
    }.get(error.errno or 0, (error.strerror or str(error)).lower())
