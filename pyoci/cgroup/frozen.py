"""Whether a cgroup's processes are stopped: asked by every state, so without the backends."""

from __future__ import annotations

from pyoci.cgroup.files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def recorded_as_frozen(record: dict[str, Any]) -> bool:
    """Say whether the cgroup of a container's state is frozen, as ``Cgroup.frozen`` does.

    Raises KeyError or TypeError when the record is damaged.
    """
    if record["manager"] == "systemd":
        record = record["inner"]
    if record["manager"] == "absent":
        return False
    if record["manager"] == "unified":
        return is_frozen(record["path"])
    directory = record["directories"].get("freezer")
    return directory is not None and is_frozen(directory)


def is_frozen(path: str) -> bool:
    """Say whether the processes of a cgroup are to be stopped, by it or an ancestor (v1 or v2)."""
    events = read(f"{path}/cgroup.events")
    if events is not None:
        # A signal wakes a frozen process for a moment, and "frozen" is 0 in that one.
        return "frozen 1" in events or read(f"{path}/cgroup.freeze") == "1"
    return (read(f"{path}/freezer.state") or "THAWED") != "THAWED"
