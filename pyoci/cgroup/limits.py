"""Which limits a linux.resources object asks for: as JSON pointers, whatever the hierarchy."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOT = "/linux/resources"

# Properties whose presence is no limit: "false" and the like say what is the case anyway, and
# device rules do not need a cgroup of one's own (a user namespace cannot make devices at all).
NO_LIMIT = {"disableOOMKiller": False, "checkBeforeUpdate": None, "useHierarchy": None}


def wanted_limits(resources: dict[str, Any]) -> list[str]:
    """List the JSON pointers of all limits in linux.resources (devices are not limits)."""
    wanted: list[str] = []
    for name, value in resources.items():
        if name == "devices" or not value:
            continue
        if isinstance(value, dict):
            for key, limit in value.items():
                if limit is None or limit in ("", [], {}):
                    continue
                if key in NO_LIMIT and NO_LIMIT[key] in (None, limit):
                    continue
                wanted.append(f"{ROOT}/{name}/{key.replace('~', '~0').replace('/', '~1')}")
        else:
            wanted.append(f"{ROOT}/{name}")
    return wanted
