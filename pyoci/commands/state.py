"""``pyoci state``."""

from __future__ import annotations

from pyoci.lifecycle.find import find, status_of
from pyoci.spec.json_text import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings
    from pyoci.state.store import Entry, State


def run(
    invocation: Invocation,
    settings: Settings,
    options: dict[str, Any],  # noqa: ARG001
    arguments: list[str],
) -> int:
    """Write the state of a container as JSON."""
    entry, state = find(settings.root, arguments[0])
    invocation.write(encode(describe(entry, state), indent=2) + "\n")
    return 0


def describe(entry: Entry, state: State) -> dict[str, Any]:
    """Give a container's state with the members that runc adds to the specification's."""
    status = status_of(entry, state)
    result: dict[str, Any] = {
        "ociVersion": state.oci_version,
        "id": state.id,
        "pid": 0 if status == "stopped" else state.pid,
        "status": status,
        "bundle": state.bundle,
        "rootfs": state.rootfs,
        "created": state.created,
    }
    if state.annotations:
        result["annotations"] = state.annotations
    result["owner"] = ""
    if state.owner:
        from pyoci.lifecycle.report import owner_name

        result["owner"] = owner_name(state.owner)
    return result
