"""Drives a runtime by the commands that all have: create, start, state, kill, delete.

trial = Trial(binary)
container = trial.create(config)      stdout of `create` is the container's
container.start()
text = container.output()             until the program and all its children have ended
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any

from conformance.judge import FaultError
from conformance.runtime.bundles import basic_config, make_bundle

_PATIENCE = 20.0
_POLL = 0.01
_DETACH = 2  # MNT_DETACH


class RuntimeFailedError(FaultError):
    """A command of the runtime failed, or did not end."""

    def __init__(self, command: str, status: int | None, stderr: str) -> None:
        """Tell of a command; a status of None stands for one that did not end."""
        self.status = status
        lines = stderr.strip().splitlines()
        why = lines[-1][:300] if lines else "it said nothing"
        how = f"did not end within {_PATIENCE:.0f} s" if status is None else f"exit status {status}"
        super().__init__(f"{command} failed ({how}): {why}")


class Trial:
    """One case's use of a runtime: own state directory, own bundles, all removed at the end."""

    def __init__(self, binary: str, arguments: tuple[str, ...] = ()) -> None:
        """Prepare; `arguments` stand before each command (`--cgroup-manager=disabled`)."""
        self.binary = binary
        self._arguments = arguments
        self.directory = tempfile.mkdtemp(prefix="conformance-")
        self._root = f"{self.directory}/state"
        self._containers: list[Container] = []
        self._count = 0

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        for container in self._containers:
            container.close()
        _unmount_below(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)

    def config(self, script: str = "true") -> dict[str, Any]:
        """A configuration that executes a shell script."""
        return basic_config("/bin/sh", "-c", script)

    def bundle(self, config: dict[str, Any] | str | bytes) -> str:
        """A new bundle."""
        self._count += 1
        return make_bundle(f"{self.directory}/bundle-{self._count}", config)

    def container(self, bundle: str, name: str | None = None) -> Container:
        """A container that does not exist yet."""
        self._count += 1
        fallback = f"{os.path.basename(self.directory)}-{self._count}"
        container = Container(self, name or fallback, bundle)
        self._containers.append(container)
        return container

    def create(self, config: dict[str, Any] | str | bytes) -> Container:
        """A created container. Raises RuntimeFailedError."""
        container = self.container(self.bundle(config))
        container.create()
        return container

    def run(self, config: dict[str, Any]) -> str:
        """What a container writes until it ends. Raises RuntimeFailedError."""
        container = self.create(config)
        container.start()
        text = container.output()
        container.wait_stopped()
        container.delete()
        return text

    def lines(self, script: str, config: dict[str, Any] | None = None) -> list[str]:
        """The lines that a script writes in a container of that configuration."""
        config = config or self.config()
        config["process"]["args"] = ["/bin/sh", "-c", script]
        return self.run(config).splitlines()

    def refusal(self, config: dict[str, Any] | str | bytes) -> str | None:
        """Why the runtime refuses a configuration, at create or start; None when it does not."""
        container = self.container(self.bundle(config))
        try:
            container.create()
            container.start()
        except RuntimeFailedError as error:
            return str(error)
        container.output()
        return None

    def call(
        self, *words: str, stdout: int = subprocess.PIPE, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the runtime. Raises RuntimeFailedError when it fails or does not end."""
        argv = [self.binary, "--root", self._root, *self._arguments, *words]
        # A file, since what the container inherits would keep a pipe open after the command's end.
        with tempfile.TemporaryFile("w+") as stderr:
            try:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    text=True,
                    timeout=_PATIENCE,
                    pass_fds=pass_fds,
                )
                status: int | None = done.returncode
            except subprocess.TimeoutExpired:
                status = None
            stderr.seek(0)
            text = stderr.read()
        if status != 0:
            raise RuntimeFailedError(words[0], status, text)
        return done


def _unmount_below(directory: str) -> None:
    """Take away what a runtime has left mounted, before the files below are removed."""
    with open("/proc/self/mountinfo") as file:
        places = [line.split()[4] for line in file]
    libc = ctypes.CDLL(None)
    for place in reversed(places):
        if place.startswith(f"{directory}/"):
            libc.umount2(place.encode(), _DETACH)


class Container:
    """A container of a trial; it need not exist."""

    def __init__(self, trial: Trial, name: str, bundle: str) -> None:
        """Name a container."""
        self._trial = trial
        self.name = name
        self.bundle = bundle
        self._output, self._input = os.pipe()

    def create(self) -> None:
        """Create it. Raises RuntimeFailedError."""
        self._trial.call("create", "--bundle", self.bundle, self.name, stdout=self._input)

    def start(self) -> None:
        """Start it. Raises RuntimeFailedError."""
        self._trial.call("start", self.name)

    def state(self) -> dict[str, Any]:
        """Its state. Raises RuntimeFailedError, FaultError when what comes is no state."""
        text = self._trial.call("state", self.name).stdout
        try:
            document = json.loads(text)
        except ValueError:
            raise FaultError(f"state is not JSON: {text[:100]!r}") from None
        if not isinstance(document, dict):
            raise FaultError(f"state is no JSON object: {text[:100]!r}")
        return document

    def exists(self) -> bool:
        """Whether the runtime knows it."""
        try:
            self.state()
        except RuntimeFailedError:
            return False
        return True

    def kill(self, signal: str) -> None:
        """Send its process a signal. Raises RuntimeFailedError."""
        self._trial.call("kill", self.name, signal)

    def delete(self) -> None:
        """Delete it. Raises RuntimeFailedError."""
        self._trial.call("delete", self.name)

    def output(self) -> str:
        """What it writes until nobody can write any more. Raises FaultError when that is never."""
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
        chunks: list[bytes] = []
        end = time.monotonic() + _PATIENCE
        while select.select([self._output], [], [], max(0.0, end - time.monotonic()))[0]:
            chunk = os.read(self._output, 65536)
            if not chunk:
                return b"".join(chunks).decode("utf-8", "replace")
            chunks.append(chunk)
        raise FaultError(f"the container did not end within {_PATIENCE:.0f} s")

    def wait_status(self, status: str) -> bool:
        """Wait until its status is that; gives whether it came to be."""
        end = time.monotonic() + _PATIENCE
        while self.state().get("status") != status:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL)
        return True

    def wait_stopped(self) -> None:
        """Wait until it is stopped. Raises FaultError when it does not stop."""
        if not self.wait_status("stopped"):
            raise FaultError("its process has ended, but its status does not become stopped")

    def close(self) -> None:
        """Remove it, whatever state it is in."""
        for fd in (self._input, self._output):
            if fd >= 0:
                os.close(fd)
        self._input = self._output = -1
        try:
            self._trial.call("delete", "--force", self.name)
        except RuntimeFailedError:
            return
