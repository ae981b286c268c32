"""linux.resources to cgroup v2 files: a pure conversion (kernel: admin-guide/cgroup-v2).

Most of linux.resources is v1's vocabulary; what v2 has no equivalent for is refused, as the spec
demands ("the runtime MUST generate an error when … cannot be converted"), except when the value
asks for what is the case anyway.
"""

from __future__ import annotations

from pyoci.cgroup.files import Setting
from pyoci.cgroup.legacy_settings import (
    CPU_HINTS,
    check_swap,
    check_usage,
    cpuset,
    hugepages,
    rdma,
)
from pyoci.cgroup.limits import ROOT
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reader = Callable[[str], str | None]

PERIOD_DEFAULT = 100000
THROTTLES = (
    ("throttleReadBpsDevice", "rbps"),
    ("throttleWriteBpsDevice", "wbps"),
    ("throttleReadIOPSDevice", "riops"),
    ("throttleWriteIOPSDevice", "wiops"),
)
# Without equivalent on v2: (object, key) -> what to do instead.
UNCONVERTIBLE = {
    ("memory", "swappiness"): "v2 has no swappiness per cgroup; limit swap instead",
    ("memory", "disableOOMKiller"): "v2 always kills; use memory.high in /linux/resources/unified",
    ("cpu", "realtimeRuntime"): "v2 does not divide realtime bandwidth",
    ("cpu", "realtimePeriod"): "v2 does not divide realtime bandwidth",
    ("blockIO", "leafWeight"): "leaf weights left the kernel in Linux 5.0",
    ("network", "classID"): "v2 has no net_cls; match the cgroup path in nftables",
    ("network", "priorities"): "v2 has no net_prio; match the cgroup path in nftables",
}


def unified_settings(resources: dict[str, Any], reader: Reader) -> list[Setting]:
    """Convert linux.resources; ``reader(file)`` gives a file's current content or None.

    Raises CgroupError for what v2 cannot express. ``devices`` are a BPF program, not files.
    """
    for (name, key), instead in UNCONVERTIBLE.items():
        value = (resources.get(name) or {}).get(key)
        # A swappiness of 0 asks for something as well.
        if value or (key == "swappiness" and value is not None):
            raise CgroupError(
                f"{ROOT}/{name}/{key} cannot be converted to cgroup v2",
                subject=f"{ROOT}/{name}/{key}",
                hint=f"remove it: {instead}",
            )
    settings: list[Setting] = []
    settings += _memory(resources.get("memory") or {}, reader)
    settings += _cpu(resources.get("cpu") or {}, reader)
    limit = (resources.get("pids") or {}).get("limit")
    if limit is not None:
        value = "max" if limit < 0 else str(limit)
        settings.append(Setting("pids", "pids.max", value, f"{ROOT}/pids/limit"))
    settings += _block_io(resources.get("blockIO") or {}, reader)
    settings += hugepages(resources.get("hugepageLimits") or [], "max")
    settings += rdma(resources.get("rdma") or {})
    # Last, so that native settings win over converted ones.
    settings += unified_map(resources.get("unified") or {})
    return settings


def _memory(memory: dict[str, Any], reader: Reader) -> list[Setting]:
    at = f"{ROOT}/memory"
    settings = []
    limit = memory.get("limit") or 0
    swap_only = swap_without_memory(limit, memory.get("swap") or 0)
    if memory.get("checkBeforeUpdate"):
        if limit > 0:
            check_usage("limit", limit, reader("memory.current"))
        if swap_only is not None and swap_only >= 0:
            check_usage("swap", swap_only, reader("memory.swap.current"))
    if swap_only is not None:
        settings.append(
            Setting(
                "memory",
                "memory.swap.max",
                _or_max(swap_only),
                f"{at}/swap",
                # No swap support means no swap: right for 0, and for "as much as there is".
                optional=swap_only <= 0,
                hint="the kernel has no swap accounting: boot with swapaccount=1",
            )
        )
    if limit:
        settings.append(Setting("memory", "memory.max", _or_max(limit), f"{at}/limit"))
    if memory.get("reservation"):
        value = _or_max(memory["reservation"])
        settings.append(Setting("memory", "memory.low", value, f"{at}/reservation"))
    return settings


def swap_without_memory(limit: int, swap: int) -> int | None:
    """Turn the spec's memory+swap limit into v2's swap limit (bytes; -1 unlimited, None unset)."""
    if limit == -1 and not swap:
        return -1
    if not swap:
        return None
    if swap == -1:
        return -1
    if not limit:
        raise CgroupError(
            f"{ROOT}/memory/swap {swap} limits memory and swap together: {ROOT}/memory/limit is "
            "needed to know the part of swap",
            subject=f"{ROOT}/memory/swap",
            hint="set /linux/resources/memory/limit, or memory.swap.max in unified",
        )
    check_swap(limit, swap)
    return swap - limit


