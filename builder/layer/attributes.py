"""Owner, permissions, extended attributes and time of a file, given as a layer's entry has them.

The order matters: a change of owner takes away set-user-ID bits and file capabilities, so it comes
first; the time comes last.
"""

from __future__ import annotations

import errno
import os

from builder.layer.entry import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.layer.entry import Entry

_KEPT = (b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default")
_USER = b"user."
# Read as instructions by an overlay in a user namespace.
_OVERLAY = b"user.overlay."
_CAPABILITY = "security.capability"


def is_kept(name: bytes) -> bool:
    """Whether an extended attribute belongs to the file: labels of security modules are the
    host's, `trusted.` the kernel's."""
    return name in _KEPT or (name.startswith(_USER) and not name.startswith(_OVERLAY))


def xattrs_of(path: int | str | bytes) -> dict[bytes, bytes]:
    """The extended attributes that belong to a file, by name; links are not followed.

    Raises OSError.
    """
    follow = isinstance(path, int)
    try:
        names = os.listxattr(path, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return {}
        raise
    kept = sorted(name for name in map(os.fsencode, names) if is_kept(name))
    return {name: os.getxattr(path, os.fsdecode(name), follow_symlinks=follow) for name in kept}


def set_attributes(fd: int, entry: Entry, *, owned: bool) -> None:
    """Give an open file or directory what its entry says; without `owned` no owner.

    Raises OSError.
    """
    if owned:
        os.fchown(fd, entry.uid, entry.gid)
    os.fchmod(fd, entry.mode)
    if entry.kind == DIRECTORY:
        # It may have been there before, with attributes that this entry takes away.
        for name in xattrs_of(fd).keys() - entry.xattrs.keys():
            os.removexattr(fd, os.fsdecode(name))
    _set_xattrs(fd, entry.xattrs, owned=owned)
    os.utime(fd, ns=_times(entry.mtime))


def set_attributes_at(parent: int, name: bytes, entry: Entry, *, owned: bool) -> None:
    """The same for what cannot be opened: links, devices, FIFOs. Raises OSError."""
    if owned:
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
    if entry.kind != "symlink":
        os.chmod(name, entry.mode, dir_fd=parent)
    os.utime(name, ns=_times(entry.mtime), dir_fd=parent, follow_symlinks=False)


def _times(mtime: int) -> tuple[int, int]:
    nanoseconds = max(-(1 << 31), min(mtime, (1 << 34) - 1)) * 1_000_000_000
    return nanoseconds, nanoseconds


def _set_xattrs(fd: int, xattrs: Mapping[bytes, bytes], *, owned: bool) -> None:
    for name, value in xattrs.items():
        if not is_kept(name):
            continue
        text = os.fsdecode(name)
        try:
            os.setxattr(fd, text, value)
        except OSError as error:
            # A file system without them, or a user who may not: only lost capabilities change what
            # an image does.
            refused = error.errno in (errno.EOPNOTSUPP, errno.EPERM)
            if not refused or (text == _CAPABILITY and owned):
                raise
