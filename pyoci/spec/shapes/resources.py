"""The shape of ``/linux/resources`` (config-linux.md, Control groups)."""

from __future__ import annotations

from pyoci.spec.rules import (
    I64,
    LIMIT,
    U32,
    U64,
    Fault,
    Shape,
    boolean,
    integer,
    kind,
    list_of,
    map_of,
    object_of,
    optional_word,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Notes, Rule

_TEXT: Rule = (text, None)
_BOOLEAN: Rule = (boolean, None)
_U32: Rule = (integer, U32)
_U64: Rule = (integer, U64)
_I64: Rule = (integer, I64)
_LIMIT: Rule = (integer, LIMIT)


def _weight(value: Any, _: object, notes: Notes) -> None:
    integer(value, (0, 1000), notes)
    if 0 < value < 10:
        raise Fault(f"must be an integer from 10 to 1000, not {value}")


def _access(value: Any, _: object, notes: Notes) -> None:
    text(value, None, notes)
    if value.strip("rwm"):
        raise Fault(f"{kind(value)} must be made of the letters r, w and m")


def _cpu(cpu: dict[str, Any]) -> None:
    if 0 < cpu.get("quota", 0) < cpu.get("burst", 0):
        raise Fault(
            f"burst {cpu['burst']} is above the quota {cpu['quota']}",
            "lower burst or raise quota",
            "burst",
        )


def _weight_device(device: dict[str, Any]) -> None:
    if "weight" not in device and "leafWeight" not in device:
        raise Fault("needs weight, leafWeight or both")


def _rdma(device: dict[str, Any]) -> None:
    if "hcaHandles" not in device and "hcaObjects" not in device:
        raise Fault("needs hcaHandles, hcaObjects or both")


def _page_size(value: Any, _: object, notes: Notes) -> None:
    text(value, None, notes)
    digits = value[:-2]
    number = digits.isascii() and digits.isdigit() and digits[0] != "0"
    if not number or value[-2:] not in ("KB", "MB", "GB"):
        raise Fault(f"{kind(value)} is no page size", "write it as 64KB, 2MB or 1GB")


_NUMBERED: dict[str, Rule] = {"major": _U32, "minor": _U32}
_THROTTLE: Rule = (
    list_of,
    (object_of, Shape({**_NUMBERED, "rate": _U64}, ("major", "minor", "rate"))),
)
_DEVICE_RULE = Shape(
    {
        "allow": _BOOLEAN,
        "type": (optional_word, ("a", "b", "c", "u")),
        "major": (integer, (-1, U32[1])),
        "minor": (integer, (-1, U32[1])),
        "access": (_access, None),
    },
    ("allow",),
)
_MEMORY = Shape(
    {
        "limit": _LIMIT,
        "reservation": _LIMIT,
        "swap": _LIMIT,
        "kernel": _LIMIT,
        "kernelTCP": _LIMIT,
        "swappiness": (integer, (0, 100)),
        "disableOOMKiller": _BOOLEAN,
        "useHierarchy": _BOOLEAN,
        "checkBeforeUpdate": _BOOLEAN,
    }
)
_CPU = Shape(
    {
        "shares": _U64,
        "quota": _LIMIT,
        "burst": _U64,
        "period": _U64,
        "realtimeRuntime": _LIMIT,
        "realtimePeriod": _U64,
        "cpus": _TEXT,
        "mems": _TEXT,
        "idle": (integer, (0, 1)),
    },
    (),
    _cpu,
)
_BLOCK_IO = Shape(
    {
        "weight": (_weight, None),
        "leafWeight": (_weight, None),
        "weightDevice": (
            list_of,
            (
                object_of,
                Shape(
                    {**_NUMBERED, "weight": (_weight, None), "leafWeight": (_weight, None)},
                    ("major", "minor"),
                    _weight_device,
                ),
            ),
        ),
        "throttleReadBpsDevice": _THROTTLE,
        "throttleWriteBpsDevice": _THROTTLE,
        "throttleReadIOPSDevice": _THROTTLE,
        "throttleWriteIOPSDevice": _THROTTLE,
    }
)
_NETWORK = Shape(
    {
        "classID": _U32,
        "priorities": (
            list_of,
            (object_of, Shape({"name": _TEXT, "priority": _U32}, ("name", "priority"))),
        ),
    }
)
RESOURCES = Shape(
    {
        "devices": (list_of, (object_of, _DEVICE_RULE)),
        "memory": (object_of, _MEMORY),
        "cpu": (object_of, _CPU),
        "pids": (object_of, Shape({"limit": _I64})),
        "blockIO": (object_of, _BLOCK_IO),
        "hugepageLimits": (
            list_of,
            (
                object_of,
                Shape({"pageSize": (_page_size, None), "limit": _U64}, ("pageSize", "limit")),
            ),
        ),
        "network": (object_of, _NETWORK),
        "rdma": (
            map_of,
            (object_of, Shape({"hcaHandles": _U32, "hcaObjects": _U32}, (), _rdma)),
        ),
        "unified": (map_of, _TEXT),
    }
)
