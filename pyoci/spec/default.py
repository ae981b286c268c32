"""The configuration that ``pyoci spec`` writes: runc's default, as far as it still makes sense."""

from __future__ import annotations

from pyoci.paths import SEARCH_PATH
from pyoci.spec.version import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_PATH = f"PATH={SEARCH_PATH}"
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    "/proc/scsi",
)
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def default_config(*, unified: bool, ids: tuple[int, int] | None = None) -> dict[str, Any]:
    """Give a configuration that runs a shell in ``rootfs``.

    ``unified`` says that the host has cgroup v2 alone: only there a cgroup namespace shows the
    container no more than it may see. ``ids`` are uid and gid of an ordinary user, who needs a user
    namespace and can neither make network devices nor set limits.
    """
    namespaces = ["pid", "ipc", "uts", "mount"]
    if ids is None:
        namespaces.insert(1, "network")
    else:
        namespaces.append("user")
    if unified:
        namespaces.append("cgroup")
    linux: dict[str, Any] = {
        "namespaces": [{"type": name} for name in namespaces],
        "maskedPaths": list(_MASKED),
        "readonlyPaths": list(_READONLY),
    }
    if ids is None:
        linux = {"resources": {"devices": [{"allow": False, "access": "rwm"}]}, **linux}
    else:
        uid, gid = ids
        linux = {
            "uidMappings": [{"containerID": 0, "hostID": uid, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": gid, "size": 1}],
            **linux,
        }
    return {
        "ociVersion": NEWEST,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [_PATH, "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                name: list(_CAPABILITIES) for name in ("bounding", "effective", "permitted")
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "pyoci",
        "mounts": _mounts(rootless=ids is not None),
        "linux": linux,
    }


def _mounts(*, rootless: bool) -> list[dict[str, Any]]:
    terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    sysfs = _mount("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro")
    if rootless:
        # A new sysfs belongs to whoever owns the network namespace: here that is the host.
        sysfs = _mount("/sys", "none", "/sys", "rbind nosuid noexec nodev ro")
    else:
        terminals.append("gid=5")
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        _mount("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", " ".join(terminals)),
        _mount("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
        sysfs,
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro"),
    ]


def _mount(destination: str, kind: str, source: str, options: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "type": kind,
        "source": source,
        "options": options.split(),
    }
