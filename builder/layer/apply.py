"""Unpacking a layer (image-spec layer.md "Applying Changesets") below an open directory.

Two forms. Onto the files of the layers below: whiteouts delete. As a directory of an overlay of its
own: whiteouts become character devices 0:0 and the attribute `overlay.opaque`. In both, a whiteout
hides what lower layers have, never what this layer brings, wherever in the archive it stands.

An archive may be hostile:
- every directory is opened by openat2(2) from the root, so no name leads out of it;
- a parent directory that is a symbolic link is followed as a process inside would see it;
- nothing is written through an existing file: what is in the way is removed first;
- attributes of directories, which could stop us or be inherited, come last.
"""

from __future__ import annotations

import errno
import os
import stat

from builder.context.beneath import open_beneath, open_in_root
from builder.errors import BuilderError, ImageFormatError, StoreError
from builder.layer.attributes import set_attributes, set_attributes_at
from builder.layer.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
)
from builder.layer.names import below, hidden_name, is_whiteout, shown
from builder.layer.ownership import can_own, in_user_namespace
from builder.layer.tar_reader import TarReader
from builder.store.remove import remove_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_CHUNK = 1 << 20
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_IMPLICIT = Entry(b"", DIRECTORY, mode=0o755)
_NODE_TYPES = {
    CHARACTER_DEVICE: stat.S_IFCHR,
    BLOCK_DEVICE: stat.S_IFBLK,
    FIFO: stat.S_IFIFO,
}


class Applied:
    """What became of a layer.

    Attributes:
        implicit: directories that had to be made, but have no entry of their own.
        has_root: whether the root itself has an entry.
        opaque_root: whether everything of lower layers is hidden.
    """

    def __init__(self) -> None:
        self.implicit: list[bytes] = []
        self.has_root = False
        self.opaque_root = False


def apply_layer(
    read: Callable[[int], bytes],
    directory: int,
    *,
    overlay: bool = False,
    what: str = "a layer",
) -> Applied:
    """Unpack a tar stream.

    Args:
        read: gives the uncompressed stream, at most so many bytes at a time, b"" at the end. It is
            read to its end, so that whoever verifies it has seen all of it.
        directory: open; nobody else changes what is in it.
        overlay: whether it is to be a layer of an overlay.
        what: names the layer in errors.

    Raises ImageFormatError, StoreError when the file system refuses, and what read raises.
    """
    tar = TarReader(read, what)
    unpacking = _Unpacking(tar, directory, overlay, what)
    try:
        for entry in tar:
            unpacking.add(entry)
        unpacking.finish()
    finally:
        unpacking.close()
    tar.drain()
    return unpacking.applied


