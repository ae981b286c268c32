"""Descriptors that the caller wants passed on (``--preserve-fds``)."""

from __future__ import annotations

from pyoci.errors import UsageError


def check_preserved(count: int) -> None:
    """Raise UsageError unless the caller has passed on descriptors 3 to 2 + count."""
    import fcntl

    for number in range(3, 3 + count):
        try:
            # Our own (the log, say) are close-on-exec: what came through an exec is not.
            passed = not fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        except OSError:
            passed = False
        if not passed:
            raise UsageError(
                f"--preserve-fds {count}: file descriptor {number} is not open",
                hint="the descriptors to keep are 3 and the following, without gaps",
            )
