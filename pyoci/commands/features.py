"""``pyoci features``: what this runtime supports (features.md, features-linux.md).

Every list comes from the table that the runtime itself works with. Nothing is said about the host:
whether its kernel, its cgroups or its security modules play along shows when a container starts.
"""

from __future__ import annotations

from pyoci.plan.memory import FLAGS as MEMORY_POLICY_FLAGS
from pyoci.plan.memory import MODES as MEMORY_POLICY_MODES
from pyoci.seccomp.tables import ACTIONS, ARCHITECTURES, FLAGS, OPERATORS
from pyoci.spec.json_text import encode
from pyoci.spec.shapes.linux import UNSUPPORTED
from pyoci.spec.tables.capabilities import CAPABILITIES
from pyoci.spec.tables.hooks import HOOKS
from pyoci.spec.tables.mount_options import MOUNT_OPTIONS
from pyoci.spec.tables.namespaces import NAMESPACES
from pyoci.spec.version import NEWEST, OLDEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

# Annotations that change what the runtime does; those that end in a dot are prefixes.
_UNSAFE_ANNOTATIONS = ["org.systemd.property."]


def run(
    invocation: Invocation,
    settings: Settings,  # noqa: ARG001
    options: dict[str, Any],  # noqa: ARG001
    arguments: list[str],  # noqa: ARG001
) -> int:
    """Write the features structure as JSON."""
    invocation.write(encode(features(), indent=4) + "\n")
    return 0


def features() -> dict[str, Any]:
    """Give the features structure."""
    return {
        "ociVersionMin": OLDEST,
        "ociVersionMax": NEWEST,
        "hooks": list(HOOKS),
        "mountOptions": sorted(MOUNT_OPTIONS),
        "linux": {
            "namespaces": list(NAMESPACES),
            "capabilities": list(CAPABILITIES),
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": True,
                "systemdUser": True,
                "rdma": True,
            },
            "seccomp": {
                "enabled": True,
                "actions": sorted(ACTIONS),
                "operators": sorted(OPERATORS),
                "archs": sorted(ARCHITECTURES),
                "knownFlags": sorted(FLAGS),
                "supportedFlags": sorted(FLAGS),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": "intelRdt" not in UNSUPPORTED},
            "memoryPolicy": {
                "modes": sorted(MEMORY_POLICY_MODES),
                "flags": sorted(MEMORY_POLICY_FLAGS),
            },
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": "netDevices" not in UNSUPPORTED},
        },
        "potentiallyUnsafeConfigAnnotations": _UNSAFE_ANNOTATIONS,
    }
