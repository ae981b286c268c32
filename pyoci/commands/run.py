"""``pyoci run``."""

from __future__ import annotations

from pyoci import phases
from pyoci.commands.create import bundle_path, create_options, refuse_console_socket
from pyoci.lifecycle import run as lifecycle
from pyoci.lifecycle.sockets import pass_sockets
from pyoci.spec.bundle import load_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Create a container and start it; in the foreground give its exit status."""
    phases.mark("modules")
    bundle = load_bundle(bundle_path(invocation, options))
    phases.mark("load")
    settled = create_options(invocation, settings, options)
    pass_sockets(bundle, settled, invocation.environ)
    if options.get("detach"):
        warnings = lifecycle.run_detached(settings.root, arguments[0], bundle, settled)
        status = 0
    else:
        refuse_console_socket(settled)
        status, warnings = lifecycle.run(
            settings.root,
            arguments[0],
            bundle,
            settled,
            keep=bool(options.get("keep")),
            stdin=invocation.stdin,
            stdout=invocation.stdout,
        )
    for warning in warnings:
        settings.warn(warning)
    return status
