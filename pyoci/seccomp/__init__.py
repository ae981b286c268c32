"""Seccomp: from ``linux.seccomp`` of config.json to a program for seccomp(2).

`load_filter` is all the runtime calls. A profile that was seen before costs a digest and a file;
the compiler (`pyoci.seccomp.compile`) is loaded for new ones only.
"""

from __future__ import annotations

import sys

from pyoci.errors import SeccompError
from pyoci.seccomp import cache
from pyoci.seccomp.flags import filter_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CompiledFilter:
    """A filter as seccomp(2) takes it.

    ``program`` is an array of struct sock_filter in the machine's byte order; ``flags`` are
    SECCOMP_FILTER_FLAG_*, without that of a new listener; ``notify`` says that a rule hands calls
    to an agent.
    """

    __slots__ = ("flags", "notify", "program")

    def __init__(self, program: bytes, flags: int, *, notify: bool) -> None:
        self.program = program
        self.flags = flags
        self.notify = notify


def load_filter(profile: dict[str, Any], cache_dir: str | None, native: str) -> CompiledFilter:
    """Give the filter of a ``linux.seccomp`` object, from the cache or compiled and then kept.

    ``native`` is the machine as uname(2) calls it. Without ``cache_dir`` nothing is kept.

    Raises SeccompError when the profile is wrong, or needs more than the kernel takes.
    """
    if type(profile) is not dict:
        raise SeccompError(
            "/linux/seccomp: the profile is no object",
            subject="/linux/seccomp",
            hint="give an object with at least defaultAction, or leave it out",
        )
    key = cache.key(profile, native) if cache_dir else None
    found = cache.read(cache_dir, key) if cache_dir and key else None
    if found is None:
        from pyoci.seccomp.compile import compile_profile

        compiled = compile_profile(profile, native, wide=sys.maxsize > 1 << 32)
        found = compiled.code, compiled.notify
        if cache_dir and key:
            cache.write(cache_dir, key, *found)
    program, notify = found
    return CompiledFilter(program, filter_flags(profile, notify=notify), notify=notify)
