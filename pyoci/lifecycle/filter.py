"""The seccomp filter of a container's processes."""

from __future__ import annotations

import posix as os

from pyoci import phases
from pyoci.state.store import SECCOMP_CACHE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.plan.process import Filter


def compiled_filter(root: str, linux: dict[str, Any]) -> Filter | None:
    """Give the seccomp filter of a configuration, compiled or from the cache below the root."""
    profile = linux.get("seccomp")
    if not profile:
        return None
    from pyoci.plan.process import Filter
    from pyoci.seccomp import load_filter

    phases.mark("plan")
    filter_ = load_filter(profile, cache_dir=f"{root}/{SECCOMP_CACHE}", native=os.uname().machine)
    phases.mark("seccomp")
    return Filter(filter_.program, filter_.flags)
