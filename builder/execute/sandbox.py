"""The config.json of a RUN step's container.

A step may do what engines let containers do by default: fourteen capabilities, the usual paths
masked, no devices but the standard ones, the system calls of `builder.execute.seccomp`.
`--security=insecure` lifts all of that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from builder.container_defaults import CAPABILITIES, MASKED_PATHS, OCI_VERSION, READONLY_PATHS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.execute.accounts import Account

HOSTNAME = "buildkitsandbox"
"""The reference's, because it ends up in files that package managers write."""

_MORE = (
    "CAP_DAC_READ_SEARCH",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_LEASE",
    "CAP_AUDIT_CONTROL",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)


@dataclass(frozen=True, slots=True)
class Process:
    """What is executed: arguments, environment, directory, who."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    account: Account


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where it is executed.

    Attributes:
        rootfs: path of the root directory.
        mounts: beyond the standard ones, in order: config.json's `mounts`.
        hostname: of the UTS namespace.
        isolated_network: a network of its own, with nothing but the loopback.
        insecure: as `--security=insecure` says.
        in_user_namespace: what only the host's root can mount is bound instead.
        keeps_groups: the user namespace does not allow further groups (setgroups(2)).
        seccomp: `linux.seccomp`, for steps that are not insecure; None for no filter.
    """

    rootfs: str
    mounts: list[dict[str, Any]] = field(default_factory=list)
    hostname: str = HOSTNAME
    isolated_network: bool = False
    insecure: bool = False
    in_user_namespace: bool = False
    keeps_groups: bool = False
    seccomp: dict[str, Any] | None = None


def bind(source: str, target: str, *options: str) -> dict[str, Any]:
    """A bind mount of config.json, of everything below source."""
    return {
        "destination": target,
        "type": "bind",
        "source": source,
        "options": ["rbind", "rprivate", *options],
    }


def config(process: Process, sandbox: Sandbox) -> dict[str, Any]:
    """The container's configuration (runtime-spec config.md)."""
    namespaces = ["pid", "ipc", "uts", "mount", "cgroup"]
    if sandbox.isolated_network:
        namespaces.append("network")
    linux: dict[str, Any] = {
        "namespaces": [{"type": name} for name in namespaces],
        "resources": {"devices": [{"allow": sandbox.insecure, "access": "rwm"}]},
    }
    if not sandbox.insecure:
        linux["maskedPaths"] = list(MASKED_PATHS)
        linux["readonlyPaths"] = list(READONLY_PATHS)
        if sandbox.seccomp is not None:
            linux["seccomp"] = sandbox.seccomp
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": False,
            "user": _user(process.account, with_groups=not sandbox.keeps_groups),
            "args": list(process.args),
            "env": list(process.env),
            "cwd": process.cwd,
            "capabilities": _capabilities(process.account, insecure=sandbox.insecure),
            "noNewPrivileges": False,
        },
        "root": {"path": sandbox.rootfs, "readonly": False},
        "hostname": sandbox.hostname,
        "mounts": [*standard_mounts(sandbox), *sandbox.mounts],
        "linux": linux,
    }


def _user(account: Account, *, with_groups: bool) -> dict[str, Any]:
    user: dict[str, Any] = {"uid": account.uid, "gid": account.gid}
    if account.groups and with_groups:
        user["additionalGids"] = list(account.groups)
    return user


def _capabilities(account: Account, *, insecure: bool) -> dict[str, list[str]]:
    allowed = list(CAPABILITIES)
    if insecure:
        allowed += _MORE
    if account.uid != 0:
        # An ordinary user may gain them by executing a set-user-ID program, and has none before.
        return {"bounding": allowed}
    return {"bounding": allowed, "effective": allowed, "permitted": allowed}


def standard_mounts(sandbox: Sandbox) -> list[dict[str, Any]]:
    """/proc, /dev and what is in it, /sys."""
    access = "rw" if sandbox.insecure else "ro"
    pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    if not sandbox.in_user_namespace:
        pts.append("gid=5")  # need not be mapped in a user namespace
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", *pts),
        _mount(
            "/dev/shm", "tmpfs", "shm", *("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")
        ),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    ]
    if sandbox.in_user_namespace and not sandbox.isolated_network:
        # sysfs shows the network; whoever mounts it must own that network's namespace.
        mounts.append(bind("/sys", "/sys", "nosuid", "noexec", "nodev", access))
    else:
        mounts.append(_mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access))
        mounts.append(
            _mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "ro")
        )
    return mounts


def _mount(target: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}
