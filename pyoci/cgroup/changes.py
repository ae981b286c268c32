"""What an update of linux.resources comes to, given what was set before: pure functions.

An update names only what changes. Some limits belong together, though: v2 has the limit of swap
alone, which is the difference of two of ours, and quota and period are one file there and one
property of systemd. So a change of one of them is completed with the other's old value.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Resources = dict[str, Any]

# Where 0 is a value; elsewhere it means "not set", as engines write it.
_ZERO_COUNTS = (
    ("pids", "limit"),
    ("memory", "swappiness"),
    ("memory", "disableOOMKiller"),
    ("cpu", "idle"),
    ("cpu", "burst"),
)
# Lists whose entries are about different things: (object, list) -> what an entry is about.
_KEYED = {
    ("blockIO", "weightDevice"): ("major", "minor"),
    ("blockIO", "throttleReadBpsDevice"): ("major", "minor"),
    ("blockIO", "throttleWriteBpsDevice"): ("major", "minor"),
    ("blockIO", "throttleReadIOPSDevice"): ("major", "minor"),
    ("blockIO", "throttleWriteIOPSDevice"): ("major", "minor"),
    ("network", "priorities"): ("name",),
}


def completed(old: Resources, new: Resources) -> Resources:
    """Give what an update has to set: ``new``, and the old values of what belongs to it."""
    result = dict(new)
    memory = dict(new.get("memory") or {})
    before = old.get("memory") or {}
    if memory.get("swap") and not memory.get("limit"):
        _take_over(memory, before, "limit")
    elif memory.get("limit") and not memory.get("swap") and memory["limit"] != -1:
        # Without a memory limit the old one of memory and swap has no meaning either.
        _take_over(memory, before, "swap")
    if memory:
        result["memory"] = memory
    cpu = dict(new.get("cpu") or {})
    before = old.get("cpu") or {}
    if cpu.get("quota") and not cpu.get("period"):
        _take_over(cpu, before, "period")
    elif cpu.get("period") and not cpu.get("quota"):
        _take_over(cpu, before, "quota")
    if cpu.get("idle") == 0 and not cpu.get("shares"):
        # The kernel forgets the weight of an idle cgroup.
        _take_over(cpu, before, "shares")
    if cpu:
        result["cpu"] = cpu
    return result


def merged(old: Resources, new: Resources) -> Resources:
    """Give linux.resources as it is after an update."""
    result = dict(old)
    for name, value in new.items():
        if name == "devices":
            result[name] = value
        elif name == "hugepageLimits":
            result[name] = _upserted(old.get(name) or [], value, ("pageSize",))
        elif name in ("unified", "rdma"):
            result[name] = {**(old.get(name) or {}), **value}
        elif isinstance(value, dict):
            result[name] = _merged_object(name, old.get(name) or {}, value)
        else:
            result[name] = value
    return result


def _take_over(new: dict[str, Any], old: dict[str, Any], key: str) -> None:
    if old.get(key):
        new[key] = old[key]


def _merged_object(name: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        if (name, key) in _KEYED:
            result[key] = _upserted(old.get(key) or [], value, _KEYED[name, key])
        elif (value or (name, key) in _ZERO_COUNTS) and key != "checkBeforeUpdate":
            result[key] = value
    if name == "memory" and new.get("limit") == -1 and not new.get("swap"):
        result["swap"] = -1
    return result


def _upserted(
    old: list[dict[str, Any]], new: list[dict[str, Any]], key: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Change the entries about the same things, and add the others."""
    entries: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in [*old, *new]:
        about = tuple(entry.get(name) for name in key)
        entries[about] = {**entries.get(about, {}), **entry}
    return list(entries.values())
