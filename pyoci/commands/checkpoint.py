"""``pyoci checkpoint``."""

from __future__ import annotations

from pyoci.commands.create import absolute
from pyoci.criu.options import CriuOptions
from pyoci.errors import UsageError
from pyoci.lifecycle.checkpoint import CheckpointOptions, checkpoint
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

# Flags that are CRIU's options by the same name.
_SWITCHES = (
    "tcp_established",
    "tcp_skip_in_flight",
    "link_remap",
    "ext_unix_sk",
    "shell_job",
    "lazy_pages",
    "file_locks",
    "auto_dedup",
)
_DEFAULT_IMAGES = "checkpoint"


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Write a container's processes to image files; unless it is left running, delete it."""
    settled = CheckpointOptions(
        criu_options(invocation, options, _SWITCHES),
        leave_running=bool(options.get("leave_running")),
        pre_dump=bool(options.get("pre_dump")),
        parent_path=options.get("parent_path") or None,
        page_server=_page_server(options.get("page_server")),
        status_fd=_status_descriptor(options.get("status_fd")),
    )
    for warning in checkpoint(Entry(settings.root, arguments[0]), settled):
        settings.warn(warning)
    return 0


def criu_options(
    invocation: Invocation, options: dict[str, Any], switches: tuple[str, ...]
) -> CriuOptions:
    """Give what checkpoint and restore have in common; ``switches`` are flags that CRIU knows."""
    return CriuOptions(
        image_path=absolute(invocation, options.get("image_path") or _DEFAULT_IMAGES) or "",
        work_path=absolute(invocation, options.get("work_path")),
        switches=tuple(name for name in switches if options.get(name)),
        manage_cgroups_mode=options.get("manage_cgroups_mode") or None,
        empty_namespaces=tuple(options.get("empty_ns") or ()),
        environ=invocation.environ,
    )


def _page_server(value: str | None) -> tuple[str, int] | None:
    if not value:
        return None
    address, _, port = value.rpartition(":")
    if address and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16:
        return address.strip("[]"), int(port)
    raise UsageError(
        f"invalid value {value!r} for flag --page-server",
        subject="--page-server",
        hint="--page-server ADDRESS:PORT",
    )


def _status_descriptor(number: int | None) -> int | None:
    if number is None or number < 0:
        return None
    import fcntl

    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        raise UsageError(
            f"--status-fd {number}: file descriptor {number} is not open",
            subject="--status-fd",
            hint="it is the number of a descriptor that the caller passes on",
        ) from None
    return number
