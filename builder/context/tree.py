"""The files below one directory, reached by descriptors and never leaving it.

Used for the build context (whose `.dockerignore` hides files and whose owners count for nothing)
and for the mounted files of stages and images. Paths are absolute in the tree ("/" is its
directory); symlinks lead as they would for a process whose root the tree is.
"""

from __future__ import annotations

import errno
import os
import stat as modes

from builder.context.beneath import open_beneath, open_in_root
from builder.dockerfile import IgnoreRules
from builder.errors import ContextError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_XATTRS = ("user.", "security.capability")
"""What a layer keeps of a file's extended attributes; the rest belongs to the host."""


class TreeError(ContextError):
    """A file of a tree cannot be read."""

    code = "context-file"


class Tree:
    """Files below a directory.

    Attributes:
        what: names the tree in messages ("the build context", "stage build").
        is_context: the build context: everything counts as owned by root.
        is_stable: nobody changes the files while they are read.
    """

    def __init__(
        self,
        path: str,
        what: str,
        *,
        rules: IgnoreRules | None = None,
        is_context: bool = False,
    ) -> None:
        """Open the directory. Raises ContextError."""
        self.what = what
        self.rules = rules or IgnoreRules()
        self.is_context = is_context
        self.is_stable = not is_context
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ContextError(
                f"opening {what} {path}: {error.strerror}",
                subject=path,
                hint="give a directory" if error.errno in (errno.ENOENT, errno.ENOTDIR) else None,
            ) from None
        # As the kernel names it now, for `real_path`.
        self.path = os.readlink(f"/proc/self/fd/{self.descriptor}")

    def close(self) -> None:
        """Close the directory. Safe to repeat."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Tree:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Names.

    def is_hidden(self, path: str) -> bool:
        """Whether the ignore rules leave a path out."""
        return bool(self.rules) and path != "/" and self.rules.matches(path.lstrip("/"))

    def real_path(self, path: str) -> str | None:
        """A path with every symlink followed inside the tree; None when nothing is there."""
        if self.is_hidden(path) and not self.rules.may_contain_included(path.lstrip("/")):
            return None
        try:
            found = open_in_root(self.descriptor, path, os.O_PATH)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise self._failed(path, error) from None
        try:
            name = os.readlink(f"/proc/self/fd/{found}")
        finally:
            os.close(found)
        root = self.path.rstrip("/")
        if name == self.path:
            return "/"
        if not name.startswith(root + "/"):
            return None  # moved away, or deleted, while we looked
        return name[len(root) :]

    def lstat(self, path: str) -> os.stat_result | None:
        """What is at a real path (its last component may be a symlink); None for nothing."""
        try:
            found = open_beneath(self.descriptor, path, os.O_PATH | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise self._failed(path, error) from None
        try:
            return os.fstat(found)
        finally:
            os.close(found)

    # Contents.

    def entries(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """The entries of a directory that are not hidden, by name, with their lstat.

        A hidden directory that may hold files that are not hidden is given too: ask `is_hidden`.
        Sockets are left out: no image can hold one.
        """
        try:
            directory = open_beneath(
                self.descriptor, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            )
        except OSError as error:
            raise self._failed(path, error) from None
        try:
            for name in sorted(os.listdir(directory), key=os.fsencode):
                inner = f"/{name}" if path == "/" else f"{path}/{name}"
                hidden = self.is_hidden(inner)
                if hidden and not self.rules.may_contain_included(inner[1:]):
                    continue
                try:
                    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # deleted meanwhile
                except OSError as error:
                    raise self._failed(inner, error) from None
                if modes.S_ISSOCK(found.st_mode) or (hidden and not modes.S_ISDIR(found.st_mode)):
                    continue
                yield name, found
        finally:
            os.close(directory)

    def open(self, path: str) -> int:
        """Open a regular file at a real path for reading.

        O_NONBLOCK: what was a file when it was found may be a FIFO now, which would wait for ever.
        Raises TreeError.
        """
        try:
            number = open_beneath(
                self.descriptor, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
            )
        except OSError as error:
            raise self._failed(path, error) from None
        if not modes.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise TreeError(
                f"reading {path} in {self.what}: it was a regular file a moment ago",
                subject=path,
                hint="leave the files alone while they are built from",
            )
        return number

    def readlink(self, path: str) -> str:
        """The target of the symlink at a real path. Raises TreeError."""
        try:
            found = open_beneath(self.descriptor, path, os.O_PATH | os.O_NOFOLLOW)
        except OSError as error:
            raise self._failed(path, error) from None
        try:
            return os.readlink("", dir_fd=found)
        except OSError as error:
            raise self._failed(path, error) from None
        finally:
            os.close(found)

    def xattrs(self, path: str) -> dict[str, bytes]:
        """The extended attributes that a layer keeps, of the file at a real path.

        Files whose attributes cannot be read have none: not every file system has them.
        """
        try:
            found = open_beneath(self.descriptor, path, os.O_PATH | os.O_NOFOLLOW)
        except OSError as error:
            raise self._failed(path, error) from None
        try:
            # An O_PATH descriptor has no fgetxattr; its magic link leads to the file itself.
            name = f"/proc/self/fd/{found}"
            if modes.S_ISLNK(os.fstat(found).st_mode):
                return {}
            return {key: os.getxattr(name, key) for key in os.listxattr(name) if _is_kept(key)}
        except OSError:
            return {}
        finally:
            os.close(found)

    def _failed(self, path: str, error: OSError) -> TreeError:
        hint = None
        if error.errno == errno.EACCES:
            hint = "make it readable, or name it in .dockerignore" if self.is_context else None
        return TreeError(
            f"reading {path} in {self.what}: {error.strerror}", subject=path, hint=hint
        )


def _is_kept(name: str) -> bool:
    # user.overlay.* is how an unprivileged overlay marks its own files.
    return name.startswith(_XATTRS) and not name.startswith("user.overlay.")
