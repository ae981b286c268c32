"""Finds members of config.json that are ignored because their names are misspelt.

Unknown members are not errors (config.md, Extensibility), and most are somebody's extension. One
whose name is almost that of a known one is worth a warning. Loaded only when a configuration has
unknown members at all.
"""

from __future__ import annotations

from pyoci.spec.rules import Fault, Shape, list_of, map_of, object_of
from pyoci.spec.suggest import closest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Rule


def misspelt(value: Any, rule: Rule, start: str = "") -> list[str]:
    """Give a warning for every unknown member of a checked value that looks like a known one."""
    warnings: list[str] = []
    _walk(value, rule, [], start, warnings)
    return warnings


def _walk(value: Any, rule: Rule, path: list[str], start: str, warnings: list[str]) -> None:
    function, argument = rule
    if function is object_of:
        shape: Shape = argument
        for name, member in value.items():
            if name in shape.members:
                _walk(member, shape.members[name], [name, *path], start, warnings)
            elif (meant := closest(name, set(shape.members) - set(value))) is not None:
                pointer = Fault("", None, name, *path).pointer(start)
                shown = "".join(c if c.isprintable() else "?" for c in pointer)
                warnings.append(f"{shown} is unknown and ignored: did you mean {meant}?")
    elif function is list_of:
        for index, item in enumerate(value):
            _walk(item, argument, [str(index), *path], start, warnings)
    elif function is map_of:
        for name, member in value.items():
            _walk(member, argument, [name, *path], start, warnings)
