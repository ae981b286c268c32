"""Compiled filters on disk: found by the digest of everything they depend on, trusted only if ours.

A file is ``<digest>.bpf``: a magic number that says whether a rule notifies an agent, a digest over
the file's own name and content, then the program. Nothing that goes wrong here is an error: a
filter that cannot be read is compiled, one that cannot be kept is compiled again next time.
"""

from __future__ import annotations

import posix as os
import sys

from pyoci.seccomp import syscall_tables

try:
    from _blake2 import blake2b
except ImportError:  # a Python built with OpenSSL's digests only
    from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# To be raised with every change of what the compiler makes of a profile.
COMPILER = 1

_MAGIC = (b"pyocibp1", b"pyocibpN")  # without, with a rule that notifies
_DIGEST = 32
_HEADER = 8 + _DIGEST
_LARGEST = _HEADER + 8 * 4096
_MOST = 64  # files; 2 MiB at the very most, some 200 KiB as profiles are


def key(profile: dict[str, Any], native: str) -> str | None:
    """Give the name for a profile's filter; None when there are no tables of system calls.

    Only what the program depends on counts: flags and the listener's path and metadata, which
    engines may make up for each container, do not. No fact about the kernel is used: the oldest
    that pyoci runs on knows all actions. The repr of JSON values is as good as their text.
    """
    directory = syscall_tables.find_package()
    if directory is None:
        return None
    parts = (
        COMPILER,
        native,
        sys.byteorder,
        sys.maxsize,
        syscall_tables.fingerprint(directory),
        profile.get("defaultAction"),
        profile.get("defaultErrnoRet"),
        profile.get("architectures"),
        profile.get("syscalls"),
        # Whether it is there is checked by the compiler.
        bool(profile.get("listenerPath")),
    )
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()


def read(directory: str, name: str) -> tuple[bytes, bool] | None:
    """Give a program and whether it notifies; None when there is none that can be trusted."""
    try:
        descriptor = os.open(
            f"{directory}/{name}.bpf",
            os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK,
        )
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not _is_ours(status, 0o100000) or not _HEADER < status.st_size <= _LARGEST:
            return None
        content = os.read(descriptor, _LARGEST + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    magic, digest, program = content[:8], content[8:_HEADER], content[_HEADER:]
    if magic not in _MAGIC or len(content) % 8 or digest != _seal(name, magic, program):
        return None
    return program, magic == _MAGIC[True]


def write(directory: str, name: str, program: bytes, notify: bool) -> None:
    """Keep a program, if the directory is ours and has room; remove the oldest of many."""
    magic = _MAGIC[notify]
    content = magic + _seal(name, magic, program) + program
    try:
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if _is_ours(os.fstat(number), 0o040000):
            _write_file(number, f"{name}.bpf", content)
            _evict(number)
    except OSError:
        return
    finally:
        os.close(number)


def _write_file(directory: int, name: str, content: bytes) -> None:
    temporary = f".{name}.{os.getpid()}"
    # Of a process with our number that was killed half-way; O_EXCL then says whose the new one is.
    try:
        os.unlink(temporary, dir_fd=directory)
    except FileNotFoundError:
        pass
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory
    )
    try:
        try:
            while content:
                content = content[os.write(descriptor, content) :]
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(temporary, dir_fd=directory)
        raise


def _evict(directory: int) -> None:
    """Remove the oldest files over the limit, left-over temporary ones among them."""
    names = os.listdir(directory)
    if len(names) <= _MOST:
        return
    ages = []
    for name in names:
        try:
            ages.append((os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns, name))
        except FileNotFoundError:
            continue
    for _, name in sorted(ages)[: max(0, len(ages) - _MOST)]:
        try:
            os.unlink(name, dir_fd=directory)
        except OSError:
            continue


def _is_ours(status: os.stat_result, kind: int) -> bool:
    mode = status.st_mode
    return mode & 0o170000 == kind and status.st_uid == os.geteuid() and not mode & 0o022


def _seal(name: str, magic: bytes, program: bytes) -> bytes:
    """Give the digest that ties a program to the name it was compiled for."""
    return blake2b(name.encode("ascii") + magic + program, digest_size=_DIGEST).digest()
