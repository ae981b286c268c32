"""``ociVersion``: which versions of the specification a configuration may be written for."""

from __future__ import annotations

from pyoci.spec.rules import Fault, kind, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.spec.rules import Notes

OLDEST = "1.0.0"
NEWEST = "1.3.0"


def check_version(value: Any, _: object, notes: Notes) -> None:
    """Check for a SemVer 2.0.0 version with our major number.

    A newer minor version is welcome: it only adds, and what is unknown is ignored (config.md,
    Specification version).
    """
    text(value, None, notes)
    # Before-release and build parts ("1.0.2-dev", "1.2.0+dev") say nothing about compatibility.
    numbers = value.partition("+")[0].partition("-")[0].split(".")
    if len(numbers) != 3 or not all(n.isascii() and n.isdigit() and len(n) < 9 for n in numbers):
        raise Fault(f"{kind(value)} is not a version", f"write it as {NEWEST}")
    if numbers[0] != NEWEST[0]:
        raise Fault(
            f"version {kind(value)} of the specification is not supported",
            f"versions {OLDEST} to {NEWEST} are",
        )
