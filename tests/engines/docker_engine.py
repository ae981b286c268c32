"""Docker Engine in an enclosure."""

from __future__ import annotations

import subprocess
import uuid
from typing import Any

from enclosure import PATH, Enclosure
from image import NAME, TAG, Image

IMAGE = f"{NAME}:{TAG}"

DOCKER = "/usr/bin/docker"


class Docker:
    """Calls docker with one runtime, and remembers the containers."""

    def __init__(self, enclosure: Enclosure, runtime: str) -> None:
        self.enclosure = enclosure
        self.runtime = runtime
        self.names: list[str] = []

    @staticmethod
    def prepare(enclosure: Enclosure, image: Image) -> None:
        """Start the daemon with /etc/docker/daemon.json as it is, and load the image."""
        # BuildKit takes runc from the daemon's PATH, whatever the default runtime is.
        enclosure.ok("sh", "-ec", "mkdir /run/first; ln -s /usr/local/bin/pyoci /run/first/runc")
        machine = ["--storage-driver=overlay2", "--exec-opt=native.cgroupdriver=cgroupfs"]
        machine += ["--bip=10.213.0.1/24"]
        machine += ["--default-address-pool=base=10.214.0.0/16,size=24"]
        enclosure.daemon(
            "/usr/sbin/dockerd",
            *machine,
            ready=lambda: enclosure.call(DOCKER, "version").returncode == 0,
            env={"PATH": f"/run/first:{PATH}"},
        )
        enclosure.ok(DOCKER, "load", "--input", image.docker_archive)

    def call(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run docker to its end."""
        return self.enclosure.call(DOCKER, *arguments, **options)

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run docker, which has to succeed; give its output without the last newline."""
        return self.enclosure.ok(DOCKER, *arguments, **options).removesuffix("\n")

    def new_name(self) -> str:
        """Make up a name for a container."""
        self.names.append(f"c-{uuid.uuid4().hex[:8]}")
        return self.names[-1]

    def flags(self) -> list[str]:
        """Give the flags of run; pyoci is the default runtime, by the shipped file."""
        chosen = [] if self.runtime == "pyoci" else [f"--runtime={self.runtime}"]
        return ["run", *chosen, "--name", self.new_name()]

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a container to its end: flags, the image, the command."""
        return self.call(*self.flags(), "--rm", *arguments, **options)

    def output(self, *arguments: str, **options: Any) -> str:
        """Run a container that has to succeed; give its output."""
        return self.ok(*self.flags(), "--rm", *arguments, **options)

    def start(self, *arguments: str) -> str:
        """Start a container that stays; give its name."""
        self.ok(*self.flags(), "-d", *arguments)
        return self.names[-1]

    def inspect(self, name: str, template: str) -> str:
        """Give a field of a container's description."""
        return self.ok("inspect", "--format", template, name)

    def clean_up(self) -> None:
        """Remove the test's containers."""
        if self.names:
            self.call("rm", "--force", *self.names)
