"""Reading a blob and knowing it is the right one; writing a blob that is either whole or not there.

    writer:  anonymous file ──write, hash──▶ fsync ──▶ linked as blobs/<algorithm>/<hex>

An anonymous file (O_TMPFILE) vanishes with the process that writes it, so a killed build leaves no
part of a blob anywhere. File systems without them get a named file in `ingest/`, held by a lock for
as long as its writer lives: what is there and not locked is rubbish.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat

from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import (
    BlobNotFoundError,
    DigestMismatchError,
    SizeMismatchError,
    StoreError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

CHUNK = 1 << 20


class VerifiedReader:
    """Reads a blob; by the end at the latest it raises unless digest and size are the descriptor's.

    Bytes handed out before the end are not verified yet: act on them only where that can be undone,
    and call `finish` before taking the result as good.
    """

    def __init__(self, fd: int, descriptor: Descriptor, where: str) -> None:
        """Take over the descriptor fd; `where` names the blob in errors."""
        self._fd = fd
        self._descriptor = descriptor
        self._where = where
        self._hasher = descriptor.digest.hasher()
        self._left = descriptor.size
        self._verified = False

    def read(self, size: int = -1) -> bytes:
        """At most size bytes, b"" at the end; everything when size is negative.

        Raises DigestMismatchError, SizeMismatchError.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if size == 0 or self._verified:
            return b""
        chunk = os.read(self._fd, min(size, self._left) or 1)
        if len(chunk) > self._left or (not chunk and self._left):
            raise _wrong_size(self._descriptor, self._where, self._fd)
        if chunk:
            self._hasher.update(chunk)
            self._left -= len(chunk)
        if not chunk or (self._left == 0 and not os.read(self._fd, 1)):
            self._check()
        elif self._left == 0:
            raise _wrong_size(self._descriptor, self._where, self._fd)
        return chunk

    def finish(self) -> None:
        """Read what is left and verify the whole. Raises DigestMismatchError, SizeMismatchError."""
        while self.read(CHUNK):
            pass

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _check(self) -> None:
        wanted = self._descriptor.digest
        found = Digest.finished(wanted.algorithm, self._hasher)
        if found != wanted:
            raise DigestMismatchError(
                f"reading {self._where}: its bytes have the digest {found}",
                subject=wanted,
                hint="the blob was changed or damaged; get it again",
            )
        self._verified = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_verified(path: str, descriptor: Descriptor) -> VerifiedReader:
    """Open the file of a blob. Raises BlobNotFoundError, SizeMismatchError, StoreError."""
    where = f"blob {path}"
    try:
        # Not to hang on a FIFO in a layout that somebody else made.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise BlobNotFoundError(
            f"reading {where}: there is no such blob",
            subject=descriptor.digest,
            hint="the image is incomplete; get it again",
        ) from None
    except OSError as error:
        raise StoreError(f"reading {where}: {error.strerror}", subject=descriptor.digest) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"reading {where}: not a regular file", subject=descriptor.digest)
        if status.st_size != descriptor.size:
            raise _wrong_size(descriptor, where, fd)
    except BaseException:
        os.close(fd)
        raise
    return VerifiedReader(fd, descriptor, where)


def _wrong_size(descriptor: Descriptor, where: str, fd: int) -> SizeMismatchError:
    size = os.fstat(fd).st_size
    return SizeMismatchError(
        f"reading {where}: {size} bytes where the descriptor says {descriptor.size}",
        subject=descriptor.digest,
        hint="the blob was changed or damaged; get it again",
    )


class BlobWriter:
    """A blob being written. A context manager; without `commit` nothing is left."""

    def __init__(self, root: str, algorithm: str = "sha256") -> None:
        """`root` is the layout's directory. Raises StoreError."""
        self.size = 0
        self._root = root
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm)
        self._name: str | None = None
        self._fd = self._open()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append data; returns its length. Raises StoreError."""
        self._hasher.update(data)
        left = memoryview(data).cast("B")
        length = len(left)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            raise self._failed(error) from None
        self.size += length
        return length

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest.finished(self._algorithm, self._hasher)

    def commit(self, media_type: str, **fields: Any) -> Descriptor:
        """Give the blob its name and return its descriptor (fields: annotations, platform, ...).

        The bytes are on the disk before the name is. Raises StoreError.
        """
        digest = self.digest
        try:
            os.fchmod(self._fd, 0o644)
            os.fsync(self._fd)
            self._publish(f"{self._root}/blobs/{digest.algorithm}", digest.hex)
        except OSError as error:
            raise self._failed(error) from None
        self.discard()
        return Descriptor(media_type, digest, self.size, **fields)

    def discard(self) -> None:
        """Throw away what was written and not committed. Safe to repeat."""
        if self._name is not None:
            try:
                os.unlink(self._name)
            except FileNotFoundError:
                pass
            self._name = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        directory = ingest_directory(self._root)
        try:
            os.makedirs(directory, exist_ok=True)
            try:
                return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                    raise
            fd, self._name = create_named(self._root)
            return fd
        except OSError as error:
            raise self._failed(error) from None

    def _publish(self, directory: str, name: str) -> None:
        os.makedirs(directory, exist_ok=True)
        target = f"{directory}/{name}"
        if self._name is not None:
            os.rename(self._name, target)
            self._name = None
            return
        here = f"/proc/self/fd/{self._fd}"
        # A directory descriptor makes Python call linkat(2), which can follow the link in /proc.
        parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                os.link(here, name, dst_dir_fd=parent, follow_symlinks=True)
            except FileExistsError:
                # Whatever stands there may be damaged; what we hold is known to be right.
                fresh = _fresh_name(ingest_directory(self._root))
                fcntl.flock(self._fd, fcntl.LOCK_EX)
                os.link(here, fresh, dst_dir_fd=parent, follow_symlinks=True)
                os.rename(fresh, target)
        finally:
            os.close(parent)

    def _failed(self, error: OSError) -> StoreError:
        hint = "make room and run it again" if error.errno in _NO_ROOM else None
        return StoreError(
            f"writing a blob to {self._root}: {error.strerror}", subject=self._root, hint=hint
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def ingest_directory(root: str) -> str:
    """Where blobs of a layout are while they are written."""
    return f"{root}/ingest"


def create_named(root: str) -> tuple[int, str]:
    """A new file in the ingest directory, locked for as long as it is open. Raises OSError."""
    directory = ingest_directory(root)
    while True:
        name = _fresh_name(directory)
        try:
            fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            continue
        fcntl.flock(fd, fcntl.LOCK_EX)
        # Between open and flock a sweep may have taken the file for rubbish.
        if os.fstat(fd).st_nlink:
            return fd, name
        os.close(fd)


def sweep_ingest(root: str) -> None:
    """Remove what killed writers left; files whose writer lives are locked and stay."""
    directory = ingest_directory(root)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        try:
            fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(f"{directory}/{name}")
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            os.close(fd)


def _fresh_name(directory: str) -> str:
    return f"{directory}/{os.getpid()}-{os.urandom(8).hex()}"
