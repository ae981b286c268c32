"""An image's volumes as directories of the bundle.

What a container writes to a volume must not end up in its root file system (conversion.md), and
what the image has there must be seen: so the image's directory is moved out of the rootfs into the
bundle, and config.json mounts it at its old place.

    BUNDLE/volumes/0    was    BUNDLE/rootfs/var/lib/data    is mounted at    /var/lib/data
"""

from __future__ import annotations

import errno
import os
import stat

from builder.context.beneath import open_in_root
from builder.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_DIRECTORY = "volumes"


def move_volumes(bundle: str, paths: Sequence[str]) -> list[tuple[str, str]]:
    """Move the directories out of BUNDLE/rootfs; outer paths come first.

    Returns for each path its directory, relative to the bundle, where config.json is. Raises
    StoreError.
    """
    if not paths:
        return []
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    volumes = [(path, f"{_DIRECTORY}/{number}") for number, path in enumerate(paths)]
    try:
        os.mkdir(f"{bundle}/{_DIRECTORY}", 0o755)
        root = os.open(f"{bundle}/rootfs", flags)
        try:
            # Inner ones first: they leave an empty directory that goes along with the outer one.
            for path, directory in reversed(volumes):
                _move(root, path, f"{bundle}/{directory}")
        finally:
            os.close(root)
    except OSError as error:
        raise StoreError(
            f"making the volumes of bundle {bundle}: {error.strerror}", subject=bundle
        ) from None
    return volumes


def _move(root: int, path: str, target: str) -> None:
    """Move one directory, leaving an empty one like it; a new one where the image has none."""
    parent, name = _opened(root, path)
    if parent < 0:
        os.mkdir(target, 0o755)
        return
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        os.rename(name, target, src_dir_fd=parent)
        os.mkdir(name, 0o700, dir_fd=parent)
        os.chown(name, found.st_uid, found.st_gid, dir_fd=parent, follow_symlinks=False)
        os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=parent)
    finally:
        os.close(parent)


def _opened(root: int, path: str) -> tuple[int, str]:
    """The parent directory of the real place of a path, and its name there; -1 when there is none.

    Symlinks are followed inside the root only, the last one too: the runtime will do the same.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY
    try:
        fd = open_in_root(root, path, flags)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return -1, ""
        raise
    try:
        top = os.readlink(f"/proc/self/fd/{root}")
        real = os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
    if not real.startswith(top + "/"):
        return -1, ""  # the root itself: nothing to move
    inside, _, name = real[len(top) :].rpartition("/")
    return open_in_root(root, inside or "/", flags), name