def weight_of_shares(shares: int) -> int:
    """Convert cpu.shares (2..262144, default 1024) to cpu.weight (1..10000, default 100).

    A quadratic in log2 that maps minimum, default and maximum to each other, as all runtimes do
    since 2025 (the linear formula before gave a default container a weight of 39).
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    import math

    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def _cpu(cpu: dict[str, Any], reader: Reader) -> list[Setting]:
    at = f"{ROOT}/cpu"
    settings = []
    idle = cpu.get("idle")
    if idle is not None:
        settings.append(Setting("cpu", "cpu.idle", str(idle), f"{at}/idle", optional=idle == 0))
    if cpu.get("shares") and idle != 1:
        # An idle cgroup has no weight: the kernel refuses it.
        weight = weight_of_shares(cpu["shares"])
        settings.append(Setting("cpu", "cpu.weight", str(weight), f"{at}/shares"))
    quota, period, burst = cpu.get("quota") or 0, cpu.get("period") or 0, cpu.get("burst")
    if burst is not None:
        settings.append(
            Setting(
                "cpu",
                "cpu.max.burst",
                str(burst),
                f"{at}/burst",
                retry=True,
                optional=burst == 0,
                hint=CPU_HINTS["burst"],
            )
        )
    if quota or period:
        # One file holds both; what is not given stays as it is.
        now = (reader("cpu.max") or "max").split()
        first = (str(quota) if quota > 0 else "max") if quota else now[0]
        second = str(period) if period else (now[1] if len(now) > 1 else str(PERIOD_DEFAULT))
        key = "quota" if quota else "period"
        settings.append(
            Setting("cpu", "cpu.max", f"{first} {second}", f"{at}/{key}", hint=CPU_HINTS[key])
        )
    return settings + cpuset(cpu)


def io_weight(weight: int) -> int:
    """Convert a blkio weight (10..1000) to io.weight (1..10000)."""
    return 1 + (weight - 10) * 9999 // 990


def _block_io(block_io: dict[str, Any], reader: Reader) -> list[Setting]:
    at = f"{ROOT}/blockIO"
    settings = []
    # BFQ keeps the old range; io.weight belongs to the iocost controller.
    bfq = reader("io.bfq.weight") is not None
    file = "io.bfq.weight" if bfq else "io.weight"
    hint = "needs the BFQ scheduler or CONFIG_BLK_CGROUP_IOCOST"
    if block_io.get("weight"):
        weight = block_io["weight"] if bfq else io_weight(block_io["weight"])
        settings.append(Setting("io", file, str(weight), f"{at}/weight", hint=hint))
    for index, device in enumerate(block_io.get("weightDevice") or []):
        pointer = f"{at}/weightDevice/{index}"
        if device.get("leafWeight"):
            raise CgroupError(
                f"{pointer}/leafWeight cannot be converted to cgroup v2",
                subject=f"{pointer}/leafWeight",
                hint="remove it: leaf weights left the kernel in Linux 5.0",
            )
        if device.get("weight"):
            weight = device["weight"] if bfq else io_weight(device["weight"])
            value = f"{device['major']}:{device['minor']} {weight}"
            settings.append(Setting("io", file, value, f"{pointer}/weight", hint=hint))
    for key, word in THROTTLES:
        for index, device in enumerate(block_io.get(key) or []):
            settings.append(
                Setting(
                    "io",
                    "io.max",
                    f"{device['major']}:{device['minor']} {word}={device['rate']}",
                    f"{at}/{key}/{index}",
                    hint="needs CONFIG_BLK_DEV_THROTTLING and a whole disk, not a partition",
                )
            )
    return settings


def unified_map(unified: dict[str, str]) -> list[Setting]:
    """linux.resources.unified: file name to content, one write per line of the content."""
    settings = []
    for file, content in unified.items():
        pointer = f"{ROOT}/unified/{file.replace('~', '~0').replace('/', '~1')}"
        controller, dot, _ = file.partition(".")
        if "/" in file or "\0" in file or not dot or not controller:
            raise CgroupError(
                f"{pointer} must be the name of a cgroup file, CONTROLLER.PARAMETER",
                subject=pointer,
            )
        # Files with one line per device (io.max, rdma.max) take a single line per write(2).
        for line in content.splitlines() or [""]:
            settings.append(
                Setting(
                    "" if controller == "cgroup" else controller,
                    file,
                    line,
                    pointer,
                    hint="the file must exist on this kernel and its controller be enabled",
                )
            )
    return settings


def _or_max(value: int) -> str:
    return "max" if value < 0 else str(value)