class _Unpacking:
    def __init__(self, tar: TarReader, root: int, overlay: bool, what: str) -> None:
        self.applied = Applied()
        self._tar = tar
        self._root = root
        self._overlay = overlay
        self._what = what
        self._owned = can_own()
        self._in_namespace = in_user_namespace()
        # Everything this layer brings, parents included: what its whiteouts do not hide.
        self._made: set[bytes] = {b""}
        # Directories by name, for their attributes at the end; None keeps their own.
        self._directories: dict[bytes, Entry | None] = {b"": _IMPLICIT if overlay else None}
        self._times: dict[bytes, int] = {b"": os.fstat(root).st_mtime_ns}
        self._parent_name = b""
        self._parent = os.dup(root)

    def close(self) -> None:
        os.close(self._parent)

    def add(self, entry: Entry) -> None:
        name = below(entry.name, self._what)
        try:
            self._add(entry, name)
        except OSError as error:
            raise self._failed(name, error) from None

    def finish(self) -> None:
        """Give directories their attributes, inner ones first."""
        for name in sorted(self._directories, reverse=True):
            entry = self._directories[name]
            try:
                fd = open_beneath(self._root, os.fsdecode(name), _DIRECTORY_FLAGS)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    # A later entry of the archive took its place.
                    continue
                raise self._failed(name, error) from None
            try:
                if entry is not None:
                    set_attributes(fd, entry, owned=self._owned)
                else:
                    os.utime(fd, ns=(self._times[name], self._times[name]))
            except OSError as error:
                raise self._failed(name, error) from None
            finally:
                os.close(fd)

    def _add(self, entry: Entry, name: bytes) -> None:
        parent_name, _, last = name.rpartition(b"/")
        if not name:
            if entry.kind != DIRECTORY:
                raise self._malformed(name, f"the root cannot be a {entry.kind}")
            self._directories[b""] = entry
            self.applied.has_root = True
            return
        if is_whiteout(last):
            self._whiteout(parent_name, last)
            return
        if entry.kind == HARDLINK:
            self._add_hardlink(entry, parent_name, last)
            return
        parent = self._open(parent_name)
        name = self._note(last)
        if entry.kind == DIRECTORY:
            self._add_directory(entry, parent, last, name)
        elif entry.kind == FILE:
            self._add_file(entry, parent, last)
        elif entry.kind == SYMLINK:
            self._make(lambda: os.symlink(entry.target, last, dir_fd=parent), parent, last)
            set_attributes_at(parent, last, entry, owned=self._owned)
        else:
            self._add_node(entry, parent, last)

    def _add_directory(self, entry: Entry, parent: int, last: bytes, name: bytes) -> None:
        self._directories[name] = entry
        try:
            os.mkdir(last, 0o700, dir_fd=parent)
            return
        except FileExistsError:
            status = os.lstat(last, dir_fd=parent)
        if stat.S_ISDIR(status.st_mode):
            return
        remove_any(last, dir_fd=parent)
        os.mkdir(last, 0o700, dir_fd=parent)
        if self._is_hidden(status):
            self._make_opaque(parent, last)

    def _add_file(self, entry: Entry, parent: int, last: bytes) -> None:
        fd = self._make(lambda: os.open(last, _NEW_FILE, 0o600, dir_fd=parent), parent, last)
        try:
            while chunk := self._tar.read(_CHUNK):
                left = memoryview(chunk)
                while left:
                    left = left[os.write(fd, left) :]
            set_attributes(fd, entry, owned=self._owned)
        finally:
            os.close(fd)

    def _add_node(self, entry: Entry, parent: int, last: bytes) -> None:
        kind = _NODE_TYPES[entry.kind]
        if entry.kind == CHARACTER_DEVICE and entry.device == (0, 0):
            # An overlay would take it for a whiteout.
            raise self._malformed(entry.name, "a character device 0:0 is not a device")
        remove_any(last, dir_fd=parent)
        if entry.kind != FIFO and (not self._owned or self._in_namespace):
            # Only the host's root can make devices; RUN steps get theirs from the runtime.
            return
        os.mknod(last, kind | 0o600, os.makedev(*entry.device), dir_fd=parent)
        set_attributes_at(parent, last, entry, owned=self._owned)

    def _add_hardlink(self, entry: Entry, parent_name: bytes, last: bytes) -> None:
        target = below(entry.target, self._what)
        target_parent, _, target_last = target.rpartition(b"/")
        if not target or is_whiteout(target_last):
            raise self._malformed(entry.name, f"a link to {shown(entry.target)}")
        missing = self._malformed(
            entry.name, f"a link to {shown(entry.target)}, which is not in the layer"
        )
        if not self._exists(target_parent):
            raise missing
        source = os.dup(self._open(target_parent))
        try:
            parent = self._open(parent_name)
            try:
                status = os.lstat(target_last, dir_fd=source)
            except FileNotFoundError:
                raise missing from None
            if stat.S_ISDIR(status.st_mode) or self._is_hidden(status):
                raise missing
            try:
                existing = os.lstat(last, dir_fd=parent)
                if (existing.st_dev, existing.st_ino) == (status.st_dev, status.st_ino):
                    return
            except FileNotFoundError:
                pass
            self._note(last)
            self._make(
                lambda: os.link(
                    target_last, last, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False
                ),
                parent,
                last,
            )
        except FileNotFoundError:
            raise missing from None
        finally:
            os.close(source)

    def _make(self, make: Callable[[], T], parent: int, last: bytes) -> T:
        """Make a new file, removing what has its name."""
        try:
            return make()
        except FileExistsError:
            remove_any(last, dir_fd=parent)
            return make()

    def _note(self, last: bytes) -> bytes:
        """Remember that this layer brings `last` in the directory at hand; its full name."""
        name = self._parent_name + b"/" + last if self._parent_name else last
        above = name
        while above not in self._made:
            self._made.add(above)
            above = above.rpartition(b"/")[0]
        return name

    # Whiteouts.

    def _whiteout(self, parent_name: bytes, last: bytes) -> None:
        hidden = hidden_name(last, self._what)
        if hidden is None or not (self._overlay or self._exists(parent_name)):
            return
        parent = self._open(parent_name)
        if hidden:
            name = self._parent_name + b"/" + hidden if self._parent_name else hidden
            if self._overlay:
                self._hide(parent, hidden)
            else:
                self._remove_lower(parent, hidden, name)
        elif self._overlay:
            if self._parent_name:
                self._make_opaque(parent, b".")
            else:
                self.applied.opaque_root = True
        else:
            for child in map(os.fsencode, os.listdir(parent)):
                name = self._parent_name + b"/" + child if self._parent_name else child
                self._remove_lower(parent, child, name)

    def _exists(self, name: bytes) -> bool:
        try:
            os.close(open_in_root(self._root, os.fsdecode(name) or ".", os.O_PATH))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _hide(self, parent: int, hidden: bytes) -> None:
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                self._make_opaque(parent, hidden)

    def _remove_lower(self, parent: int, last: bytes, name: bytes) -> None:
        """Remove a file or tree except what this layer brought."""
        if name not in self._made:
            remove_any(last, dir_fd=parent)
            return
        queue = [name]
        while queue:
            directory = queue.pop()
            try:
                fd = open_beneath(self._root, os.fsdecode(directory), _DIRECTORY_FLAGS)
            except NotADirectoryError:
                continue
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOENT):
                    continue
                raise
            try:
                for child in map(os.fsencode, os.listdir(fd)):
                    if directory + b"/" + child in self._made:
                        queue.append(directory + b"/" + child)
                    else:
                        remove_any(child, dir_fd=fd)
            finally:
                os.close(fd)

    def _is_hidden(self, status: os.stat_result) -> bool:
        return self._overlay and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0

    def _make_opaque(self, parent: int, last: bytes) -> None:
        fd = os.open(last, _DIRECTORY_FLAGS, dir_fd=parent)
        try:
            os.setxattr(fd, opaque_attribute(self._in_namespace), b"y")
        finally:
            os.close(fd)

    # Directories.

    def _open(self, name: bytes) -> int:
        """The directory of a name, open until the next call; made where it is missing."""
        if name == self._parent_name:
            return self._parent
        fd = self._walk(name)
        os.close(self._parent)
        self._parent = fd
        if self._parent_name not in self._times:
            self._times[self._parent_name] = os.fstat(fd).st_mtime_ns
            self._directories.setdefault(self._parent_name, None)
        return fd

    def _walk(self, name: bytes) -> int:
        """Open a directory and set `_parent_name` to what it is really called."""
        self._parent_name = name
        try:
            return open_beneath(self._root, os.fsdecode(name), _DIRECTORY_FLAGS)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        path = b""
        fd = os.dup(self._root)
        try:
            for part in name.split(b"/"):
                fd, path = self._step(fd, path, part)
        except BaseException:
            os.close(fd)
            raise
        self._parent_name = path
        return fd

    def _step(self, fd: int, path: bytes, part: bytes) -> tuple[int, bytes]:
        """From a directory into the one called `part`; takes over fd unless it raises."""
        inner = path + b"/" + part if path else part
        try:
            found = os.open(part, _DIRECTORY_FLAGS, dir_fd=fd)
        except FileNotFoundError:
            found = self._make_implicit(fd, part, inner)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            status = os.lstat(part, dir_fd=fd)
            if stat.S_ISLNK(status.st_mode):
                found, inner = self._follow(inner)
            elif self._is_hidden(status):
                os.unlink(part, dir_fd=fd)
                found = self._make_implicit(fd, part, inner)
                self._make_opaque(fd, part)
            else:
                raise self._malformed(inner, "not a directory, but has files in it") from None
        os.close(fd)
        return found, inner

    def _make_implicit(self, fd: int, part: bytes, name: bytes) -> int:
        os.mkdir(part, 0o700, dir_fd=fd)
        self._directories[name] = _IMPLICIT
        self.applied.implicit.append(name)
        return os.open(part, _DIRECTORY_FLAGS, dir_fd=fd)

    def _follow(self, name: bytes) -> tuple[int, bytes]:
        """The directory a link leads to inside the root, and its real name."""
        try:
            fd = open_in_root(self._root, os.fsdecode(name), os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise self._malformed(name, "a link that leads to no directory") from None
            raise
        top = os.fsencode(os.readlink(f"/proc/self/fd/{self._root}")).rstrip(b"/")
        real = os.fsencode(os.readlink(f"/proc/self/fd/{fd}"))
        if real != top and not real.startswith(top + b"/"):
            os.close(fd)
            raise self._malformed(name, "a link out of the directory")
        return fd, real[len(top) + 1 :]

    # Errors.

    def _malformed(self, name: bytes, why: str) -> ImageFormatError:
        return ImageFormatError(f"unpacking {self._what}: {shown(name)} is {why}")

    def _failed(self, name: bytes, error: OSError) -> BuilderError:
        hint = None
        if error.errno == errno.EINVAL and self._in_namespace:
            hint = "does the user have enough ids in /etc/subuid and /etc/subgid?"
        return StoreError(f"unpacking {self._what}: {shown(name)}: {error.strerror}", hint=hint)


def opaque_attribute(in_namespace: bool) -> str:
    """The attribute of a directory that hides what layers below have in it (overlayfs.rst)."""
    return "user.overlay.opaque" if in_namespace else "trusted.overlay.opaque"
