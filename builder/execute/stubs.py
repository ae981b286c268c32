"""Mount points that a RUN step needs and its files do not have: made for the step, gone after it.

A directory's time is put back when a stub is made in it or taken away, so that neither leaves a
trace in the layer. A stub that the step put something into stays: it is the step's then.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat as modes

from builder.context.beneath import open_beneath
from builder.context.tree import Tree
from builder.errors import BuilderError
from builder.execute.destination import Destination
from builder.layer.entry import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class MountStubs:
    """The stubs below one root directory; a context manager around the step."""

    def __init__(self, rootfs: str, targets: Iterable[tuple[str, bool]]) -> None:
        """Plan stubs for targets, each a path and whether a directory is mounted there.

        Targets below another one are the mount's business, not the root directory's.
        """
        self._tree = Tree(rootfs, "the step's files")
        self._stubs: list[tuple[str, bool]] = []
        files = Destination(self._tree, 0)
        mounted: list[str] = []
        for target, is_directory in targets:
            path = posixpath.normpath(target)
            if any(path == other or path.startswith(f"{other}/") for other in mounted):
                continue
            mounted.append(path)
            real = files.resolve(path)
            missing: list[tuple[str, bool]] = []
            while real != "/" and files.kind(real) is None:
                missing.append((real, is_directory if not missing else True))
                real = posixpath.dirname(real)
            if missing and files.kind(real) != DIRECTORY:
                continue  # the runtime says it better
            for stub in reversed(missing):
                if stub not in self._stubs:
                    self._stubs.append(stub)

    def __enter__(self) -> MountStubs:
        try:
            for path, is_directory in self._stubs:
                self._make(path, is_directory=is_directory)
        except OSError as error:
            self._tree.close()
            raise BuilderError(
                f"making the mount point {path}: {error.strerror}", subject=path
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for path, is_directory in reversed(self._stubs):
            self._remove(path, is_directory=is_directory)
        self._tree.close()

    def _make(self, path: str, *, is_directory: bool) -> None:
        parent = open_beneath(self._tree.descriptor, posixpath.dirname(path), _DIRECTORY)
        name = posixpath.basename(path)
        try:
            before = os.fstat(parent)
            if is_directory:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                os.close(os.open(name, flags, 0o644, dir_fd=parent))
            os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))
        finally:
            os.close(parent)

    def _remove(self, path: str, *, is_directory: bool) -> None:
        """Remove a stub if it still is one; the step may have done anything to it."""
        try:
            parent = open_beneath(self._tree.descriptor, posixpath.dirname(path), _DIRECTORY)
        except OSError:
            return
        name = posixpath.basename(path)
        try:
            before = os.fstat(parent)
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if is_directory and modes.S_ISDIR(found.st_mode):
                os.rmdir(name, dir_fd=parent)
            elif not is_directory and modes.S_ISREG(found.st_mode) and found.st_size == 0:
                os.unlink(name, dir_fd=parent)
            else:
                return
            os.utime(parent, ns=(before.st_atime_ns, before.st_mtime_ns))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            os.close(parent)
