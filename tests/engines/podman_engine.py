"""Podman in an enclosure."""

from __future__ import annotations

import json
import subprocess
import uuid
from typing import Any

from enclosure import Enclosure
from image import NAME, TAG, Image

# What this machine needs beside the shipped file: it has no systemd.
MACHINE = """\
[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""

STORAGE = """\
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""

POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'

IMAGE = f"{NAME}:{TAG}"


class Podman:
    """Calls podman with one runtime, and remembers what it made."""

    def __init__(self, enclosure: Enclosure, runtime: str) -> None:
        self.enclosure = enclosure
        self.runtime = runtime
        self.names: list[str] = []

    @staticmethod
    def prepare(enclosure: Enclosure, image: Image) -> None:
        """Write the machine's configuration and pull the image from its layout."""
        enclosure.write("/etc/containers/containers.conf.d/machine.conf", MACHINE)
        enclosure.write("/etc/containers/storage.conf", STORAGE)
        enclosure.write("/etc/containers/policy.json", POLICY)
        enclosure.ok("podman", "pull", f"oci:{image.layout}:{TAG}")
        [pulled] = json.loads(enclosure.ok("podman", "images", "--format", "json"))
        enclosure.ok("podman", "tag", pulled["Id"], IMAGE)

    def command(self, *arguments: str) -> list[str]:
        """Give podman's command line; pyoci is the default runtime, by the shipped file."""
        chosen = [] if self.runtime == "pyoci" else ["--runtime", self.runtime]
        return ["podman", *chosen, *arguments]

    def call(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run podman to its end."""
        return self.enclosure.call(*self.command(*arguments), **options)

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run podman, which has to succeed; give its output without the last newline."""
        return self.enclosure.ok(*self.command(*arguments), **options).removesuffix("\n")

    def new_name(self) -> str:
        """Make up a name for a container."""
        self.names.append(f"c-{uuid.uuid4().hex[:8]}")
        return self.names[-1]

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a container to its end; arguments are flags, ``--``, and the command."""
        return self.call(
            "run", "--rm", "--name", self.new_name(), *with_image(arguments), **options
        )

    def output(self, *arguments: str, **options: Any) -> str:
        """Run a container that has to succeed; give its output."""
        return self.ok("run", "--rm", "--name", self.new_name(), *with_image(arguments), **options)

    def shell(self, script: str, *flags: str) -> str:
        """Run a shell script in a container; it has to succeed. Give its output."""
        return self.output(*flags, "--", "sh", "-c", script)

    def start(self, *arguments: str) -> str:
        """Start a container that stays, by default sleeping; give its name."""
        if "--" not in arguments:
            arguments = (*arguments, "--", "sleep", "1000")
        name = self.new_name()
        # No grace at the end: a sleeping PID 1 does not hear SIGTERM.
        self.ok("run", "-d", "--stop-timeout=0", "--name", name, *with_image(arguments))
        return name

    def on_terminal(self, *arguments: str, **options: Any) -> tuple[str, int]:
        """Run podman on a terminal; give what it showed, and its exit status."""
        return self.enclosure.on_terminal(*self.command(*arguments), **options)

    def inspect(self, name: str, template: str) -> str:
        """Give a field of a container's description."""
        return self.ok("inspect", "--format", template, name)

    def clean_up(self) -> None:
        """Remove the test's containers."""
        if self.names:
            self.ok("rm", "--force", "--ignore", "--time=0", *self.names)


def with_image(arguments: tuple[str, ...]) -> list[str]:
    """Put the image where the arguments have ``--``."""
    if "--" not in arguments:
        return [*arguments, IMAGE]
    at = arguments.index("--")
    return [*arguments[:at], IMAGE, *arguments[at + 1 :]]
