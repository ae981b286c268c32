"""The system calls that RUN may use."""

from __future__ import annotations

import pytest

from builder.execute.sandbox import CAPABILITIES
from builder.execute.seccomp import default_filter, kernel_version
from pyoci.spec.check import check_config

KERNEL = (6, 1)


def allowed(architecture="amd64", capabilities=CAPABILITIES, kernel=KERNEL):
    profile = default_filter(architecture, capabilities, kernel)
    return {
        name
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }


def test_what_programs_need_is_allowed():
    assert {"read", "openat2", "clone3", "chroot", "mknod", "execveat", "statx"} <= allowed()


def test_what_changes_the_host_is_not():
    hostile = {"kexec_load", "init_module", "bpf", "userfaultfd", "settimeofday"}
    assert not hostile & allowed()


def test_capabilities_bring_their_calls():
    more = allowed(capabilities=(*CAPABILITIES, "CAP_SYS_ADMIN", "CAP_SYS_MODULE"))
    assert {"bpf", "init_module"} <= more


def test_calls_that_are_unknown_seem_not_to_be_there():
    """A libc falls back to an older call on ENOSYS, and gives up on EPERM."""
    assert default_filter("amd64", CAPABILITIES, KERNEL)["defaultErrnoRet"] == 38


@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        ("amd64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        ("arm64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
        ("riscv64", ["SCMP_ARCH_RISCV64"]),
    ],
)
def test_architectures(architecture, names):
    assert default_filter(architecture, CAPABILITIES, KERNEL)["architectures"] == names


def test_calls_of_an_architecture_are_its_own():
    assert "arch_prctl" in allowed("amd64")
    assert "arch_prctl" not in allowed("arm64")


def test_an_unknown_architecture_has_no_filter():
    assert default_filter("vax", CAPABILITIES, KERNEL) is None


def test_the_runtime_takes_it():
    profile = default_filter("amd64", CAPABILITIES, KERNEL)
    config = {
        "ociVersion": "1.0.2",
        "process": {"args": ["x"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": "mount"}], "seccomp": profile},
    }
    assert check_config(config) == []


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.18.5-amd64", (6, 18)),
        ("5.4", (5, 4)),
        ("5.10-rc1", (5, 101)),
        ("x", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_kernel_versions(release, version):
    assert kernel_version(release) == version
