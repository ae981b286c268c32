"""``pyoci --version``, in the form that engines read.

Docker takes the last line with the word "version" for the version: there is one such line.
"""

from __future__ import annotations

import os

from pyoci import __version__
from pyoci.spec.version import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation,
    settings: Settings,  # noqa: ARG001
    options: dict[str, Any],  # noqa: ARG001
    arguments: list[str],  # noqa: ARG001
) -> int:
    """Write the version."""
    invocation.write(text())
    return 0


def text() -> str:
    """Give the lines: name and number, the commit if it is known, the specification."""
    lines = [f"pyoci version {__version__}"]
    commit = _commit()
    if commit:
        lines.append(f"commit: {commit}")
    lines.append(f"spec: {NEWEST}")
    return "\n".join(lines) + "\n"


def _commit() -> str:
    """Give the commit that setup.py recorded; empty in a checkout and in builds without git."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        with open(f"{package}/COMMIT", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""
