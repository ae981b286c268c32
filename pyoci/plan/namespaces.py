"""``/linux/namespaces``, id mappings and time offsets (config-linux.md, Namespaces)."""

from __future__ import annotations

from pyoci.errors import SpecError
from pyoci.plan.writer import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.writer import PlanWriter

# The specification's names and clone(2)'s flags.
NAMESPACE_FLAGS = {
    "time": 0x00000080,
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
# Names below /proc/PID/ns.
NAMESPACE_FILES = {
    "time": "time",
    "mount": "mnt",
    "cgroup": "cgroup",
    "uts": "uts",
    "ipc": "ipc",
    "user": "user",
    "pid": "pid",
    "network": "net",
}
_CLOCKS = {"monotonic": "monotonic", "boottime": "boottime"}


class Namespaces:
    """Which namespaces are new, which are joined; a type in neither is the caller's own."""

    __slots__ = ("joined", "new")

    def __init__(self, config: dict[str, Any]) -> None:
        self.new: dict[str, str] = {}
        self.joined: dict[str, tuple[str, str]] = {}
        for index, entry in enumerate((config.get("linux") or {}).get("namespaces") or ()):
            pointer = f"/linux/namespaces/{index}"
            if entry.get("path"):
                self.joined[entry["type"]] = (entry["path"], pointer)
            else:
                self.new[entry["type"]] = pointer

    def has(self, kind: str) -> bool:
        """Say whether the container has its own, new or joined, namespace of this type."""
        return kind in self.new or kind in self.joined

    def pointer(self, kind: str) -> str:
        """Give the JSON pointer of the type's entry, or of the list."""
        if kind in self.joined:
            return self.joined[kind][1]
        return self.new.get(kind, "/linux/namespaces")


def join_operations(plan: PlanWriter, namespaces: Namespaces) -> Section:
    """Open, in the stage, the namespaces that config.json names by path; give what joins them.

    What can be joined with the caller's privileges is joined before the user namespace, the rest
    after it: a network namespace may belong to either.
    """
    slots = {}
    for kind, (path, pointer) in namespaces.joined.items():
        slots[kind] = plan.slot()
        # O_NONBLOCK: a FIFO in the place of a namespace must not hang the runtime.
        plan.host.add("open_file", pointer, slots[kind], path, 0o4000, note=f"{kind} namespace")
    joins = Section()
    others = [kind for kind in slots if kind != "user"]
    order = [(kind, "user" in slots) for kind in others]
    if "user" in slots:
        order += [("user", False), *((kind, False) for kind in others)]
    for kind, tolerant in order:
        pointer = namespaces.joined[kind][1]
        joins.add("join_namespace", pointer, slots[kind], NAMESPACE_FLAGS[kind], int(tolerant))
    return joins


def clone_flags(namespaces: Namespaces) -> int:
    """Give the flags for clone(2): all new namespaces but two.

    The cgroup namespace is unshared once the process is in its cgroup, which becomes the
    namespace's root; the time namespace once its offsets are written (time_namespaces(7)).
    """
    flags = 0
    for kind in namespaces.new:
        if kind not in ("cgroup", "time"):
            flags |= NAMESPACE_FLAGS[kind]
    return flags


def map_text(mappings: list[dict[str, int]]) -> str:
    """Give id mappings as /proc/PID/uid_map takes them (user_namespaces(7))."""
    return "".join(
        f"{entry['containerID']} {entry['hostID']} {entry['size']}\n" for entry in mappings
    )


def time_offsets(config: dict[str, Any]) -> str:
    """Give ``linux.timeOffsets`` as /proc/PID/timens_offsets takes them."""
    lines = []
    for clock, offset in ((config.get("linux") or {}).get("timeOffsets") or {}).items():
        if clock not in _CLOCKS:
            raise SpecError(
                f"/linux/timeOffsets/{clock}: there is no such clock",
                subject=f"/linux/timeOffsets/{clock}",
                hint="use monotonic or boottime",
            )
        lines.append(f"{clock} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}\n")
    return "".join(lines)


def host_id(mappings: list[dict[str, int]], container_id: int) -> int | None:
    """Give the host's id of a container's id, None when it is not mapped."""
    for entry in mappings:
        first = entry["containerID"]
        if first <= container_id < first + entry["size"]:
            return int(entry["hostID"] + container_id - first)
    return None
