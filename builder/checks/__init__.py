"""What can be said of an image only when it is there: programs that cannot start, secrets, waste.

`check_image` reads the layers' archives once and never unpacks them: everything that is looked at
(names, links, modes, headers of programs, the password file) is small.
"""

from __future__ import annotations

from builder.checks.checks import CHECKS, Check, Problem
from builder.checks.image import check_image
from builder.checks.known_layers import KnownLayers
from builder.checks.secrets import SecretLeakError, refuse_secrets

__all__ = [
    "CHECKS",
    "Check",
    "KnownLayers",
    "Problem",
    "SecretLeakError",
    "check_image",
    "refuse_secrets",
]
