"""COPY and ADD: where each thing that is copied goes, as cp does it with the differences of Docker.

* The contents of a directory go into the destination, which is made 0755 when it is not there.
* A file goes into the destination when that is a directory or ends in "/", else it becomes it.
* A directory below may replace nothing but a directory; a file nothing that is a directory.
* Files of the build context belong to root; those of stages and images keep their owners.
"""

from __future__ import annotations

import os
import posixpath
import stat as modes
from dataclasses import dataclass

from builder.context.digests import changed, identity
from builder.dockerfile import DockerfileError
from builder.execute.destination import Destination, Planned, kind_of
from builder.layer.entry import DIRECTORY, FILE, SYMLINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.context.select import Match, Selected
    from builder.context.tree import Tree
    from builder.dockerfile import CopyStep, FileMode

_WHITEOUT = ".wh."


@dataclass(frozen=True, slots=True)
class Placement:
    """How a step's files are placed.

    Attributes:
        destination: absolute, ends in "/" when it must be a directory.
        owner: of everything, None to keep owners.
        mode: change of permissions, or None.
        replaces: an archive's files replace whatever is in their way.
    """

    destination: str
    owner: tuple[int, int] | None = None
    mode: FileMode | None = None
    replaces: bool = False

    @classmethod
    def of(cls, step: CopyStep, owner: tuple[int, int] | None) -> Placement:
        """The placement of a step's ordinary sources."""
        return cls(step.destination, owner, step.chmod)

    @property
    def directory_mode(self) -> int:
        """Permissions of directories that are made on the way."""
        if self.mode is not None and self.mode.octal is not None:
            return self.mode.octal
        return 0o755

    @property
    def directory_owner(self) -> tuple[int, int]:
        """Their owner."""
        return self.owner or (0, 0)


def place_matches(destination: Destination, matches: Iterable[Match], placement: Placement) -> None:
    """Plan everything that a source means.

    Raises DockerfileError when something is in the way, TreeError for unreadable files.
    """
    for match in matches:
        if not match.files:
            continue
        target = _prepare(destination, placement)
        if match.is_directory:
            _place_contents(destination, match, target, placement)
        else:
            target = _file_target(destination, target, match.base, placement)
            _place_file(destination, match.tree, match.files[0], target, placement)


def place_content(
    destination: Destination,
    name: str,
    planned: Planned,
    placement: Placement,
) -> None:
    """Plan a file that no tree has: a here-document, a download. Raises DockerfileError."""
    target = _file_target(destination, _prepare(destination, placement), name, placement)
    _check_name(target)
    _check_replaceable(destination, target, planned.kind, placement)
    if placement.owner is not None:
        planned.uid, planned.gid = placement.owner
    if placement.mode is not None:
        planned.mode = placement.mode.apply(planned.mode, is_directory=False)
    destination.put(target, planned)


def _prepare(destination: Destination, placement: Placement) -> str:
    """Make the directories that lead to the destination; the destination without symlinks."""
    path = placement.destination
    way = path if path.endswith("/") else posixpath.dirname(path)
    destination.make_directories(
        destination.resolve(way), placement.directory_mode, placement.directory_owner
    )
    return destination.resolve(path)


def _file_target(destination: Destination, target: str, name: str, placement: Placement) -> str:
    if destination.kind(target) == DIRECTORY:
        return posixpath.join(target, name)
    destination.make_directories(
        posixpath.dirname(target), placement.directory_mode, placement.directory_owner
    )
    return target


def _place_contents(
    destination: Destination, match: Match, target: str, placement: Placement
) -> None:
    kind = destination.kind(target)
    if kind is None:
        destination.make_directories(target, placement.directory_mode, placement.directory_owner)
        destination.change(target, mtime=int(match.files[0].stat.st_mtime))
    elif kind != DIRECTORY:
        raise DockerfileError(
            f"cannot copy a directory to {target}: it is a {kind} there",
            near=placement.destination,
        )
    for item in match.files:
        if not item.name:
            continue
        path = posixpath.join(target, item.name)
        if not modes.S_ISDIR(item.stat.st_mode):
            _place_file(destination, match.tree, item, path, placement)
            continue
        _check_replaceable(destination, path, DIRECTORY, placement)
        destination.put(path, _planned(match.tree, item, placement))


def _place_file(
    destination: Destination, tree: Tree, item: Selected, target: str, placement: Placement
) -> None:
    _check_name(target)
    _check_replaceable(destination, target, kind_of(item.stat.st_mode), placement)
    destination.put(target, _planned(tree, item, placement))


def _check_name(target: str) -> None:
    if posixpath.basename(target).startswith(_WHITEOUT):
        raise DockerfileError(
            f"cannot copy to {target}: in a layer, names that begin with {_WHITEOUT} delete files",
            near=posixpath.basename(target),
            hint="give it another name, or leave it out with --exclude or .dockerignore",
        )


def _check_replaceable(
    destination: Destination, path: str, kind: str, placement: Placement
) -> None:
    there = destination.kind(path)
    if placement.replaces or there is None or (there == DIRECTORY) == (kind == DIRECTORY):
        return
    if kind == DIRECTORY:
        hint = ""
        if there == SYMLINK:
            hint = f"copy the contents of this directory to where {path} leads"
        raise DockerfileError(
            f"cannot copy a directory to {path}: it is a {there} there",
            near=placement.destination,
            hint=hint,
        )
    raise DockerfileError(
        f"cannot copy a {kind} to {path}: it is a directory there", near=placement.destination
    )


def _planned(tree: Tree, item: Selected, placement: Placement) -> Planned:
    found = item.stat
    kind = kind_of(found.st_mode)
    owner = placement.owner
    if owner is None:
        owner = (0, 0) if tree.is_context else (found.st_uid, found.st_gid)
    mode = modes.S_IMODE(found.st_mode)
    if placement.mode is not None and kind != SYMLINK:
        mode = placement.mode.apply(mode, is_directory=kind == DIRECTORY)
    planned = Planned(
        kind,
        0o777 if kind == SYMLINK else mode,
        *owner,
        int(found.st_mtime),
        xattrs=tree.xattrs(item.path),
    )
    if kind == FILE:
        planned.size = found.st_size
        planned.content = lambda: _open_unchanged(tree, item)
        if found.st_nlink > 1:
            planned.links = (found.st_dev, found.st_ino)
    elif kind == SYMLINK:
        planned.target = tree.readlink(item.path)
    elif modes.S_ISCHR(found.st_mode) or modes.S_ISBLK(found.st_mode):
        planned.device = os.major(found.st_rdev), os.minor(found.st_rdev)
    return planned


def _open_unchanged(tree: Tree, item: Selected) -> int:
    """Open a file that must be what it was when its digest was taken. Raises TreeError."""
    number = tree.open(item.path)
    if identity(os.fstat(number)) != identity(item.stat):
        os.close(number)
        raise changed(tree, item.path)
    return number
