"""A profile read literally, call by call: slow, short, and sharing nothing with the compiler.

For architectures without multiplexed calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libseccomp_oracle import ACTIONS

# Most restrictive first (seccomp(2)).
ORDER = [
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_KILL",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_LOG",
    "SCMP_ACT_ALLOW",
]


def encoded(action: str, errno: int | None) -> int:
    """Give a SECCOMP_RET_ value."""
    if action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        return ACTIONS[action] | (1 if errno is None else errno)
    return ACTIONS[action]


def holds(compared: dict[str, Any], args: Sequence[int], width: int) -> bool:
    """Say whether an element of ``args`` holds."""
    mask = (1 << width) - 1
    argument, constant = args[compared["index"]] & mask, compared["value"] & mask
    return {
        "SCMP_CMP_NE": argument != constant,
        "SCMP_CMP_LT": argument < constant,
        "SCMP_CMP_LE": argument <= constant,
        "SCMP_CMP_EQ": argument == constant,
        "SCMP_CMP_GE": argument >= constant,
        "SCMP_CMP_GT": argument > constant,
        "SCMP_CMP_MASKED_EQ": argument & constant == compared.get("valueTwo", 0) & constant,
    }[compared["op"]]


def read(
    profile: dict[str, Any],
    numbers: dict[str, int],
    number: int,
    args: Sequence[int],
    *,
    width: int = 64,
    enosys: int = 38,
) -> int:
    """Give the SECCOMP_RET_ value for a call of an architecture that the filter knows."""
    default = encoded(profile["defaultAction"], profile.get("defaultErrnoRet"))
    matching = []
    newest = -1
    for rule in profile["syscalls"]:
        known = [numbers[name] for name in rule["names"] if name in numbers]
        newest = max([newest, *known])
        action = encoded(rule["action"], rule.get("errnoRet"))
        if number not in known or action == default:
            continue
        if not rule["args"]:
            # The first unconditional rule decides, whatever else there is.
            matching.append((-1, action))
        elif all(holds(compared, args, width) for compared in rule["args"]):
            matching.append((ORDER.index(rule["action"]), action))
    if matching:
        return min(matching, key=lambda match: match[0])[1]
    mild = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")
    if newest < number < 0xFFFFFFFF and newest >= 0 and profile["defaultAction"] not in mild:
        return 0x00050000 | enosys
    return default
