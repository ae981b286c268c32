"""``pyoci restore``."""

from __future__ import annotations

from pyoci.commands.checkpoint import criu_options
from pyoci.commands.create import bundle_path, create_options, refuse_console_socket
from pyoci.lifecycle.restore import RestoreOptions, restore
from pyoci.lifecycle.run import attend
from pyoci.spec.bundle import load_bundle
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

# Flags that are CRIU's options by the same name.
_SWITCHES = (
    "tcp_established",
    "tcp_close",
    "ext_unix_sk",
    "shell_job",
    "file_locks",
    "lazy_pages",
    "auto_dedup",
)


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Restore a container from image files; in the foreground give its exit status."""
    bundle = load_bundle(bundle_path(invocation, options))
    settled = create_options(invocation, settings, options)
    restoring = RestoreOptions(
        criu_options(invocation, options, _SWITCHES),
        lsm_profile=options.get("lsm_profile") or None,
        lsm_mount_context=options.get("lsm_mount_context") or None,
    )
    name = arguments[0]
    if options.get("detach"):
        _, warnings = restore(settings.root, name, bundle, settled, restoring)
        status = 0
    else:
        refuse_console_socket(settled)
        status, warnings = attend(
            Entry(settings.root, name),
            bundle,
            settled,
            lambda: restore(settings.root, name, bundle, settled, restoring),
            keep=False,
            stdin=invocation.stdin,
            stdout=invocation.stdout,
        )
    for warning in warnings:
        settings.warn(warning)
    return status
