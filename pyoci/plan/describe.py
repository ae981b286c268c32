"""The plan for people: ``pyoci explain``.

Off the hot path: only `explain` and error reports come here.
"""

from __future__ import annotations

from pyoci.plan.operations import CODES, OPERATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.operations import Operation, Value

_ATTRIBUTES = {
    0x1: "ro",
    0x2: "nosuid",
    0x4: "nodev",
    0x8: "noexec",
    0x10: "noatime",
    0x20: "strictatime",
    0x80: "nodiratime",
    0x00100000: "idmap",
    0x00200000: "nosymfollow",
}
_PROPAGATION = {1 << 17: "unbindable", 1 << 18: "private", 1 << 19: "slave", 1 << 20: "shared"}
_NAMESPACES = {
    0x80: "time",
    0x20000: "mount",
    0x02000000: "cgroup",
    0x04000000: "uts",
    0x08000000: "ipc",
    0x10000000: "user",
    0x20000000: "pid",
    0x40000000: "network",
}
_NO_SLOT = (1 << 64) - 1
_WHY = {
    "open_tree": "clone a mount of the host, attached nowhere yet",
    "open_file": "open it while the host's file system is in reach",
    "open_cgroup": "a file by which a process joins a v1 cgroup",
    "join_cgroup": "moving oneself spares the wait for all processors",
    "clone": "start the process that becomes the container's init",
    "sync": "wait for the runtime",
    "set_dumpable": "nobody may trace the init or open its files",
    "become_root": "take the user namespace's root",
    "session_keyring": "a keyring of its own",
    "new_session": "no controlling terminal of the caller's",
    "loopback_up": "a new network namespace's lo is down",
    "open_proc": "a procfs that no mount of the container can replace",
    "propagation": "nothing mounted here reaches the host",
    "attach_root": "the rootfs becomes a mount of the new namespace",
    "pivot_root": "the rootfs becomes /, the host's tree is gone",
    "move_root": "the rootfs becomes / by moving (no pivot)",
    "find_program": "look the command up as the user who will run it",
    "wait_start": "sleep until start",
    "close_files": "nothing of the runtime's stays open",
    "exec": "the user's program",
}


def _bits(value: int, names: dict[int, str]) -> str:
    found = [name for bit, name in names.items() if value & bit]
    return "+".join(found) if found else "none"


def _capabilities(value: int) -> str:
    from pyoci.spec.tables.capabilities import CAPABILITIES

    names = [
        name.removeprefix("CAP_").lower()
        for name, number in CAPABILITIES.items()
        if value >> number & 1
    ]
    if len(names) == len(CAPABILITIES):
        return "all"
    return "+".join(names) or "none"


def _value(operation: str, field: str, value: Value) -> str:
    if isinstance(value, int):
        if field == "types" or (operation == "join_namespace" and field == "type"):
            return _bits(value, _NAMESPACES)
        if operation in ("mount_attributes", "remount") and field in ("set", "clear"):
            return _bits(value, _ATTRIBUTES)
        if operation == "new_mount" and field == "attributes":
            return _bits(value, _ATTRIBUTES)
        if field == "propagation" or (field == "flags" and "propagation" in operation):
            return _bits(value, _PROPAGATION)
        if operation in ("capabilities", "bounding_set"):
            return _capabilities(value)
        if field == "mode" or operation == "umask":
            return f"{value:#o}"
        if value in (-1, _NO_SLOT):
            return "-"
        return str(value)
    if isinstance(value, bytes):
        if operation == "set_user":
            groups = [
                int.from_bytes(value[at : at + 4], "little") for at in range(0, len(value), 4)
            ]
            return ",".join(map(str, groups)) or "none"
        if operation == "seccomp":
            return f"<{len(value) // 8} instructions>"
        if operation == "write_file":
            return value.decode("utf-8", "replace").strip()
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return repr(value) if not value or " " in value or "\n" in value else value
    return "[" + ", ".join(str(item) for item in value) + "]"


def describe(operation: Operation) -> str:
    """Give one operation as one line of text."""
    signature = OPERATIONS[CODES[operation.name] - 1][1]
    arguments = " ".join(
        f"{field.partition(':')[0]}={_value(operation.name, field.partition(':')[0], value)}"
        for field, value in zip(signature.split(), operation.values, strict=True)
        if not field.startswith("slot:")
    )
    return f"{operation.name} {arguments}".rstrip()


def text(operations: list[Operation], warnings: list[str]) -> str:
    """Give a whole plan as text: number, place, operation, pointer, reason."""
    lines = []
    place = "host"
    for index, operation in enumerate(operations):
        line = f"{index:3}  {place:9}  {describe(operation)}"
        if operation.pointer:
            line += f"   <- {operation.pointer}"
        reason = operation.note or _WHY.get(operation.name, "")
        if reason:
            line += f"   # {reason}"
        lines.append(line)
        if operation.name == "clone":
            place = "container"
    lines += [f"warning: {warning}" for warning in warnings]
    return "\n".join(lines) + "\n"


def document(operations: list[Operation], warnings: list[str]) -> dict[str, Any]:
    """Give a whole plan as a JSON-able object."""
    place = "host"
    rows: list[dict[str, Any]] = []
    for operation in operations:
        arguments = {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in operation.arguments().items()
        }
        row: dict[str, Any] = {
            "operation": operation.name,
            "where": place,
            "arguments": arguments,
            "pointer": operation.pointer,
        }
        reason = operation.note or _WHY.get(operation.name, "")
        if reason:
            row["reason"] = reason
        rows.append(row)
        if operation.name == "clone":
            place = "container"
    return {"operations": rows, "warnings": warnings}
