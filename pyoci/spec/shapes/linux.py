"""The shape of ``/linux`` (config-linux.md), all but its resources."""

from __future__ import annotations

from pyoci.spec.rules import (
    I64,
    ID,
    U32,
    U64,
    Fault,
    Shape,
    absolute,
    absolutes,
    integer,
    list_of,
    map_of,
    object_of,
    optional_absolute,
    optional_word,
    refused,
    text,
    texts,
    word,
)
from pyoci.spec.shapes.resources import RESOURCES
from pyoci.spec.tables.namespaces import NAMESPACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Notes, Rule

_TEXT: Rule = (text, None)
_TEXTS: Rule = (texts, None)
_ID: Rule = (integer, ID)
_U32: Rule = (integer, U32)
_U64: Rule = (integer, U64)
_I64: Rule = (integer, I64)

# What the specification has and this runtime cannot apply; `features` says the same.
UNSUPPORTED = {
    "netDevices": "this version does not move network devices",
    "intelRdt": "this version does not use resctrl",
}


def _profile(value: Any, _: object, notes: Notes) -> None:
    # An empty object is no profile (as in runc).
    if value != {}:
        object_of(value, _SECCOMP, notes)


def _namespaces(value: Any, _: object, notes: Notes) -> None:
    list_of(value, (object_of, _NAMESPACE), notes)
    seen: dict[str, int] = {}
    for index, entry in enumerate(value):
        first = seen.setdefault(entry["type"], index)
        if first != index:
            raise Fault(
                f"duplicate namespace {entry['type']}: it is in /linux/namespaces/{first} already",
                "remove one",
                str(index),
            )


def _device(device: dict[str, Any]) -> None:
    if device["type"] == "p":
        return
    for name in ("major", "minor"):
        if name not in device:
            raise Fault(f"is missing: a device of type {device['type']} needs it", None, name)


def _sysctl(value: Any, _: object, notes: Notes) -> None:
    map_of(value, _TEXT, notes)
    for name in value:
        # "net/../kernel/core_pattern" begins like a setting of a network namespace.
        if "/" in name and not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise Fault("is not the name of a sysctl", "leave . and .. out of the path", name)
        if not name.isprintable() or " " in name:
            raise Fault("is not the name of a sysctl", None, name)


def _personality(value: dict[str, Any]) -> None:
    if value.get("flags"):
        raise Fault("no flags are defined", "remove them", "flags")


def _seccomp(profile: dict[str, Any]) -> None:
    if profile.get("listenerMetadata") and not profile.get("listenerPath"):
        raise Fault(
            "must not be set without listenerPath", "set listenerPath too", "listenerMetadata"
        )


def _syscall(rule: dict[str, Any]) -> None:
    if not rule["names"]:
        raise Fault("must name at least one system call", None, "names")


ID_MAPPINGS: Rule = (
    list_of,
    (
        object_of,
        Shape(
            {
                "containerID": _U32,
                "hostID": _U32,
                "size": (integer, (1, U32[1])),
            },
            ("containerID", "hostID", "size"),
        ),
    ),
)
_NAMESPACE = Shape({"type": (word, NAMESPACES), "path": (optional_absolute, None)}, ("type",))
_TIME_OFFSET = Shape({"secs": _I64, "nanosecs": (integer, (0, 999_999_999))})
_DEVICE = Shape(
    {
        "type": (word, ("c", "b", "u", "p")),
        "path": (absolute, None),
        # The widths of the kernel's dev_t (linux/kdev_t.h): more would name another device.
        "major": (integer, (0, (1 << 12) - 1)),
        "minor": (integer, (0, (1 << 20) - 1)),
        "fileMode": _U32,
        "uid": _ID,
        "gid": _ID,
    },
    ("type", "path"),
    _device,
)
# Which words an action, operator or architecture may be is for the compiler of the filter to say.
_SECCOMP_ARGUMENT = Shape(
    {"index": (integer, (0, 5)), "value": _U64, "valueTwo": _U64, "op": _TEXT},
    ("index", "value", "op"),
)
_SECCOMP_RULE = Shape(
    {
        "names": _TEXTS,
        "action": _TEXT,
        "errnoRet": _U32,
        "args": (list_of, (object_of, _SECCOMP_ARGUMENT)),
    },
    ("names", "action"),
    _syscall,
)
_SECCOMP = Shape(
    {
        "defaultAction": _TEXT,
        "defaultErrnoRet": _U32,
        "architectures": _TEXTS,
        "flags": _TEXTS,
        "listenerPath": _TEXT,
        "listenerMetadata": _TEXT,
        "syscalls": (list_of, (object_of, _SECCOMP_RULE)),
    },
    ("defaultAction",),
    _seccomp,
)
LINUX = Shape(
    {
        "namespaces": (_namespaces, None),
        "uidMappings": ID_MAPPINGS,
        "gidMappings": ID_MAPPINGS,
        "timeOffsets": (map_of, (object_of, _TIME_OFFSET)),
        "devices": (list_of, (object_of, _DEVICE)),
        "cgroupsPath": _TEXT,
        "resources": (object_of, RESOURCES),
        "sysctl": (_sysctl, None),
        "seccomp": (_profile, None),
        "rootfsPropagation": (
            optional_word,
            (
                "shared",
                "slave",
                "private",
                "unbindable",
                "rshared",
                "rslave",
                "rprivate",
                "runbindable",
            ),
        ),
        "maskedPaths": (absolutes, None),
        "readonlyPaths": (absolutes, None),
        "mountLabel": _TEXT,
        "personality": (
            object_of,
            Shape(
                {"domain": (word, ("LINUX", "LINUX32")), "flags": _TEXTS},
                ("domain",),
                _personality,
            ),
        ),
        "memoryPolicy": (
            object_of,
            Shape({"mode": _TEXT, "nodes": _TEXT, "flags": _TEXTS}, ("mode",)),
        ),
        **{name: (refused, why) for name, why in UNSUPPORTED.items()},
    }
)
