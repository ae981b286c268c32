"""Whether this process can give files to other users: as root, not in a namespace of one user."""

from __future__ import annotations

import os

_WHOLE = 0xFFFFFFFF
_USEFUL = 1000


def in_user_namespace() -> bool:
    """Whether this is a user namespace other than the host's (user_namespaces(7), uid_map)."""
    return _mapped() < _WHOLE


def can_own() -> bool:
    """Whether owners of files can be set at all."""
    return os.geteuid() == 0 and _mapped() >= _USEFUL


def _mapped() -> int:
    """How many users this user namespace has."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            return sum(int(line.split()[2]) for line in file)
    except (OSError, ValueError, IndexError):
        return _WHOLE
