"""Which names of an archive may be used: those that lie below the directory it is unpacked to.

A name is a path relative to that directory. `./`, doubled and leading slashes are taken away, as
every reader of layers does; `..` is refused, since no program that makes layers writes it and its
meaning depends on links that the same archive can place.
"""

from __future__ import annotations

from builder.errors import ImageFormatError
from builder.layer.entry import OPAQUE_WHITEOUT, WHITEOUT_PREFIX

_LONGEST_COMPONENT = 255
_DEEPEST = 1000
_AUFS = b".wh..wh."


def below(name: bytes, what: str) -> bytes:
    """The name relative to the root without a trailing slash; b"" is the root itself.

    Raises ImageFormatError for a name that leads elsewhere or that no file system takes.
    """
    # The form nearly all names have already.
    parts = name.split(b"/")
    if b"" in parts or b"." in parts:
        parts = [part for part in parts if part not in (b"", b".")]
    if b".." in parts:
        raise ImageFormatError(
            f"reading {what}: the name {shown(name)} leads out of its directory", subject=what
        )
    if len(parts) > _DEEPEST or max(map(len, parts), default=0) > _LONGEST_COMPONENT:
        raise ImageFormatError(f"reading {what}: the name {shown(name)} is too long", subject=what)
    return b"/".join(parts)


def is_whiteout(last: bytes) -> bool:
    """Whether the last component of a name is a whiteout's or one of AUFS's own files'."""
    return last.startswith(WHITEOUT_PREFIX)


def hidden_name(last: bytes, what: str) -> bytes | None:
    """What the whiteout `last` removes beside it: b"" everything; None nothing (AUFS's files).

    Raises ImageFormatError for a whiteout of nothing, of `.` and of `..`.
    """
    if last == OPAQUE_WHITEOUT:
        return b""
    if last.startswith(_AUFS):
        return None
    hidden = last[len(WHITEOUT_PREFIX) :]
    if hidden in (b"", b".", b".."):
        raise ImageFormatError(f"reading {what}: {shown(last)} is not a whiteout", subject=what)
    return hidden


def shown(name: bytes) -> str:
    """A name in messages: nothing in it moves the terminal's cursor."""
    return ascii(name[:200].decode("utf-8", "surrogateescape"))
