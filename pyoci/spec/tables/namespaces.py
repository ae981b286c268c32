"""The types of ``/linux/namespaces`` (config-linux.md, Namespaces)."""

from __future__ import annotations

NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts")
