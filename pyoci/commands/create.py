"""``pyoci create``."""

from __future__ import annotations

from pyoci import phases
from pyoci.commands.descriptors import check_preserved
from pyoci.errors import UsageError
from pyoci.lifecycle.create import CreateOptions, create
from pyoci.lifecycle.sockets import pass_sockets
from pyoci.spec.bundle import load_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Create a container that waits for start."""
    phases.mark("modules")
    bundle = load_bundle(bundle_path(invocation, options))
    phases.mark("load")
    settled = create_options(invocation, settings, options)
    pass_sockets(bundle, settled, invocation.environ)
    _, warnings = create(settings.root, arguments[0], bundle, settled)
    for warning in warnings:
        settings.warn(warning)
    return 0


def bundle_path(invocation: Invocation, options: dict[str, Any]) -> str:
    """Give the absolute path of ``--bundle``, the working directory by default."""
    path = options.get("bundle") or "."
    return path if path.startswith("/") else f"{invocation.cwd}/{path}"


def create_options(
    invocation: Invocation, settings: Settings, options: dict[str, Any]
) -> CreateOptions:
    """Give the flags that create, run and restore share."""
    preserve = options.get("preserve_fds") or 0
    if preserve < 0:
        raise UsageError("--preserve-fds needs a number that is not negative")
    check_preserved(preserve)
    return CreateOptions(
        console_socket=absolute(invocation, options.get("console_socket")),
        pidfd_socket=absolute(invocation, options.get("pidfd_socket")),
        pid_file=absolute(invocation, options.get("pid_file")),
        no_pivot=bool(options.get("no_pivot")),
        keyring=not options.get("no_new_keyring"),
        preserve=preserve,
        systemd_cgroup=settings.systemd_cgroup,
        rootless=settings.rootless,
        stdio=(invocation.stdin, invocation.stdout, invocation.stderr),
    )


def refuse_console_socket(options: CreateOptions) -> None:
    """Raise UsageError when a command that stays is told where to send the terminal."""
    if options.console_socket is not None:
        raise UsageError(
            "cannot use console socket if pyoci will not detach or allocate tty",
            hint="add --detach, or leave --console-socket out",
        )


def absolute(invocation: Invocation, path: str | None) -> str | None:
    """Give a flag's path as an absolute one, None when it is not given."""
    if not path:
        return None
    return path if path.startswith("/") else f"{invocation.cwd}/{path}"
