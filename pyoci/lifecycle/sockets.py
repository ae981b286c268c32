"""Socket activation: the caller's listening sockets become the container's (sd_listen_fds(3))."""

from __future__ import annotations

import posix as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.lifecycle.create import CreateOptions
    from pyoci.spec.bundle import Bundle


def pass_sockets(bundle: Bundle, options: CreateOptions, environ: dict[str, str]) -> None:
    """Pass the caller's listening sockets on, as sd_listen_fds(3) says."""
    count = environ.get("LISTEN_FDS", "")
    if not (count.isascii() and count.isdigit()) or environ.get("LISTEN_PID") not in (
        None,
        "",
        str(os.getpid()),
    ):
        return
    options.preserve += int(count)
    variables = [f"LISTEN_FDS={count}", "LISTEN_PID=1"]
    if environ.get("LISTEN_FDNAMES"):
        variables.append(f"LISTEN_FDNAMES={environ['LISTEN_FDNAMES']}")
    process = bundle.config.get("process") or {}
    process["env"] = [*(process.get("env") or []), *variables]
