"""The shape of ``/process`` (config.md, Process)."""

from __future__ import annotations

from pyoci.spec.rules import (
    ID,
    U16,
    U64,
    Fault,
    Shape,
    absolute,
    anything,
    boolean,
    integer,
    kind,
    list_of,
    object_of,
    one_of,
    text,
    texts,
    word,
    words,
)
from pyoci.spec.tables.capabilities import CAPABILITIES
from pyoci.spec.tables.rlimits import RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Notes, Rule

_TEXT: Rule = (text, None)
_TEXTS: Rule = (texts, None)
_BOOLEAN: Rule = (boolean, None)
_IGNORED: Rule = (anything, None)
_ID: Rule = (integer, ID)
_U64: Rule = (integer, U64)


def _capability_names(value: Any, _: object, notes: Notes) -> None:
    """Check names of capabilities for their form.

    A name that no kernel knows is a warning, given when the plan is made (config.md, capabilities).
    """
    texts(value, None, notes)
    for index, name in enumerate(value):
        if name in CAPABILITIES:
            continue
        if name[:4] != "CAP_" or not name.isupper():
            raise Fault(
                f"{kind(name)} is not the name of a capability",
                one_of(name if name[:4].upper() == "CAP_" else f"CAP_{name}", CAPABILITIES),
                str(index),
            )


def _processors(value: Any, _: object, notes: Notes) -> None:
    text(value, None, notes)
    if value.strip("0123456789, -"):
        raise Fault(f"{kind(value)} is not a list of processors", "write it as 0-3,7")


def _rlimits(value: Any, _: object, notes: Notes) -> None:
    list_of(value, (object_of, _RLIMIT), notes)
    seen = set()
    for index, limit in enumerate(value):
        if limit["type"] in seen:
            raise Fault(f"{limit['type']} is listed twice", "remove one", str(index))
        seen.add(limit["type"])


def _rlimit(limit: dict[str, Any]) -> None:
    if limit["soft"] > limit["hard"]:
        raise Fault(
            f"the soft limit {limit['soft']} is above the hard limit {limit['hard']}",
            "lower the one or raise the other",
        )


def _process(process: dict[str, Any]) -> None:
    if not process["args"]:
        raise Fault("args must not be empty", "name the program to run", "args")
    size = process.get("consoleSize")
    # Without a terminal it has to be ignored, whatever it says.
    if size and process.get("terminal"):
        for name in ("height", "width"):
            if size[name] > U16[1]:
                raise Fault(
                    f"a terminal has at most {U16[1]} lines and columns", None, name, "consoleSize"
                )


_RLIMIT = Shape(
    {"type": (word, RLIMITS), "soft": _U64, "hard": _U64}, ("type", "soft", "hard"), _rlimit
)
_USER = Shape(
    {
        "uid": _ID,
        "gid": _ID,
        "umask": (integer, (0, 0o7777)),
        "additionalGids": (list_of, _ID),
        "username": _IGNORED,
    }
)
_SCHEDULER = Shape(
    {
        "policy": (
            word,
            (
                "SCHED_OTHER",
                "SCHED_FIFO",
                "SCHED_RR",
                "SCHED_BATCH",
                "SCHED_ISO",
                "SCHED_IDLE",
                "SCHED_DEADLINE",
            ),
        ),
        "nice": (integer, (-20, 19)),
        "priority": (integer, (0, 99)),
        "flags": (
            words,
            (
                "SCHED_FLAG_RESET_ON_FORK",
                "SCHED_FLAG_RECLAIM",
                "SCHED_FLAG_DL_OVERRUN",
                "SCHED_FLAG_KEEP_POLICY",
                "SCHED_FLAG_KEEP_PARAMS",
                "SCHED_FLAG_UTIL_CLAMP_MIN",
                "SCHED_FLAG_UTIL_CLAMP_MAX",
            ),
        ),
        "runtime": _U64,
        "deadline": _U64,
        "period": _U64,
    },
    ("policy",),
)
_IO_PRIORITY = Shape(
    {
        "class": (word, ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE")),
        "priority": (integer, (0, 7)),
    },
    ("class",),
)
PROCESS = Shape(
    {
        "terminal": _BOOLEAN,
        "consoleSize": (
            object_of,
            Shape({"height": _U64, "width": _U64}, ("height", "width")),
        ),
        "user": (object_of, _USER),
        "args": _TEXTS,
        "commandLine": _IGNORED,
        "env": _TEXTS,
        "cwd": (absolute, None),
        "capabilities": (
            object_of,
            Shape(
                dict.fromkeys(
                    ("bounding", "effective", "inheritable", "permitted", "ambient"),
                    (_capability_names, None),
                )
            ),
        ),
        "rlimits": (_rlimits, None),
        "noNewPrivileges": _BOOLEAN,
        "apparmorProfile": _TEXT,
        "oomScoreAdj": (integer, (-1000, 1000)),
        "scheduler": (object_of, _SCHEDULER),
        "selinuxLabel": _TEXT,
        "ioPriority": (object_of, _IO_PRIORITY),
        "execCPUAffinity": (
            object_of,
            Shape(dict.fromkeys(("initial", "final"), (_processors, None))),
        ),
    },
    ("cwd", "args"),
    _process,
)
