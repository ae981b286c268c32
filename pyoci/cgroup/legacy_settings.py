"""linux.resources to cgroup v1 files: a pure conversion, in the order of the necessary writes.

The files are those of Documentation/admin-guide/cgroup-v1. As in runc a 0 for a limit that cannot
sensibly be 0 (memory, cpu, blkio weights) means "not set"; -1 is unlimited.
"""

from __future__ import annotations

from pyoci.cgroup.files import Setting
from pyoci.cgroup.limits import ROOT
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[str, str], str | None]

SWAP_ACCOUNTING = "boot with swapaccount=1, or remove /linux/resources/memory/swap"
BFQ = "weights need the BFQ scheduler (CONFIG_BFQ_GROUP_IOSCHED): remove them or change the kernel"
THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"),
)


def legacy_settings(resources: dict[str, Any], reader: Reader) -> list[Setting]:
    """Convert linux.resources; ``reader(controller, file)`` gives current content or None.

    Raises CgroupError for values that no v1 kernel takes. ``unified`` and ``devices`` are not
    converted here.
    """
    settings: list[Setting] = []
    settings += _memory(resources.get("memory") or {}, reader)
    settings += _cpu(resources.get("cpu") or {})
    settings += _pids(resources.get("pids") or {})
    settings += _block_io(resources.get("blockIO") or {}, reader)
    settings += hugepages(resources.get("hugepageLimits") or [], "limit_in_bytes")
    settings += _network(resources.get("network") or {})
    settings += rdma(resources.get("rdma") or {})
    return settings


def _memory(memory: dict[str, Any], reader: Reader) -> list[Setting]:
    at = f"{ROOT}/memory"
    settings = []
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if limit == -1 and not swap:
        # Unlimited memory below the old memory+swap limit would be refused by the kernel.
        swap = -1
    check_swap(limit, swap)
    if limit > 0 and memory.get("checkBeforeUpdate"):
        check_usage("limit", limit, reader("memory", "memory.usage_in_bytes"))
    if limit:
        settings.append(
            Setting(
                "memory",
                "memory.limit_in_bytes",
                str(limit),
                f"{at}/limit",
                retry=True,
                hint="it must not exceed memory+swap: raise /linux/resources/memory/swap as well",
            )
        )
    if swap:
        settings.append(
            Setting(
                "memory",
                "memory.memsw.limit_in_bytes",
                str(swap),
                f"{at}/swap",
                hint=SWAP_ACCOUNTING,
                optional=swap == -1,
            )
        )
    if memory.get("reservation"):
        settings.append(
            Setting(
                "memory",
                "memory.soft_limit_in_bytes",
                str(memory["reservation"]),
                f"{at}/reservation",
            )
        )
    if memory.get("kernelTCP"):
        settings.append(
            Setting(
                "memory",
                "memory.kmem.tcp.limit_in_bytes",
                str(memory["kernelTCP"]),
                f"{at}/kernelTCP",
                optional=True,
            )
        )
    # memory.kernel: deprecated in runtime-spec 1.1, without effect since Linux 5.16: ignored, as
    # the specification allows.
    if memory.get("useHierarchy"):
        settings.append(
            Setting("memory", "memory.use_hierarchy", "1", f"{at}/useHierarchy", optional=True)
        )
    if memory.get("swappiness") is not None:
        settings.append(swappiness(memory["swappiness"]))
    if memory.get("disableOOMKiller"):
        settings.append(Setting("memory", "memory.oom_control", "1", f"{at}/disableOOMKiller"))
    return settings


def swappiness(value: int) -> Setting:
    """Check and convert memory.swappiness, 0 to 100."""
    if not 0 <= value <= 100:
        raise CgroupError(
            f"{ROOT}/memory/swappiness {value} is not between 0 and 100",
            subject=f"{ROOT}/memory/swappiness",
        )
    return Setting("memory", "memory.swappiness", str(value), f"{ROOT}/memory/swappiness")


