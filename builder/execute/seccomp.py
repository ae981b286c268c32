"""The system calls that RUN may use: the filter that container engines use by default.

`seccomp.json` is a template (the one of Debian's golang-github-containers-common, Apache-2.0):
entries apply by architecture, capabilities and kernel. What is left is `linux.seccomp` of
config.json.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

_TEMPLATE = f"{os.path.dirname(__file__)}/seccomp.json"
_ARCHITECTURES = {
    "386": "SCMP_ARCH_X86",
    "amd64": "SCMP_ARCH_X86_64",
    "arm": "SCMP_ARCH_ARM",
    "arm64": "SCMP_ARCH_AARCH64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390x": "SCMP_ARCH_S390X",
}
"""The specification's names of architectures, by those of images."""


def default_filter(
    architecture: str, capabilities: Collection[str], kernel: tuple[int, int]
) -> dict[str, Any] | None:
    """`linux.seccomp` for a process; None on an architecture without a name there.

    Args:
        architecture: of this machine, as images name it.
        capabilities: that the process may have.
        kernel: version of this machine's.
    """
    native = _ARCHITECTURES.get(architecture)
    if native is None:
        return None
    with open(_TEMPLATE, encoding="utf-8") as file:
        template = json.load(file)
    also: list[str] = []
    for entry in template["archMap"]:
        if entry["architecture"] == native:
            also = entry["subArchitectures"]
    return {
        "defaultAction": template["defaultAction"],
        "defaultErrnoRet": template["defaultErrnoRet"],
        "architectures": [native, *also],
        "syscalls": [
            {name: rule[name] for name in ("names", "action", "errnoRet", "args") if name in rule}
            for rule in template["syscalls"]
            if _applies(rule, architecture, capabilities, kernel)
        ],
    }


def _applies(
    rule: dict[str, Any], architecture: str, capabilities: Collection[str], kernel: tuple[int, int]
) -> bool:
    includes, excludes = rule.get("includes", {}), rule.get("excludes", {})
    if architecture not in includes.get("arches", [architecture]):
        return False
    if not all(name in capabilities for name in includes.get("caps", ())):
        return False
    if kernel < _version(includes.get("minKernel", "0.0")):
        return False
    return architecture not in excludes.get("arches", ()) and not any(
        name in capabilities for name in excludes.get("caps", ())
    )


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def kernel_version(release: str) -> tuple[int, int]:
    """The first two numbers of a kernel's release ("6.18.5-amd64"); (0, 0) for none."""
    numbers = release.split(".", 2)[:2]
    digits = ["".join(char for char in number if char.isdigit()) for number in numbers]
    return (int(digits[0]), int(digits[1])) if len(digits) == 2 and all(digits) else (0, 0)
