"""Checks a configuration before anything is made of it: one pass over the tables of `shapes`.

After it every module may take the types and ranges of what it reads for granted.
"""

from __future__ import annotations

from pyoci.errors import SpecError
from pyoci.spec.rules import Fault, object_of
from pyoci.spec.shapes import CONFIG
from pyoci.spec.shapes.process import PROCESS
from pyoci.spec.shapes.resources import RESOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Shape

_HINTS = {
    "/ociVersion": "name the version of the specification it is written for, such as 1.3.0",
    "/root": 'name the root file system: {"path": "rootfs"}',
    "/root/path": 'name the root file system, "rootfs" as a rule',
    "/process": "say what to run; pyoci spec writes an example",
    "/process/args": 'name the program to run: ["sh"]',
    "/process/cwd": 'name the working directory, "/" as a rule',
}


def check_config(config: Any) -> list[str]:
    """Check a whole config.json; give warnings about members that are probably misspelt.

    Members that are null are removed from it: null means absent.

    Raises SpecError with the JSON pointer of the first fault.
    """
    return _check(config, CONFIG)


def check_process(process: Any) -> list[str]:
    """Check a ``process`` object, as exec takes it; its pointers begin inside it.

    Gives warnings, removes null members and raises SpecError as `check_config` does.
    """
    return _check(process, PROCESS)


def check_resources(resources: Any) -> list[str]:
    """Check a ``linux.resources`` object, as update takes it; its pointers begin inside it.

    Gives warnings, removes null members and raises SpecError as `check_config` does.
    """
    return _check(resources, RESOURCES)


def _check(value: Any, shape: Shape) -> list[str]:
    notes: list[str] = []
    try:
        object_of(value, shape, notes)
    except Fault as fault:
        raise spec_error(fault) from None
    if not notes:
        return []
    from pyoci.spec.unknown import misspelt

    return misspelt(value, (object_of, shape))


def spec_error(fault: Fault, start: str = "") -> SpecError:
    """Give the error that people see for a broken rule."""
    pointer = fault.pointer(start)
    shown = "".join(c if c.isprintable() else "?" for c in pointer) or "config.json"
    hint = fault.hint
    if hint is None and fault.message == "is missing":
        hint = _HINTS.get(pointer)
    return SpecError(f"{shown}: {fault.message}", subject=pointer, hint=hint)
