"""``pyoci update``."""

from __future__ import annotations

import posix as os

from pyoci.errors import HostError, PyociError, SpecError, UsageError, reason
from pyoci.lifecycle.update import update
from pyoci.paths import isdir
from pyoci.spec.json_text import decode
from pyoci.state.store import Entry, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

RESCTRL = "/sys/fs/resctrl"
MOST_BYTES = 16 << 20
UNITS = "bkmgtp"

# flag -> member of linux.resources; the first three kinds of value are decimal numbers.
FLAGS = {
    "blkio_weight": ("blockIO", "weight"),
    "cpu_period": ("cpu", "period"),
    "cpu_quota": ("cpu", "quota"),
    "cpu_burst": ("cpu", "burst"),
    "cpu_share": ("cpu", "shares"),
    "cpu_rt_period": ("cpu", "realtimePeriod"),
    "cpu_rt_runtime": ("cpu", "realtimeRuntime"),
    "cpu_idle": ("cpu", "idle"),
    "pids_limit": ("pids", "limit"),
    "cpuset_cpus": ("cpu", "cpus"),
    "cpuset_mems": ("cpu", "mems"),
    "memory": ("memory", "limit"),
    "memory_reservation": ("memory", "reservation"),
    "memory_swap": ("memory", "swap"),
    "kernel_memory": ("memory", "kernel"),
    "kernel_memory_tcp": ("memory", "kernelTCP"),
}


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Change the limits of a container."""
    entry = Entry(settings.root, arguments[0])
    _check_rdt(entry, options)
    source = options.get("resources")
    resources = _read(source, invocation) if source else from_flags(options)
    memory = resources.get("memory") or {}
    if isinstance(memory, dict) and (memory.get("kernel") or memory.get("kernelTCP")):
        settings.warn("kernel memory limits have no effect on today's kernels and are deprecated")
    for warning in update(entry, resources):
        settings.warn(warning)
    return 0


def _check_rdt(entry: Entry, options: dict[str, Any]) -> None:
    """Refuse schemas of Intel RDT: there is nothing to change in a container without intelRdt."""
    for flag, directory, what in (
        ("l3_cache_schema", "L3", "CAT: l3 cache"),
        ("mem_bw_schema", "MB", "MBA: memory bandwidth"),
    ):
        if not options.get(flag):
            continue
        if not isdir(f"{RESCTRL}/info/{directory}"):
            raise HostError(
                f"Intel RDT/{what} schema is not enabled",
                subject=f"--{flag.replace('_', '-')}",
                hint=f"mount -t resctrl resctrl {RESCTRL}, on a processor that has it",
            )
        entry.read()
        raise SpecError(
            "updating a non-existent Intel RDT configuration is not supported",
            subject="/linux/intelRdt",
            hint="the container was created without /linux/intelRdt",
        )


def from_flags(options: dict[str, Any]) -> dict[str, Any]:
    """Give linux.resources as the flags ask for it; raises UsageError for a bad value."""
    resources: dict[str, Any] = {}
    for key, (name, member) in FLAGS.items():
        value = options.get(key)
        if value is None or value == "":
            continue
        if name == "memory":
            value = number_of_bytes(value, key)
        elif isinstance(value, str) and not key.startswith("cpuset"):
            value = _number(value, key)
        resources.setdefault(name, {})[member] = value
    return resources


def number_of_bytes(text: str, key: str) -> int:
    """Read a size as Docker writes them: ``512``, ``64m``, ``1.5GiB``; -1 is unlimited.

    Raises UsageError.
    """
    if text == "-1":
        return -1
    number = text.lower().rstrip("ib")
    unit = text[len(number) :].lower()
    factor = 0
    if number and number[-1] in UNITS[1:]:
        factor = UNITS.index(number[-1])
        number = number[:-1]
    whole, point, part = number.removesuffix(" ").partition(".")
    digits = f"{whole}{part}"
    if (
        not (digits.isascii() and digits.isdigit())
        or (point and not whole)
        or unit not in (("", "b", "ib") if factor else ("", "b"))
    ):
        raise _invalid(text, key, "a size in bytes, such as 64m, 1.5g or -1 for no limit")
    result = int(int(digits) * 1024**factor // 10 ** len(part))
    if result >= 1 << 63:
        raise _invalid(text, key, "less than 8 EiB")
    return result


def _number(text: str, key: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        raise _invalid(text, key, "a decimal number")
    return int(text)


def _invalid(text: str, key: str, wanted: str) -> UsageError:
    flag = key.replace("_", "-")
    return UsageError(
        f"invalid value for {flag}: {text!r}", subject=f"--{flag}", hint=f"it takes {wanted}"
    )


def _read(source: str, invocation: Invocation) -> dict[str, Any]:
    """Read a linux.resources object from a file, or from standard input for ``-``."""
    name = "standard input" if source == "-" else source
    try:
        path = source if source.startswith("/") else f"{invocation.cwd}/{source}"
        data = _all_of(invocation.stdin) if source == "-" else read_file(path)
    except OSError as error:
        raise PyociError(
            f"cannot read the resources from {name}: {reason(error)}",
            subject="--resources",
            hint="give a file with a JSON object like /linux/resources of config.json",
        ) from None
    value = decode(data, what=name)
    if not isinstance(value, dict):
        raise SpecError(
            f"{name} holds no object",
            subject="",
            hint="it has the form of /linux/resources in config.json",
        )
    return value


def _all_of(descriptor: int) -> bytes:
    chunks = []
    left = MOST_BYTES
    while left > 0 and (chunk := os.read(descriptor, min(left, 1 << 16))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)
