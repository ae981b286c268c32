"""linux.resources as properties of a systemd unit (org.freedesktop.systemd1(5)).

systemd writes the cgroup's files from a unit's properties, again on every daemon-reload: what has a
property must be set as one, or it is lost then. What has none is written to the files afterwards,
and so is everything else, because systemd rounds.
"""

from __future__ import annotations

from pyoci.cgroup.devices import ANY, DeviceList
from pyoci.cgroup.files import read
from pyoci.cgroup.limits import ROOT
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # name, D-Bus type, value
    Property = tuple[str, str, Any]

INFINITY = (1 << 64) - 1
IDLE_VERSION = 252
OOM_POLICY_VERSION = 253
SECOND = 1_000_000  # in microseconds
QUOTA_STEP = 10_000  # systemd knows whole percents of a processor only

# linux.resources.unified: file -> property that takes a number or "max"
UNIFIED_NUMBERS = {
    "memory.max": "MemoryMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
}


def unified_properties(resources: dict[str, Any]) -> list[Property]:
    """Convert for a v2 host, devices excepted."""
    from pyoci.cgroup.unified_settings import io_weight, swap_without_memory, weight_of_shares

    properties: list[Property] = []
    memory = resources.get("memory") or {}
    limit = memory.get("limit") or 0
    if limit:
        properties.append(("MemoryMax", "t", _limit(limit)))
    if memory.get("reservation"):
        properties.append(("MemoryLow", "t", _limit(memory["reservation"])))
    swap = swap_without_memory(limit, memory.get("swap") or 0)
    if swap is not None:
        properties.append(("MemorySwapMax", "t", _limit(swap)))
    cpu = resources.get("cpu") or {}
    if cpu.get("shares"):
        properties.append(("CPUWeight", "t", weight_of_shares(cpu["shares"])))
    properties += _quota(cpu)
    if cpu.get("cpus"):
        properties.append(("AllowedCPUs", "ay", mask(cpu["cpus"], f"{ROOT}/cpu/cpus")))
    if cpu.get("mems"):
        properties.append(("AllowedMemoryNodes", "ay", mask(cpu["mems"], f"{ROOT}/cpu/mems")))
    properties += _pids(resources)
    weight = (resources.get("blockIO") or {}).get("weight")
    if weight:
        properties.append(("IOWeight", "t", io_weight(weight)))
    return properties + _unified_map(resources.get("unified") or {})


def adapted(properties: list[Property], resources: dict[str, Any], version: int) -> list[Property]:
    """Express on v2 what depends on systemd's version as well.

    A CPUWeight of 0 is an idle cgroup (252); it has no other weight then. OOMPolicy tells what
    memory.oom.group does, of a unit that is being started (253).
    """
    unified = resources.get("unified") or {}
    idle = (resources.get("cpu") or {}).get("idle") == 1 or unified.get("cpu.idle") == "1"
    if idle and version >= IDLE_VERSION:
        others = [entry for entry in properties if entry[0] != "CPUWeight"]
        properties = [*others, ("CPUWeight", "t", 0)]
    policy = {"0": "continue", "1": "kill"}.get(unified.get("memory.oom.group", "").strip())
    if policy and version >= OOM_POLICY_VERSION:
        properties = [*properties, ("OOMPolicy", "s", policy)]
    return properties


def is_version_needed(resources: dict[str, Any]) -> bool:
    """Say whether `adapted` may change anything."""
    unified = resources.get("unified") or {}
    return (
        bool((resources.get("cpu") or {}).get("idle"))
        or "cpu.idle" in unified
        or "memory.oom.group" in unified
    )


def legacy_properties(resources: dict[str, Any]) -> list[Property]:
    """Convert for a v1 or hybrid host, devices excepted."""
    properties: list[Property] = []
    limit = (resources.get("memory") or {}).get("limit")
    if limit:
        properties.append(("MemoryLimit", "t", _limit(limit)))
    cpu = resources.get("cpu") or {}
    if cpu.get("shares"):
        properties.append(("CPUShares", "t", cpu["shares"]))
    properties += _quota(cpu)
    properties += _pids(resources)
    weight = (resources.get("blockIO") or {}).get("weight")
    if weight:
        properties.append(("BlockIOWeight", "t", weight))
    return properties


def _limit(value: int) -> int:
    return INFINITY if value < 0 else value


