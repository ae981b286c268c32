"""Which limits a linux.resources object asks for: as JSON pointers, whatever the hierarchy."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOT = "/linux/resources"

# Properties that limit nothing themselves. Nor do values that say what is the case anyway: false,
# empty, -1 for unlimited, and 0, which engines write for "not set", but for the two where it means
# 0. Device rules need no cgroup of one's own: a user namespace cannot make devices at all.
NO_LIMITS = ("checkBeforeUpdate", "useHierarchy")
MEANS_ZERO = (("pids", "limit"), ("memory", "swappiness"))


def wanted_limits(resources: dict[str, Any]) -> list[str]:
    """List the JSON pointers of all limits in linux.resources (devices are not limits)."""
    wanted: list[str] = []
    for name, value in resources.items():
        if name == "devices" or not value:
            continue
        if isinstance(value, dict):
            for key, limit in value.items():
                if key in NO_LIMITS or limit is None or limit == -1:
                    continue
                if not limit and (name, key) not in MEANS_ZERO:
                    continue
                wanted.append(f"{ROOT}/{name}/{key.replace('~', '~0').replace('/', '~1')}")
        else:
            wanted.append(f"{ROOT}/{name}")
    return wanted
