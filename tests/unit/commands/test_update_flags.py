"""update: flags as linux.resources."""

from __future__ import annotations

import pytest

from pyoci.commands.update import from_flags, number_of_bytes
from pyoci.errors import UsageError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-1", -1),
        ("512", 512),
        ("512b", 512),
        ("1k", 1024),
        ("50M", 50 << 20),
        ("50mb", 50 << 20),
        ("3GiB", 3 << 30),
        ("1.5g", 3 << 29),
        ("0.1k", 102),
        ("32 kB", 32 << 10),
        ("2T", 2 << 40),
        ("1p", 1 << 50),
    ],
)
def test_sizes_are_read_as_docker_writes_them(text: str, number: int) -> None:
    assert number_of_bytes(text, "memory") == number


@pytest.mark.parametrize(
    "text",
    ["x", "m", "1x", "-5", "1.2.3k", "10bb", "10i", "10ib", "10kib ", "1_0", "٣", "8192p",
     ".5k", "1e3"],
)  # fmt: skip
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="memory-swap"):
        number_of_bytes(text, "memory_swap")


def test_flags_become_the_members_of_resources() -> None:
    options = {
        "blkio_weight": 10,
        "cpu_period": "1000",
        "cpu_quota": "-1",
        "cpu_burst": "5",
        "cpu_share": "77",
        "cpu_rt_period": "8",
        "cpu_rt_runtime": "9",
        "cpu_idle": "1",
        "cpuset_cpus": "0-3",
        "cpuset_mems": "0",
        "memory": "1m",
        "memory_reservation": "2k",
        "memory_swap": "-1",
        "kernel_memory": "3",
        "kernel_memory_tcp": "4",
        "pids_limit": 0,
    }
    assert from_flags(options) == {
        "blockIO": {"weight": 10},
        "cpu": {
            "period": 1000,
            "quota": -1,
            "burst": 5,
            "shares": 77,
            "realtimePeriod": 8,
            "realtimeRuntime": 9,
            "idle": 1,
            "cpus": "0-3",
            "mems": "0",
        },
        "memory": {
            "limit": 1 << 20,
            "reservation": 2048,
            "swap": -1,
            "kernel": 3,
            "kernelTCP": 4,
        },
        "pids": {"limit": 0},
    }


def test_flags_that_are_empty_or_missing_change_nothing() -> None:
    assert from_flags({"memory": "", "cpuset_cpus": "", "cpu_quota": ""}) == {}


@pytest.mark.parametrize("text", ["x", "1.5", "1k", "--1", "１"])
def test_what_is_no_number_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(UsageError, match="invalid value for cpu-quota"):
        from_flags({"cpu_quota": text})
