"""The flags of seccomp(2) that a profile asks for.

Apart from the compiler: flags do not change the program, so they are worked out on every load, from
the cache or not.
"""

from __future__ import annotations

from pyoci.errors import SeccompError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# include/uapi/linux/seccomp.h
SPEC_ALLOW = 1 << 2
WAIT_KILLABLE_RECV = 1 << 5

# SECCOMP_FILTER_FLAG_NEW_LISTENER is missing on purpose: a profile asks for it by SCMP_ACT_NOTIFY.
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1 << 0,
    "SECCOMP_FILTER_FLAG_LOG": 1 << 1,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": WAIT_KILLABLE_RECV,
}
POINTER = "/linux/seccomp/flags"


def filter_flags(profile: dict[str, Any], *, notify: bool) -> int:
    """Give the flags argument of seccomp(2) for a profile.

    ``notify`` says that a rule hands calls to an agent; the listener's own flag is not included:
    who loads the filter with a listener adds it. Raises SeccompError for an unknown flag.
    """
    names = profile.get("flags")
    if names is None:
        # As runc and crun do: without it the kernel turns off speculation in the whole container
        # (before Linux 5.16, and with spec_store_bypass_disable=seccomp after it).
        return SPEC_ALLOW
    if type(names) is not list:
        raise SeccompError(
            f"{POINTER}: flags is no list",
            subject=POINTER,
            hint="give a JSON array",
        )
    flags = 0
    for index, name in enumerate(names):
        flag = FLAGS.get(name) if type(name) is str else None
        if flag is None:
            raise SeccompError(
                f"{POINTER}/{index}: the flag {name!r} is unknown",
                subject=f"{POINTER}/{index}",
                hint=f"use one of {', '.join(FLAGS)}",
            )
        flags |= flag
    # EINVAL without a listener (seccomp(2)).
    return flags if notify else flags & ~WAIT_KILLABLE_RECV
