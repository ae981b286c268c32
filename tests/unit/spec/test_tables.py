"""The tables of names and numbers against the kernel's headers, and signals by name."""

from __future__ import annotations

import re
import resource
import signal
from pathlib import Path

import pytest

from pyoci.errors import UsageError
from pyoci.plan.namespaces import NAMESPACE_FLAGS
from pyoci.spec.tables.capabilities import CAPABILITIES
from pyoci.spec.tables.mount_options import MOUNT_OPTIONS
from pyoci.spec.tables.namespaces import NAMESPACES
from pyoci.spec.tables.rlimits import RLIMITS
from pyoci.spec.tables.signals import SIGNALS, signal_number

HEADER = Path("/usr/include/linux/capability.h")


@pytest.mark.skipif(not HEADER.exists(), reason="needs the kernel's headers (linux-libc-dev)")
def test_capabilities_are_those_of_the_kernel():
    found = re.findall(r"^#define (CAP_[A-Z_]+)\s+(\d+)$", HEADER.read_text(), re.MULTILINE)
    assert {name: int(number) for name, number in found}.items() <= CAPABILITIES.items()


def test_rlimits_are_those_of_the_c_library():
    for name, number in RLIMITS.items():
        if hasattr(resource, name):
            assert getattr(resource, name) == number
    assert len(RLIMITS) == 16


def test_signals_are_those_of_the_c_library():
    for name, number in SIGNALS.items():
        if hasattr(signal, name):
            assert getattr(signal, name) == number


def test_every_namespace_of_the_specification_can_be_made():
    assert set(NAMESPACES) == set(NAMESPACE_FLAGS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigterm", 15),
        ("term", 15),
        ("9", 9),
        ("0", 0),
        ("64", 64),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("rtmax-1", 63),
        ("SIGRTMAX", 64),
        ("SIGPOLL", 29),
    ],
)
def test_signals_by_name_and_number(text, number):
    assert signal_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIG",
        "NOPE",
        "65",
        "-1",
        "+9",
        " 9",
        "9 ",
        "１",
        "1_0",
        "0x9",
        "99999999999999999999",
        "SIGSIGTERM",
        "RTMIN+31",
        "RTMAX-31",
        "RTMIN-1",
        "RTMIN+",
        "TERM\n",
    ],
)
def test_what_is_no_signal(text):
    with pytest.raises(UsageError, match="^unknown signal"):
        signal_number(text)


def test_an_unknown_signal_has_runc_s_words():
    with pytest.raises(UsageError) as caught:
        signal_number("FOO")
    assert caught.value.message == 'unknown signal "FOO"'


def test_opposite_options_undo_each_other():
    for on, off in (
        ("ro", "rw"),
        ("nosuid", "suid"),
        ("nodev", "dev"),
        ("noexec", "exec"),
        ("nodiratime", "diratime"),
        ("nosymfollow", "symfollow"),
    ):
        for prefix in ("", "r"):
            set_, clear = MOUNT_OPTIONS[prefix + on], MOUNT_OPTIONS[prefix + off]
            assert set_.attr_set == clear.attr_clear != 0
            assert set_.attr_clear == clear.attr_set == 0
            assert set_.recursive is clear.recursive is bool(prefix)


def test_access_time_modes_clear_the_whole_field():
    """mount_setattr(2) refuses to clear a part of it."""
    for name in ("noatime", "atime", "relatime", "strictatime", "nostrictatime"):
        for prefix in ("", "r"):
            assert MOUNT_OPTIONS[prefix + name].attr_clear == 0x70


def test_propagations_are_the_flags_of_mount():
    flags = {name: MOUNT_OPTIONS[name].propagation >> 17 for name in MOUNT_OPTIONS}
    assert (flags["unbindable"], flags["private"], flags["slave"], flags["shared"]) == (1, 2, 4, 8)
    for name in ("unbindable", "private", "slave", "shared"):
        assert MOUNT_OPTIONS[f"r{name}"].recursive
        assert MOUNT_OPTIONS[f"r{name}"].propagation == MOUNT_OPTIONS[name].propagation
