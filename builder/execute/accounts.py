"""Users and groups of a stage, from its own /etc/passwd and /etc/group, which are hostile.

    user[:group]     each a name or a number

Numbers need no entry; names do. (passwd(5), group(5))
"""

from __future__ import annotations

import os
import stat as modes
from dataclasses import dataclass

from builder.context.beneath import open_in_root
from builder.dockerfile import DockerfileError
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.context.tree import Tree

_LARGEST_FILE = 4 << 20
_LARGEST_ID = (1 << 32) - 2  # 2^32 - 1 means "leave as it is" to chown(2)


@dataclass(frozen=True, slots=True)
class Account:
    """Who a process is: ids, further groups, and the home directory ("" when nobody says)."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = ""


ROOT = Account(0, 0, (0,), "/root")


def owner(text: str, files: Tree | None) -> tuple[int, int]:
    """Owner and group of `--chown`; a number alone is the group's as well.

    Raises DockerfileError for a name that the stage does not have.
    """
    user, _, group = text.partition(":")
    uid = _number(user)
    gid = uid
    if uid is None:
        entry = _user_named(user, files, text)
        uid, gid = entry[1], entry[2]
    if group:
        gid = _number(group)
        if gid is None:
            gid = _group_named(group, files, text)
    assert gid is not None
    return uid, gid


def account(text: str, files: Tree) -> Account:
    """The account of USER, "" for root. Raises DockerfileError for an unknown name."""
    user, _, group = (text or "0").partition(":")
    users = _users(files)
    uid = _number(user or "0")
    if uid is None:
        found: tuple[str, int, int, str] | None = _user_named(user, files, text)
    else:
        found = next((entry for entry in users if entry[1] == uid), None)
    name, uid, gid, home = found or ("", uid or 0, 0, "")
    groups: tuple[int, ...] = ()
    if group:
        number = _number(group)
        gid = _group_named(group, files, text) if number is None else number
    elif name:
        members = {entry[1] for entry in _groups(files) if name in entry[2]}
        groups = tuple(sorted(members - {gid}))
    # The primary group too: a process that gives up its groups must not escape a file's
    # permissions for that group (CVE-2022-2989).
    return Account(uid, gid, (gid, *groups), home or ("/root" if uid == 0 else "/"))


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    value = int(text)
    if value > _LARGEST_ID:
        raise DockerfileError(f"user or group {text} is too large", near=text)
    return value


def _user_named(name: str, files: Tree | None, text: str) -> tuple[str, int, int, str]:
    users = _users(files)
    for entry in users:
        if entry[0] == name:
            return entry
    raise _unknown("user", name, [entry[0] for entry in users], files, text)


def _group_named(name: str, files: Tree | None, text: str) -> int:
    groups = _groups(files)
    for entry in groups:
        if entry[0] == name:
            return entry[1]
    raise _unknown("group", name, [entry[0] for entry in groups], files, text)


def _unknown(
    kind: str, name: str, known: list[str], files: Tree | None, text: str
) -> DockerfileError:
    path = "/etc/passwd" if kind == "user" else "/etc/group"
    if files is None:
        hint = "with --link only numbers can be used: there are no files to look names up in"
    elif not known:
        hint = f"the stage has no {path}: give a number"
    else:
        hint = f"make it in a RUN before, or give a number; {path} has {len(known)} entries"
    return DockerfileError(
        f"unable to find {kind} {name}", near=text, suggestion=did_you_mean(name, known), hint=hint
    )


def _users(files: Tree | None) -> list[tuple[str, int, int, str]]:
    """Name, uid, gid and home of every line of /etc/passwd that makes sense."""
    users = []
    for fields in _lines(files, "/etc/passwd"):
        if len(fields) >= 4 and (uid := _id(fields[2])) is not None:
            gid = _id(fields[3])
            if gid is not None:
                users.append((fields[0], uid, gid, fields[5] if len(fields) > 5 else ""))
    return users


def _groups(files: Tree | None) -> list[tuple[str, int, frozenset[str]]]:
    """Name, gid and members of every line of /etc/group that makes sense."""
    groups = []
    for fields in _lines(files, "/etc/group"):
        if len(fields) >= 3 and (gid := _id(fields[2])) is not None:
            members = fields[3].split(",") if len(fields) > 3 else ()
            groups.append((fields[0], gid, frozenset(members)))
    return groups


def _id(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _LARGEST_ID:
        return int(text)
    return None


def _lines(files: Tree | None, path: str) -> list[list[str]]:
    """The fields of each line; nothing when there is no such regular file of sensible size."""
    if files is None:
        return []
    try:
        # O_NONBLOCK: the image may have put a FIFO there.
        number = open_in_root(files.descriptor, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return []
    found = os.fstat(number)
    if not modes.S_ISREG(found.st_mode) or found.st_size > _LARGEST_FILE:
        os.close(number)
        return []
    with open(number, "rb") as file:
        text = file.read(_LARGEST_FILE).decode("utf-8", "surrogateescape")
    lines = (line.strip() for line in text.split("\n"))
    return [line.split(":") for line in lines if line and line[0] not in "#+-"]