def _quota(cpu: dict[str, Any]) -> list[Property]:
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    properties: list[Property] = []
    if period:
        properties.append(("CPUQuotaPeriodUSec", "t", period))
    if quota < 0:
        properties.append(("CPUQuotaPerSecUSec", "t", INFINITY))
    elif quota:
        per_second = quota * SECOND // (period or 100_000)
        rounded = -(-per_second // QUOTA_STEP) * QUOTA_STEP
        properties.append(("CPUQuotaPerSecUSec", "t", rounded))
    return properties


def _pids(resources: dict[str, Any]) -> list[Property]:
    limit = (resources.get("pids") or {}).get("limit")
    # systemd refuses a TasksMax of 0: that limit is in the file alone, next to it in the unit.
    return [] if limit is None else [("TasksMax", "t", _limit(limit) or 1)]


def _unified_map(unified: dict[str, str]) -> list[Property]:
    properties: list[Property] = []
    for file, content in unified.items():
        value = content.strip()
        if file in UNIFIED_NUMBERS and (value == "max" or value.isdigit()):
            number = INFINITY if value == "max" else int(value)
            if file == "pids.max":
                number = number or 1
            properties.append((UNIFIED_NUMBERS[file], "t", number))
        elif file in ("cpuset.cpus", "cpuset.mems") and value:
            name = "AllowedCPUs" if file == "cpuset.cpus" else "AllowedMemoryNodes"
            properties.append((name, "ay", mask(value, f"{ROOT}/unified/{file}")))
        elif file == "cpu.max":
            first, _, second = value.partition(" ")
            cpu = {
                "quota": int(first) if first.isdigit() else -1,
                "period": int(second) if second.isdigit() else 0,
            }
            properties += _quota(cpu)
    return properties


def mask(text: str, pointer: str) -> list[int]:
    """Turn a list such as ``0-3,7`` into the bytes of a bit mask, the lowest first."""
    bits = 0
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if not first and not dash:
            continue
        if not first.isdigit() or (dash and not last.isdigit()) or len(first + last) > 8:
            raise CgroupError(f"{pointer} {text!r} is no list such as 0-3,7", subject=pointer)
        low, high = int(first), int(last or first)
        if high < low or high >= 1 << 16:
            raise CgroupError(f"{pointer} {text!r}: {part.strip()} is no range", subject=pointer)
        bits |= ((1 << (high - low + 1)) - 1) << low
    return list(bits.to_bytes((bits.bit_length() + 7) // 8, "little"))


def device_properties(
    rules: list[dict[str, Any]], known: str | None = None
) -> list[Property] | None:
    """Convert an ordered device list; None when systemd cannot express it exactly.

    ``known`` is the content of /proc/devices: systemd knows a whole major by its name only.
    """
    try:
        form = DeviceList(rules)
    except CgroupError:
        return None
    if form.default:
        # "All but these" does not exist in systemd.
        return None if form.exceptions else [("DevicePolicy", "s", "auto")]
    names = _major_names(read("/proc/devices") or "" if known is None else known)
    allowed = []
    for (kind, major, minor), access in form.exceptions.items():
        word = {"c": "char", "b": "block"}[kind]
        if major is ANY and minor is ANY:
            allowed.append((f"{word}-*", access))
        elif minor is ANY:
            name = names.get((kind, major or 0))
            if name is None:
                return None
            allowed.append((f"{word}-{name}", access))
        elif major is ANY:
            return None
        else:
            allowed.append((f"/dev/{word}/{major}:{minor}", access))
    return [("DevicePolicy", "s", "strict"), ("DeviceAllow", "a(ss)", allowed)]


def _major_names(text: str) -> dict[tuple[str, int], str]:
    """Read /proc/devices; majors whose name another one has too are left out."""
    kind = "c"
    names: dict[tuple[str, int], str] = {}
    count: dict[tuple[str, str], int] = {}
    for line in text.splitlines():
        number, _, name = line.strip().partition(" ")
        if line.startswith("Block"):
            kind = "b"
        elif number.isdigit() and name and "*" not in name and "?" not in name and "[" not in name:
            names[kind, int(number)] = name
            count[kind, name] = count.get((kind, name), 0) + 1
    return {key: name for key, name in names.items() if count[key[0], name] == 1}