def check_swap(limit: int, swap: int) -> None:
    """Refuse a memory+swap limit that contradicts the memory limit (bytes; 0 unset, -1 none)."""
    if swap > 0 and (limit == -1 or limit > swap):
        raise CgroupError(
            f"{ROOT}/memory/swap {swap} is less than {ROOT}/memory/limit {limit}: it limits memory "
            "and swap together",
            subject=f"{ROOT}/memory/swap",
            hint="give the sum of both, or -1 for no limit",
        )


def check_usage(name: str, limit: int, usage: str | None) -> None:
    """memory.checkBeforeUpdate: refuse a limit (bytes) below what is in use."""
    if usage is not None and usage.isdigit() and int(usage) > limit:
        raise CgroupError(
            f"set {ROOT}/memory/{name} to {limit}: {usage} bytes are in use, the update would kill",
            subject=f"{ROOT}/memory/{name}",
            hint="choose a larger limit, or leave out checkBeforeUpdate",
        )


def _cpu(cpu: dict[str, Any]) -> list[Setting]:
    at = f"{ROOT}/cpu"
    settings = []
    shares = cpu.get("shares") or 0
    if shares:
        if not 2 <= shares <= 262144:
            # The kernel would clamp it without a word.
            raise CgroupError(
                f"{at}/shares {shares} is not between 2 and 262144", subject=f"{at}/shares"
            )
        settings.append(
            Setting("cpu", "cpu.shares", str(shares), f"{at}/shares", hint=CPU_HINTS["shares"])
        )
    idle = cpu.get("idle")
    if idle is not None:
        setting = Setting("cpu", "cpu.idle", str(idle), f"{at}/idle", optional=idle == 0)
        # An idle cgroup has no weight that could be set.
        settings.insert(len(settings) if idle else 0, setting)
    # Realtime bandwidth must be there before a realtime process enters the cgroup.
    for key, file in (
        ("realtimePeriod", "cpu.rt_period_us"),
        ("realtimeRuntime", "cpu.rt_runtime_us"),
    ):
        if cpu.get(key):
            hint = "needs CONFIG_RT_GROUP_SCHED, and bandwidth left in every parent cgroup"
            settings.append(
                Setting("cpu", file, str(cpu[key]), f"{at}/{key}", retry=True, hint=hint)
            )
    # quota/period may not exceed the parent's at any moment, burst not the quota: hence retries.
    for key, file in (
        ("period", "cpu.cfs_period_us"),
        ("burst", "cpu.cfs_burst_us"),
        ("quota", "cpu.cfs_quota_us"),
    ):
        value = cpu.get(key)
        if value or (key == "burst" and value is not None):
            settings.append(
                Setting(
                    "cpu",
                    file,
                    str(value),
                    f"{at}/{key}",
                    retry=key != "quota",
                    optional=key == "burst" and value == 0,
                    hint=CPU_HINTS[key],
                )
            )
    return settings + cpuset(cpu)


CPU_HINTS = {
    "shares": "an idle cgroup has no weight: set /linux/resources/cpu/idle to 0 as well",
    "period": "1000 to 1000000 microseconds, with quota/period within the parent cgroup's",
    "burst": "not above the quota, which must be set; Linux 5.14 or newer",
    "quota": "1000 microseconds or more, with quota/period within the parent cgroup's",
}


def cpuset(cpu: dict[str, Any]) -> list[Setting]:
    """cpus and mems: the same files on v1 and v2."""
    return [
        Setting(
            "cpuset",
            f"cpuset.{key}",
            cpu[key],
            f"{ROOT}/cpu/{key}",
            hint=f"a list such as 0-3,7 of {what} that the parent cgroup has",
        )
        for key, what in (("cpus", "processors"), ("mems", "memory nodes"))
        if cpu.get(key)
    ]


