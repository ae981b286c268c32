"""Content hashes of files, for cache keys: what a step reads, whatever its modification time.

A file's record is the digest of what a layer would hold of it: type, permissions, owner, link
target, device number, attributes and contents. The digest of a match is that of its records by
name. Modification times stay out, so that a fresh checkout of the same files still hits.
"""

from __future__ import annotations

import hashlib
import os
import stat as modes

from builder.context.tree import TreeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.context.known_files import KnownFiles
    from builder.context.select import Match, Selected
    from builder.context.tree import Tree

_CHUNK = 1 << 20
WORTH_KNOWING = 64 << 10
"""Bytes from which looking a digest up is quicker than reading the file."""


def digest_match(match: Match, known: KnownFiles | None = None) -> tuple[str, dict[str, str]]:
    """The digest of all that a match holds, and those of its files by path in the tree.

    A directory's own attributes are no part of it: copying takes its contents.

    Raises TreeError.
    """
    whole = hashlib.sha256()
    files: dict[str, str] = {}
    whole.update(b"directory\n" if match.is_directory else os.fsencode(match.base) + b"\n")
    for item in match.files:
        if match.is_directory and not item.name:
            continue
        record = record_digest(match.tree, item, known)
        whole.update(b"%s\0%s\n" % (os.fsencode(item.name), record.encode()))
        if not modes.S_ISDIR(item.stat.st_mode):
            files[item.path.lstrip("/")] = record[:16]
    return whole.hexdigest(), files


def digest_matches(
    matches: Iterable[Match], known: KnownFiles | None = None
) -> tuple[str, dict[str, str]]:
    """The digest of several matches in their order, and of their files by path."""
    whole = hashlib.sha256()
    files: dict[str, str] = {}
    for match in matches:
        digest, inner = digest_match(match, known)
        whole.update(digest.encode())
        files.update(inner)
    return whole.hexdigest(), files


def record_digest(tree: Tree, item: Selected, known: KnownFiles | None = None) -> str:
    """The record of one file."""
    found = item.stat
    mode = found.st_mode
    owner = (0, 0) if tree.is_context else (found.st_uid, found.st_gid)
    shown = [f"{mode:o} {owner[0]} {owner[1]}"]
    if modes.S_ISREG(mode):
        shown.append(f"{found.st_size} {_content_digest(tree, item, known)}")
    elif modes.S_ISLNK(mode):
        shown.append(tree.readlink(item.path))
    elif modes.S_ISCHR(mode) or modes.S_ISBLK(mode):
        shown.append(f"{os.major(found.st_rdev)} {os.minor(found.st_rdev)}")
    if not modes.S_ISLNK(mode):
        xattrs = tree.xattrs(item.path)
        shown += [f"{name}={xattrs[name].hex()}" for name in sorted(xattrs)]
    return hashlib.sha256("\0".join(shown).encode("utf-8", "surrogateescape")).hexdigest()


def _content_digest(tree: Tree, item: Selected, known: KnownFiles | None) -> str:
    is_large = item.stat.st_size >= WORTH_KNOWING
    if known is not None and is_large:
        found = known.get(item.stat)
        if found is not None:
            return found
    number = tree.open(item.path)
    try:
        digest = hashlib.sha256()
        length = 0
        while chunk := os.read(number, _CHUNK):
            digest.update(chunk)
            length += len(chunk)
        now = os.fstat(number)
    except OSError as error:
        raise TreeError(
            f"reading {item.path} in {tree.what}: {error.strerror}", subject=item.path
        ) from None
    finally:
        os.close(number)
    if length != item.stat.st_size:
        raise changed(tree, item.path)
    if known is not None and is_large and identity(now) == identity(item.stat):
        known.put(now, digest.hexdigest())
    return digest.hexdigest()


def identity(found: os.stat_result) -> tuple[int, ...]:
    """What is the same only while nobody writes to the file."""
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def changed(tree: Tree, path: str) -> TreeError:
    """The error of a file that somebody writes to while it is read."""
    return TreeError(
        f"reading {path} in {tree.what}: the file changed while it was read",
        subject=path,
        hint="leave the files alone while they are built from",
    )
