"""Users and groups as the image's own /etc/passwd and /etc/group have them.

Both files are the image's word: opened below the root file system with every symlink kept inside,
never waited for (a FIFO in their place), read to a limit, and lines that make no sense left out.
What `User` may be, and which groups a user gets, is image-spec's config.md and conversion.md:

    user  uid              primary and supplementary groups from the files
    user:group  uid:gid    the given group and no others
"""

from __future__ import annotations

import os
import stat

from builder.context.beneath import open_in_root
from builder.dockerfile.record import Record
from builder.errors import BuilderError

_LARGEST = 4 << 20
_MOST_GROUPS = 65536
_HIGHEST_ID = (1 << 32) - 2  # 2^32-1 means "no change" to setuid(2) and chown(2)


class AccountError(BuilderError):
    """The user or group that an image's configuration names is not in the image."""

    code = "account"


class Account(Record):
    """Whom a container's process runs as.

    Attributes:
        uid, gid: numbers inside the container.
        additional_gids: supplementary groups, ascending.
        home: the home directory of /etc/passwd, "" when the user is not in it.
    """

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()
    home: str = ""


class _User(Record):
    name: str
    uid: int
    gid: int
    home: str


class _Group(Record):
    name: str
    gid: int
    members: tuple[str, ...]


def resolve_user(root: int, user: str) -> Account:
    """The account that a configuration's `User` means; `root` is a descriptor of the rootfs.

    Raises AccountError.
    """
    name, colon, group = user.partition(":")
    entry = _find_user(_users(root), name, user)
    if entry is None:
        number = _number(name) if name else 0
        if number is None:
            raise AccountError(
                f"looking up user {name!r}: not in the image's /etc/passwd",
                subject=user,
                hint="use a name that is there, or a number",
            )
        entry = _User("", number, 0, "")
    if colon and group:
        return Account(entry.uid, _group_id(root, group, user), (), entry.home)
    additional = {g.gid for g in _groups(root) if entry.name and entry.name in g.members}
    return Account(entry.uid, entry.gid, tuple(sorted(additional)[:_MOST_GROUPS]), entry.home)


def _find_user(users: list[_User], name: str, whole: str) -> _User | None:
    number = _number(name) if name else 0
    if number is not None and number > _HIGHEST_ID:
        raise AccountError(f"user {whole!r}: {number} is no user ID", subject=whole)
    for entry in users:
        # A name of digits is always a number: otherwise the image could give root's to anybody.
        if entry.uid == number if number is not None else entry.name == name:
            return entry
    return None


def _group_id(root: int, group: str, whole: str) -> int:
    number = _number(group)
    if number is not None:
        if number > _HIGHEST_ID:
            raise AccountError(f"user {whole!r}: {number} is no group ID", subject=whole)
        return number
    for entry in _groups(root):
        if entry.name == group:
            return entry.gid
    raise AccountError(
        f"looking up group {group!r}: not in the image's /etc/group",
        subject=whole,
        hint="use a name that is there, or a number",
    )


def _users(root: int) -> list[_User]:
    found = []
    for fields in _lines(root, "/etc/passwd", 7):
        uid, gid = _number(fields[2]), _number(fields[3])
        if fields[0] and uid is not None and gid is not None and max(uid, gid) <= _HIGHEST_ID:
            found.append(_User(fields[0], uid, gid, fields[5]))
    return found


def _groups(root: int) -> list[_Group]:
    found = []
    for fields in _lines(root, "/etc/group", 4):
        gid = _number(fields[2])
        if fields[0] and gid is not None and gid <= _HIGHEST_ID:
            members = tuple(name.strip() for name in fields[3].split(","))
            found.append(_Group(fields[0], gid, members))
    return found


def _lines(root: int, path: str, count: int) -> list[list[str]]:
    """The fields of each line that has as many as it must."""
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return []
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return []
    with open(fd, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise AccountError(f"reading the image's {path}: more than {_LARGEST} bytes", subject=path)
    text = data.decode("utf-8", "surrogateescape")
    lines = (line.strip().split(":") for line in text.split("\n"))
    return [fields for fields in lines if len(fields) == count and not fields[0].startswith("#")]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None
