"""Platforms: `os[(version)][/architecture[/variant]]` and how their parts are normalised.

The words are those of an image index (`platform` in image-spec) and of Go's GOOS and GOARCH.
"""

from __future__ import annotations

import re

from builder.dockerfile import golang
from builder.dockerfile.record import Record

_COMPONENT = re.compile(r"[A-Za-z0-9_.-]+\Z")
_OS_PATTERN = r"^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$"
_OS = re.compile(_OS_PATTERN.replace("$", r"\Z"))
_KNOWN_OS = frozenset(
    [
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "hurd",
        "illumos",
        "ios",
        "js",
        "linux",
        "nacl",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "windows",
        "zos",
    ]
)
_KNOWN_ARCHITECTURES = frozenset(
    [
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "armbe",
        "arm64",
        "arm64be",
        "ppc64",
        "ppc64le",
        "loong64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "ppc",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ]
)
_ARCHITECTURES = {
    "i386": "386",
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
}
_VARIANTS = {
    ("amd64", "v1"): "",
    **dict.fromkeys((("arm64", variant) for variant in ("8", "v8", "v8.0")), ""),
    **dict.fromkeys((("arm64", variant) for variant in ("9", "9.0", "v9.0")), "v9"),
    **{("arm", version): f"v{version}" for version in ("5", "6", "7", "8")},
    ("arm", ""): "v7",
}
_FIXED_VARIANTS = {"i386": "", "armhf": "v7", "armel": "v6"}


class Platform(Record):
    """A platform. Empty strings stand for absent members."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`linux/arm/v7`; with the version of the system when there is one."""
        if not self.os:
            return "unknown"
        options = "".join(["+" + feature for feature in sorted(set(self.os_features))])
        system = self.os
        if self.os_version or options:
            system += f"({self.os_version}{options})"
        return "/".join(part for part in (system, self.architecture, self.variant) if part)

    @property
    def short(self) -> str:
        """`linux/arm/v7`, never with the version of the system."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def normalized(self) -> Platform:
        """With the canonical names of system, architecture and variant."""
        architecture, variant = normalize_architecture(self.architecture, self.variant)
        return self.replace(os=normalize_os(self.os), architecture=architecture, variant=variant)


def normalize_os(os: str) -> str:
    """The canonical name of an operating system."""
    os = os.lower()
    return "darwin" if os == "macos" else os or "linux"


def normalize_architecture(architecture: str, variant: str) -> tuple[str, str]:
    """The canonical names of an architecture and its variant."""
    architecture, variant = architecture.lower(), variant.lower()
    if architecture in _FIXED_VARIANTS:
        return _ARCHITECTURES[architecture], _FIXED_VARIANTS[architecture]
    architecture = _ARCHITECTURES.get(architecture, architecture)
    return architecture, _VARIANTS.get((architecture, variant), variant)


def host_platform() -> Platform:
    """The platform this program runs on."""
    import os

    machine = os.uname().machine
    architecture, variant = normalize_architecture(machine, "")
    if machine.startswith("armv"):
        architecture, variant = "arm", machine[3:5]
    return Platform("linux", architecture, variant)


def parse_platform(text: str) -> Platform:
    """Parse `linux/amd64`, `linux/arm/v7`, `arm64`, `linux`, `windows(10.0.17763)/amd64`.

    Raises ValueError with the reference's message.
    """
    shown = golang.quote(text)
    if "*" in text:
        raise ValueError(f"{shown}: wildcards not yet supported: invalid argument")
    parts = text.split("/", 3)
    system = _OS.match(parts[0])
    if system is None:
        raise ValueError(
            f"{golang.quote(parts[0])} is an invalid OS component of {shown}: OSAndVersion"
            f" specifier component must match {golang.quote(_OS_PATTERN)}: invalid argument"
        )
    for part in parts[1:]:
        if not _COMPONENT.match(part):
            raise ValueError(
                f"{golang.quote(part)} is an invalid component of {shown}: platform specifier"
                ' component must match "^[A-Za-z0-9_.-]+$": invalid argument'
            )
    if len(parts) > 3:
        raise ValueError(f"{shown}: cannot parse platform specifier: invalid argument")
    os = normalize_os(system[1])
    version = _percent_decoded(system[2] or "", shown)
    features = tuple(
        _percent_decoded(feature, shown) for feature in (system[3] or "").split("+") if feature
    )
    if len(parts) == 1:
        if os in _KNOWN_OS:
            host = host_platform()
            return Platform(os, host.architecture, host.variant, version, features)
        architecture, variant = normalize_architecture(parts[0], "")
        if architecture not in _KNOWN_ARCHITECTURES:
            raise ValueError(f"{shown}: unknown operating system or architecture: invalid argument")
        os = "linux"
    else:
        architecture, variant = normalize_architecture(
            parts[1], parts[2] if len(parts) == 3 else ""
        )
    if len(parts) < 3 and (architecture, variant) == ("arm", "v7"):
        variant = ""
    if len(parts) == 3 and (architecture, variant) == ("arm64", ""):
        variant = "v8"
    return Platform(os, architecture, variant, version, features)


def _percent_decoded(text: str, shown: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(
            f"{shown} has an invalid OS version {golang.quote(text)}: invalid argument"
        )
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
