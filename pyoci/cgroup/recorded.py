"""The cgroup of a container that exists, found again from the record in its state."""

from __future__ import annotations

from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup.interface import Cgroup
    from pyoci.cgroup.legacy import LegacyCgroup
    from pyoci.cgroup.unified import UnifiedCgroup


def from_record(record: dict[str, Any]) -> Cgroup:
    """Find the cgroup that state.json recorded; raises CgroupError when the record is damaged."""
    try:
        kind = record["manager"]
        if kind == "absent":
            from pyoci.cgroup.absent import AbsentCgroup

            return AbsentCgroup(record["reason"], undelegated=record["undelegated"])
        if kind == "systemd":
            from pyoci.cgroup.systemd import SystemdCgroup

            inner = _recorded(record["inner"])
            return SystemdCgroup(
                inner,
                record["unit"],
                record["slice"],
                rootless=record["inner"]["rootless"],
                started=True,
            )
        return _recorded(record)
    except (KeyError, TypeError, AttributeError) as error:
        raise CgroupError(
            f"read the cgroup from the container's state: {error!r} is wrong or missing",
            hint="delete --force removes the container",
        ) from None


def _recorded(record: dict[str, Any]) -> LegacyCgroup | UnifiedCgroup:
    if record["manager"] == "unified":
        from pyoci.cgroup.unified import UnifiedCgroup

        return UnifiedCgroup.from_record(record)
    from pyoci.cgroup.legacy import LegacyCgroup

    return LegacyCgroup.from_record(record)