def _pids(pids: dict[str, Any]) -> list[Setting]:
    limit = pids.get("limit")
    if limit is None:
        return []
    # runtime-spec 1.3: -1 is no limit, 0 is a limit of 0 (attaching is not a fork, so it works).
    return [Setting("pids", "pids.max", "max" if limit < 0 else str(limit), f"{ROOT}/pids/limit")]


def _block_io(block_io: dict[str, Any], reader: Reader) -> list[Setting]:
    at = f"{ROOT}/blockIO"
    settings = []

    def weight_file(name: str) -> str:
        # CFQ, whose files these are, left in Linux 5.0; BFQ has its own.
        bfq = name.replace("blkio.", "blkio.bfq.", 1)
        return bfq if reader("blkio", bfq) is not None else name

    for key, file in (("weight", "blkio.weight"), ("leafWeight", "blkio.leaf_weight")):
        if block_io.get(key):
            settings.append(
                Setting("blkio", weight_file(file), str(block_io[key]), f"{at}/{key}", hint=BFQ)
            )
    for index, device in enumerate(block_io.get("weightDevice") or []):
        number = f"{device['major']}:{device['minor']}"
        for key, file in (
            ("weight", "blkio.weight_device"),
            ("leafWeight", "blkio.leaf_weight_device"),
        ):
            if device.get(key):
                settings.append(
                    Setting(
                        "blkio",
                        weight_file(file),
                        f"{number} {device[key]}",
                        f"{at}/weightDevice/{index}/{key}",
                        hint=BFQ,
                    )
                )
    for key, file in THROTTLES:
        for index, device in enumerate(block_io.get(key) or []):
            settings.append(
                Setting(
                    "blkio",
                    file,
                    f"{device['major']}:{device['minor']} {device['rate']}",
                    f"{at}/{key}/{index}",
                    hint="needs CONFIG_BLK_DEV_THROTTLING and a whole disk, not a partition",
                )
            )
    return settings


def hugepages(limits: list[dict[str, Any]], suffix: str) -> list[Setting]:
    """Fault and, where the kernel has it (5.7), reservation limits per page size (``2MB``)."""
    settings = []
    for index, entry in enumerate(limits):
        size, limit = entry["pageSize"], str(entry["limit"])
        pointer = f"{ROOT}/hugepageLimits/{index}"
        if not size.replace(".", "").isalnum():
            raise CgroupError(f"{pointer}/pageSize {size!r} is no page size", subject=pointer)
        hint = "the page sizes of this kernel are listed in /sys/kernel/mm/hugepages"
        settings.append(Setting("hugetlb", f"hugetlb.{size}.{suffix}", limit, pointer, hint=hint))
        settings.append(
            Setting("hugetlb", f"hugetlb.{size}.rsvd.{suffix}", limit, pointer, optional=True)
        )
    return settings


def _network(network: dict[str, Any]) -> list[Setting]:
    at = f"{ROOT}/network"
    settings = []
    if network.get("classID"):
        settings.append(
            Setting("net_cls", "net_cls.classid", str(network["classID"]), f"{at}/classID")
        )
    for index, entry in enumerate(network.get("priorities") or []):
        settings.append(
            Setting(
                "net_prio",
                "net_prio.ifpriomap",
                f"{entry['name']} {entry['priority']}",
                f"{at}/priorities/{index}",
                hint="name an interface of the runtime's network namespace",
            )
        )
    return settings


def rdma(devices: dict[str, Any]) -> list[Setting]:
    """rdma.max: the same file on v1 and v2."""
    settings = []
    for name, limits in devices.items():
        words = [name]
        if limits.get("hcaHandles") is not None:
            words.append(f"hca_handle={limits['hcaHandles']}")
        if limits.get("hcaObjects") is not None:
            words.append(f"hca_object={limits['hcaObjects']}")
        settings.append(Setting("rdma", "rdma.max", " ".join(words), f"{ROOT}/rdma/{name}"))
    return settings
