"""What a COPY adds to the files of its stage: a plan of a layer, made without touching those files.

The plan lies over the files below as an overlay's upper directory would: paths are looked up in
both, symlinks of either lead where they would for a process in the stage. At the end the plan is
a sorted list of entries, with every directory on the way to them as it is below: a layer that
left those out would give them other attributes when it is unpacked on its own.
"""

from __future__ import annotations

import os
import posixpath
import stat as modes
from dataclasses import dataclass, field

from builder.errors import ContextError
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.context.tree import Tree

_MOST_LINKS = 255


@dataclass(slots=True)
class Planned:
    """A file of the plan; fields as in `Entry`. Equal `links` are names of one file."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = field(default_factory=dict)
    content: bytes | Callable[[], int] = b""
    links: object = None


class Destination:
    """The files of a stage with those that a step adds.

    Attributes:
        lower: files of the stage; None for none.
        clock: seconds, the time of directories that are made on the way.
    """

    def __init__(self, lower: Tree | None, clock: int) -> None:
        self.lower = lower
        self.clock = clock
        self._planned: dict[str, Planned] = {}

    def kind(self, path: str) -> str | None:
        """What is at a path without symlinks in it: one of Entry's kinds; None for nothing."""
        if path == "/":
            return DIRECTORY
        planned = self._planned.get(path)
        if planned is not None:
            return planned.kind
        found = self.lower.lstat(path) if self.lower else None
        return kind_of(found.st_mode) if found else None

    def resolve(self, path: str) -> str:
        """A path with its symlinks followed; parts that do not exist stay as they are.

        Raises ContextError when the symlinks have no end.
        """
        done = ""
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        followed = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = posixpath.dirname(done) if done else ""
                done = "" if done == "/" else done
                continue
            candidate = f"{done}/{part}"
            if self.kind(candidate) != SYMLINK:
                done = candidate
                continue
            followed += 1
            if followed > _MOST_LINKS:
                raise ContextError(f"resolving {path}: too many levels of symlinks", subject=path)
            target = self._target(candidate)
            if target.startswith("/"):
                done = ""
            todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        return done or "/"

    def _target(self, path: str) -> str:
        planned = self._planned.get(path)
        if planned is not None:
            return planned.target
        assert self.lower is not None
        return self.lower.readlink(path)

    def is_planned(self, path: str) -> bool:
        """Whether the plan has the path itself."""
        return path in self._planned

    def put(self, path: str, planned: Planned) -> None:
        """Plan a file, in place of what is there."""
        self._planned[path] = planned

    def change(self, path: str, **attributes: int) -> None:
        """Change attributes of a planned file."""
        for name, value in attributes.items():
            setattr(self._planned[path], name, value)

    def make_directories(self, path: str, mode: int, owner: tuple[int, int]) -> None:
        """Plan a directory and those above it that do not exist. The path holds no symlinks.

        Raises ContextError when something else is in the way.
        """
        made = ""
        for part in path.split("/"):
            if not part:
                continue
            made += "/" + part
            kind = self.kind(made)
            if kind is None:
                self.put(made, Planned(DIRECTORY, mode, *owner, self.clock))
            elif kind != DIRECTORY:
                raise ContextError(f"making directory {path}: {made} is a {kind}", subject=made)

    def entries(self, epoch: int | None) -> list[Entry]:
        """The plan as entries in the order of a layer; times later than epoch become it."""
        self._plan_parents()
        names = sorted((os.fsencode(path.lstrip("/")), path) for path in self._planned)
        first: dict[object, bytes] = {}
        entries = []
        for name, path in names:
            planned = self._planned[path]
            mtime = max(planned.mtime if epoch is None else min(planned.mtime, epoch), 0)
            kind, target, size = planned.kind, os.fsencode(planned.target), planned.size
            if planned.links is not None:
                earlier = first.setdefault(planned.links, name)
                if earlier != name:
                    kind, target, size = HARDLINK, earlier, 0
            entries.append(
                Entry(
                    name,
                    kind,
                    planned.mode,
                    planned.uid,
                    planned.gid,
                    mtime,
                    size,
                    target,
                    planned.device,
                    {os.fsencode(key): value for key, value in planned.xattrs.items()},
                    planned.content,
                )
            )
        return entries

    def _plan_parents(self) -> None:
        for path in list(self._planned):
            parent = posixpath.dirname(path)
            while parent != "/" and parent not in self._planned:
                found = self.lower.lstat(parent) if self.lower else None
                if found is None or self.lower is None:
                    raise AssertionError(f"{parent} is not there, though {path} is to be")
                self.put(
                    parent,
                    Planned(
                        DIRECTORY,
                        modes.S_IMODE(found.st_mode),
                        found.st_uid,
                        found.st_gid,
                        int(found.st_mtime),
                        xattrs=self.lower.xattrs(parent),
                    ),
                )
                parent = posixpath.dirname(parent)


def kind_of(mode: int) -> str:
    """Entry's name for a file type. Sockets have none: a ValueError."""
    return _KINDS[modes.S_IFMT(mode)]


_KINDS = {
    modes.S_IFREG: FILE,
    modes.S_IFDIR: DIRECTORY,
    modes.S_IFLNK: SYMLINK,
    modes.S_IFCHR: CHARACTER_DEVICE,
    modes.S_IFBLK: BLOCK_DEVICE,
    modes.S_IFIFO: FIFO,
    modes.S_IFSOCK: "socket",
}
