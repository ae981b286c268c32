"""Random profiles and random calls, from a seed: the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

DEFAULTS = [
    ("SCMP_ACT_ERRNO", None),
    ("SCMP_ACT_ERRNO", 38),
    ("SCMP_ACT_KILL_PROCESS", None),
    ("SCMP_ACT_KILL", None),
    ("SCMP_ACT_TRAP", None),
    ("SCMP_ACT_ALLOW", None),
    ("SCMP_ACT_LOG", None),
    ("SCMP_ACT_TRACE", 7),
]
ACTIONS = [*DEFAULTS, ("SCMP_ACT_NOTIFY", None), ("SCMP_ACT_ALLOW", None), ("SCMP_ACT_ALLOW", None)]
NEEDED_BY_THE_RUNTIME = ("capset", "close", "prctl", "sendmsg", "write")
OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
# Where words, signs and carries change.
EDGES = [
    0,
    1,
    2,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
    0x100000000,
    0x100000001,
    0x1FFFFFFFF,
    0x8000000000000000,
    0xFFFFFFFF00000000,
    0xFFFFFFFFFFFFFFFE,
    0xFFFFFFFFFFFFFFFF,
]


def value(source: random.Random) -> int:
    """Give a 64-bit number, mostly one at which comparisons change."""
    kind = source.random()
    if kind < 0.6:
        return source.choice(EDGES)
    if kind < 0.8:
        return source.getrandbits(8)
    return source.getrandbits(source.choice((16, 32, 33, 64)))


def argument(source: random.Random, index: int) -> dict[str, Any]:
    """Give an element of ``args``."""
    operator = source.choice(OPERATORS)
    found = {"index": index, "value": value(source), "op": f"SCMP_CMP_{operator}"}
    if operator == "MASKED_EQ":
        found["value"] = source.choice((0xFF, 0x7E020000, 0xFFFFFFFF00000000, value(source)))
        found["valueTwo"] = value(source) & found["value"]
    return found


def rule(
    source: random.Random, name: str, action: tuple[str, int | None], comparisons: int
) -> dict[str, Any]:
    """Give a rule for one name, with comparisons of that many different arguments."""
    found: dict[str, Any] = {"names": [name], "action": action[0]}
    if action[1] is not None:
        found["errnoRet"] = action[1]
    indexes = source.sample(range(6), comparisons)
    found["args"] = [argument(source, index) for index in indexes]
    return found


def profile(
    source: random.Random,
    names: list[str],
    architectures: list[str],
    *,
    actions_per_name: int = 1,
    most_comparisons: int = 3,
    most_alternatives: int = 3,
) -> dict[str, Any]:
    """Give a profile in which each name gets some rules with up to so many different actions."""
    default = source.choice(DEFAULTS)
    rules = []
    for name in source.sample(names, source.randint(1, min(40, len(names)))):
        choice = DEFAULTS if name in NEEDED_BY_THE_RUNTIME else ACTIONS
        actions = [source.choice(choice) for _ in range(actions_per_name)]
        if source.random() < 0.4:
            rules.append(rule(source, name, actions[0], 0))
            if actions_per_name == 1:
                continue
        for _ in range(source.randint(1, most_alternatives)):
            count = source.randint(1, most_comparisons)
            rules.append(rule(source, name, source.choice(actions), count))
    source.shuffle(rules)
    found: dict[str, Any] = {
        "defaultAction": default[0],
        "architectures": architectures,
        "syscalls": rules,
        "listenerPath": "/run/agent",
    }
    if default[1] is not None:
        found["defaultErrnoRet"] = default[1]
    return found


def arguments(source: random.Random, found: dict[str, Any], name: str) -> list[int]:
    """Give six arguments, near the constants that the profile's rules for a name compare with."""
    constants = {index: [0] for index in range(6)}
    for each in found["syscalls"]:
        if name in each["names"]:
            for compared in each.get("args") or ():
                constants[compared["index"]] += [compared["value"], compared.get("valueTwo", 0)]
    near = []
    for index in range(6):
        constant = source.choice(constants[index])
        kind = source.random()
        if kind < 0.5:
            near.append(constant)
        elif kind < 0.8:
            near.append((constant + source.choice((-1, 1, 1 << 32, -(1 << 32)))) % (1 << 64))
        else:
            near.append(value(source))
    return near


def calls(
    source: random.Random, found: dict[str, Any], numbers: dict[str, int], count: int
) -> Iterator[tuple[int, list[int]]]:
    """Give calls of a profile's names and their neighbours, and some of any number."""
    named = [name for each in found["syscalls"] for name in each["names"] if name in numbers]
    for _ in range(count):
        kind = source.random()
        if named and kind < 0.8:
            name = source.choice(named)
            yield numbers[name], arguments(source, found, name)
        elif named and kind < 0.9:
            number = numbers[source.choice(named)] + source.choice((-1, 1))
            yield number % (1 << 32), [value(source) for _ in range(6)]
        else:
            number = source.choice((source.randrange(600), source.getrandbits(32), 0xFFFFFFFF))
            yield number, [value(source) for _ in range(6)]
