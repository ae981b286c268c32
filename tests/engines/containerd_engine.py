"""containerd in an enclosure, driven by ctr."""

from __future__ import annotations

import subprocess
import uuid
from typing import Any

from enclosure import Enclosure
from image import NAME, TAG, Image

IMAGE = f"{NAME}:{TAG}"

MACHINE = """
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]
"""


class Containerd:
    """Calls ctr with one runtime, and remembers the containers."""

    def __init__(self, enclosure: Enclosure, runtime: str) -> None:
        self.enclosure = enclosure
        self.runtime = {"pyoci": "/usr/local/bin/pyoci", "runc": "/usr/sbin/runc"}[runtime]
        self.names: list[str] = []

    @staticmethod
    def prepare(enclosure: Enclosure, image: Image, shipped: str) -> None:
        """Start the daemon with the shipped configuration, and import the image's layout."""
        first, rest = shipped.split("version = 2", 1)
        text = f"{first}version = 2\n{MACHINE}{rest}"
        enclosure.write("/etc/containerd/config.toml", text)
        enclosure.daemon(
            "/usr/bin/containerd",
            ready=lambda: enclosure.call("ctr", "version").returncode == 0,
        )
        enclosure.ok("ctr", "images", "import", image.archive)

    def call(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ctr to its end."""
        return self.enclosure.call("ctr", *arguments, **options)

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run ctr, which has to succeed; give its output without the last newline."""
        return self.enclosure.ok("ctr", *arguments, **options).removesuffix("\n")

    def new_name(self) -> str:
        """Make up a name for a container."""
        self.names.append(f"c-{uuid.uuid4().hex[:8]}")
        return self.names[-1]

    def run(
        self, *command: str, flags: tuple[str, ...] = ("--rm",), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end (with ``-d`` among the flags: until it has started)."""
        chosen = ["--runtime=io.containerd.runc.v2", f"--runc-binary={self.runtime}"]
        name = self.new_name()
        return self.call("run", *chosen, *flags, IMAGE, name, *command, **options)

    def start(self, *command: str, flags: tuple[str, ...] = ()) -> str:
        """Start a container that stays; give its name."""
        done = self.run(*command, flags=("-d", *flags))
        assert done.returncode == 0, done.stderr
        return self.names[-1]

    def status(self, name: str) -> str:
        """Give a task's status."""
        for line in self.ok("tasks", "ls").split("\n"):
            if line.startswith(name):
                return line.split()[2]
        return ""

    def clean_up(self) -> None:
        """Remove the test's containers."""
        for name in self.names:
            self.call("tasks", "delete", "--force", name)
            self.call("containers", "delete", name)
