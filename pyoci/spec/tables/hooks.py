"""The kinds of ``/hooks``, in the order of a container's life (config.md, POSIX-platform Hooks)."""

from __future__ import annotations

HOOKS = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
)
