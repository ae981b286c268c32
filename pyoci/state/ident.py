"""Container IDs: the characters that every engine uses and no path can misuse."""

from __future__ import annotations

from pyoci.errors import PyociError

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
MAX_LENGTH = 1024


class InvalidIdError(PyociError):
    """The container ID is empty, too long or has characters other than ``[A-Za-z0-9_+.-]``."""

    code = "invalid-id"


def check_id(container_id: str) -> str:
    """Give the ID back if it is one.

    Raises InvalidIdError: runc's ``invalid container ID format``.
    """
    if (
        not container_id
        or len(container_id) > MAX_LENGTH
        or container_id in (".", "..")
        or not _ALLOWED.issuperset(container_id)
    ):
        raise InvalidIdError(
            f"invalid container ID format: {container_id[:80]!r}",
            subject=container_id,
            hint="use letters, digits and the characters _ + . -",
        )
    return container_id
