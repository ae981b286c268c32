"""A base image made of busybox, and runtimes to run what is unpacked from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory, busybox):
    """Files with what an image can hold: owners, modes, links, a device, attributes, odd times."""
    top = tmp_path_factory.mktemp("image") / "rootfs"
    for name in ("bin", "etc", "tmp", "home/app", "var/lib/data", "dev", "srv"):
        os.makedirs(top / name)
    os.chmod(top / "tmp", 0o1777)
    shutil.copy(busybox, top / "bin/busybox")
    for applet in ("sh", "id", "env", "cat", "ls", "stat", "touch", "hostname", "echo", "getfattr"):
        os.symlink("busybox", top / "bin" / applet)
    (top / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
    )
    (top / "etc/group").write_text("root:x:0:\napp:x:1000:\naudio:x:29:app\n")
    os.chown(top / "home/app", 1000, 1000)
    (top / "var/lib/data/seed").write_text("from the image\n")
    os.chown(top / "var/lib/data", 1000, 1000)
    (top / "srv/file").write_text("x")
    os.link(top / "srv/file", top / "srv/link")
    os.mknod(top / "srv/null", 0o020666, os.makedev(1, 3))
    os.utime(top / "srv/file", (1_000_000_000, 1_000_000_000))
    return top


@pytest.fixture
def builder(tmp_path, monkeypatch):
    """Calls pyoci-builder in a process of its own; gives what it wrote."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ROOT,
        "PYOCI_BUILDER_STORE": str(tmp_path / "store"),
        "PYOCI_BUILDER_PASSWORD": "secret",
    }

    def call(*arguments: str, status: int = 0, **settings) -> str:
        environment = {**environ, **settings.pop("environ", {})}
        done = subprocess.run(
            [sys.executable, "-c", "from builder.cli.main import main; main()", *arguments],
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            **settings,
        )
        assert done.returncode == status, done.stderr.decode()
        return (done.stdout if status == 0 else done.stderr).decode()

    return call


@pytest.fixture
def run(tmp_path):
    """Runs a bundle with a runtime; gives what the program wrote."""
    started = []

    def call(binary: str, bundle: str, status: int = 0) -> str:
        name = f"image-{uuid.uuid4().hex[:8]}"
        state = str(tmp_path / "state")
        started.append((binary, state, name))
        done = subprocess.run(
            [binary, "--root", state, "run", "--bundle", bundle, name],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    yield call
    for binary, state, name in started:
        subprocess.run([binary, "--root", state, "delete", "--force", name], capture_output=True)


@pytest.fixture(params=["pyoci", "runc"])
def any_runtime(request) -> str:
    """Each runtime that is installed here."""
    found = shutil.which(f"{os.path.dirname(sys.executable)}/{request.param}")
    found = found or shutil.which(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found
