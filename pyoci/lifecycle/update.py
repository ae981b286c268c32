"""update: changes the limits of a container."""

from __future__ import annotations

import posix as os

from pyoci.cgroup.changes import completed, merged
from pyoci.cgroup.undo import Undo
from pyoci.lifecycle.find import cgroup_of
from pyoci.lifecycle.kill import not_running
from pyoci.spec.check import check_resources
from pyoci.spec.json_text import encode
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.cgroup import Cgroup


def update(entry: Entry, resources: dict[str, Any]) -> list[str]:
    """Set the limits of a linux.resources object; what it does not mention stays as it is.

    Device rules are left alone, as runc does, unless they are others than the container has:
    engines pass its whole list along with every change, and a device that somebody else gave to the
    container meanwhile must not be lost by that. Gives warnings.

    When anything is refused, all of it is taken back. Raises SpecError, ContainerStateError
    ``container not running``, CgroupError.
    """
    warnings = check_resources(resources)
    lock = entry.lock()
    try:
        state = entry.read()
        if state.status(entry) not in ("created", "running"):
            raise not_running(state)
        config = entry.read_config()
        linux = config.get("linux") or {}
        old = linux.get("resources") or {}
        cgroup = cgroup_of(state)
        if cgroup is not None:
            _change(cgroup, old, resources)
        config["linux"] = {**linux, "resources": merged(old, resources)}
        entry.save_config(encode(config).encode())
    finally:
        os.close(lock)
    return warnings


def _change(cgroup: Cgroup, old: dict[str, Any], new: dict[str, Any]) -> None:
    rules, before = new.get("devices"), old.get("devices") or []
    undo = Undo()
    try:
        cgroup.apply(completed(old, new), undo)
        if rules is not None and rules != before:
            cgroup.change_devices(before, rules)
    except BaseException:
        undo.undo()
        raise
