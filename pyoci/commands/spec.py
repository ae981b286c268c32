"""``pyoci spec``."""

from __future__ import annotations

import os

from pyoci.commands.create import bundle_path
from pyoci.errors import PyociError, reason
from pyoci.spec.bundle import CONFIG
from pyoci.spec.default import default_config
from pyoci.spec.json_text import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings


def run(
    invocation: Invocation,
    settings: Settings,  # noqa: ARG001
    options: dict[str, Any],
    arguments: list[str],  # noqa: ARG001
) -> int:
    """Write a config.json to start from; one that is there is never overwritten."""
    ids = (os.geteuid(), os.getegid()) if options.get("rootless") else None
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    text = encode(default_config(unified=unified, ids=ids), indent=4) + "\n"
    directory = bundle_path(invocation, options)
    path = f"{directory}/{CONFIG}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)
    except FileExistsError:
        raise PyociError(
            f"File {CONFIG} exists. Remove it first",
            subject=path,
            hint="or name another directory: --bundle DIR",
        ) from None
    except OSError as error:
        raise PyociError(
            f"cannot write {path}: {reason(error)}",
            subject=path,
            hint="--bundle names a directory that exists and can be written",
        ) from None
    return 0
