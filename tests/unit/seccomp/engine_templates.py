"""Resolves an engine's profile template to ``linux.seccomp``, as dockerd and podman do."""

from __future__ import annotations

from typing import Any

# What an engine calls the machine, and what uname(2) does.
GO_NAMES = {
    "x86_64": "amd64",
    "i686": "x86",
    "aarch64": "arm64",
    "armv7l": "arm",
    "mips64": "mipsel64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
NATIVE = {
    "x86_64": "SCMP_ARCH_X86_64",
    "i686": "SCMP_ARCH_X86",
    "aarch64": "SCMP_ARCH_AARCH64",
    "armv7l": "SCMP_ARCH_ARM",
    "mips64": "SCMP_ARCH_MIPSEL64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390x": "SCMP_ARCH_S390X",
}
DEFAULT_CAPABILITIES = frozenset({"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SYS_CHROOT"})


def resolve(
    template: dict[str, Any], machine: str, capabilities: frozenset[str] = DEFAULT_CAPABILITIES
) -> dict[str, Any]:
    """Give what an engine on a machine hands its runtime for a container with capabilities."""
    native = NATIVE[machine]
    architectures = [native]
    for entry in template["archMap"]:
        if entry["architecture"] == native:
            architectures += entry["subArchitectures"] or []
    found: dict[str, Any] = {
        "defaultAction": template["defaultAction"],
        "architectures": architectures,
        "syscalls": [],
    }
    if template.get("defaultErrnoRet") is not None:
        found["defaultErrnoRet"] = template["defaultErrnoRet"]
    for entry in template["syscalls"]:
        if _applies(entry, GO_NAMES[machine], capabilities):
            rule = {"names": entry["names"], "action": entry["action"], "args": entry["args"] or []}
            if entry.get("errnoRet") is not None:
                rule["errnoRet"] = entry["errnoRet"]
            found["syscalls"].append(rule)
    return found


def _applies(entry: dict[str, Any], machine: str, capabilities: frozenset[str]) -> bool:
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    if machine in (excludes.get("arches") or ()) or capabilities & set(excludes.get("caps") or ()):
        return False
    if includes.get("arches") and machine not in includes["arches"]:
        return False
    return set(includes.get("caps") or ()) <= capabilities
