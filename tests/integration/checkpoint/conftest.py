"""Containers that can be checkpointed, and whether CRIU can do anything on this host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import until

COUNT = "i=0; while :; do i=$((i+1)); echo $i >/count.new; mv /count.new /count; sleep 0.05; done"


@pytest.fixture(scope="session")
def criu():
    """CRIU, where it works; its own reason for skipping elsewhere."""
    path = shutil.which("criu")
    if path is None:
        pytest.skip("criu is not installed")
    done = subprocess.run([path, "check"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        pytest.skip(f"criu cannot work on this kernel: {errors[:1] or done.stderr}")
    return path


class Checkpoints:
    """A counting container, its images, and what it has counted to."""

    def __init__(self, pyoci, bundle, directory):
        self.pyoci = pyoci
        self.bundle = bundle
        self.images = f"{directory}/images"
        self.work = f"{directory}/work"

    def start(self, *flags):
        self.bundle.script(COUNT)
        return self.pyoci.start(self.bundle, *flags)

    def count(self):
        try:
            return int(Path(f"{self.bundle.rootfs}/count").read_text())
        except (OSError, ValueError):
            return 0

    def checkpoint(self, name, *flags, **options):
        paths = ("--image-path", self.images, "--work-path", self.work)
        return self.pyoci.call("checkpoint", *paths, *flags, name, **options)

    def restore(self, name, *flags):
        """Restore in the background, with the streams on a file."""
        with open(f"{self.bundle.path}/restored", "wb") as output:
            done = subprocess.run(
                self.pyoci.command("restore", *self.restore_flags(), "--detach", *flags, name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=60,
            )
        done.stderr = Path(f"{self.bundle.path}/restored").read_text()
        return done

    def restore_flags(self):
        bundle = ("--bundle", self.bundle.path)
        return (*bundle, "--image-path", self.images, "--work-path", self.work)

    def log(self, name):
        try:
            return Path(f"{self.work}/{name}").read_text(errors="replace")[-3000:]
        except OSError:
            return "(no log)"

    def ok(self, done):
        logs = self.log("dump.log"), self.log("restore.log")
        assert done.returncode == 0, (done.stderr, *logs)


@pytest.fixture
def checkpoints(pyoci, own_bundle, tmp_path):
    return Checkpoints(pyoci, own_bundle, str(tmp_path))


@pytest.fixture
def network(kill_later):
    """A network namespace of its own, by its path: that of a process that sleeps."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    kill_later(process)
    own = os.stat("/proc/self/ns/net").st_ino
    path = f"/proc/{process.pid}/ns/net"
    until(lambda: os.stat(path).st_ino != own, "it has its own namespace")
    return path


@pytest.fixture
def write_hook(tmp_path):
    """A hook that appends the status of the state it is given to a file."""

    def make(kind):
        path = tmp_path / f"{kind}.sh"
        path.write_text(f"#!/bin/sh\n(cat; echo) >> {tmp_path}/{kind}.out\n")
        path.chmod(0o755)
        return {"path": str(path)}

    def ran(kind):
        try:
            lines = (tmp_path / f"{kind}.out").read_text().splitlines()
        except OSError:
            return []
        return [json.loads(line) for line in lines if line]

    return make, ran
