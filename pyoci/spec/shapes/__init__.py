"""The shape of config.json (config.md): every member that this runtime reads.

`pyoci.spec.check` applies it. Values that only one module understands (the words of a seccomp
profile, lists of processors, memory policies) are checked for their type here and for their meaning
there.
"""

from __future__ import annotations

from pyoci.spec.rules import (
    Fault,
    Shape,
    absolute,
    anything,
    boolean,
    integer,
    kind,
    list_of,
    map_of,
    object_of,
    text,
    texts,
)
from pyoci.spec.shapes.linux import ID_MAPPINGS, LINUX
from pyoci.spec.shapes.process import PROCESS
from pyoci.spec.tables.hooks import HOOKS
from pyoci.spec.version import check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Notes, Rule

_TEXT: Rule = (text, None)
_TEXTS: Rule = (texts, None)
_IGNORED: Rule = (anything, None)


def _mount(mount: dict[str, Any]) -> None:
    if not mount["destination"]:
        raise Fault("is empty", "name the path inside the container", "destination")
    for index, option in enumerate(mount.get("options") or ()):
        if option[:6] == "idmap=" or option[:7] == "ridmap=":
            raise Fault(
                f"{kind(option)}: an option cannot hold id mappings",
                "give the mount uidMappings and gidMappings",
                str(index),
                "options",
            )


def _hook(hook: dict[str, Any]) -> None:
    if hook.get("args") and not hook["args"][0]:
        raise Fault("is empty", "it is the hook's own name, its path as a rule", "0", "args")
    for index, entry in enumerate(hook.get("env") or ()):
        if entry[:1] in ("", "="):
            raise Fault(f"{kind(entry)} names no variable", "write NAME=value", str(index), "env")


def _host_name(value: Any, _: object, notes: Notes) -> None:
    text(value, None, notes)
    if len(value.encode("utf-8", "replace")) > 64:
        raise Fault(f"{kind(value)} is longer than 64 bytes", "the kernel takes no more")


_MOUNT = Shape(
    {
        "destination": _TEXT,
        "source": _TEXT,
        "type": _TEXT,
        "options": _TEXTS,
        "uidMappings": ID_MAPPINGS,
        "gidMappings": ID_MAPPINGS,
    },
    ("destination",),
    _mount,
)


_HOOK = Shape(
    {
        "path": (absolute, None),
        "args": _TEXTS,
        "env": _TEXTS,
        # poll(2) counts in milliseconds, as an int.
        "timeout": (integer, (1, ((1 << 31) - 1) // 1000)),
    },
    ("path",),
    _hook,
)
CONFIG = Shape(
    {
        "ociVersion": (check_version, None),
        "root": (object_of, Shape({"path": _TEXT, "readonly": (boolean, None)}, ("path",))),
        "mounts": (list_of, (object_of, _MOUNT)),
        "process": (object_of, PROCESS),
        "hostname": (_host_name, None),
        "domainname": (_host_name, None),
        "hooks": (
            object_of,
            Shape(dict.fromkeys(HOOKS, (list_of, (object_of, _HOOK)))),
        ),
        "annotations": (map_of, _TEXT),
        "linux": (object_of, LINUX),
        **dict.fromkeys(("windows", "solaris", "vm", "freebsd", "zos"), _IGNORED),
    },
    ("ociVersion", "root", "process"),
)
