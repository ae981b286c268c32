"""What the attacks have in common: something to lose, somebody who swaps names, and a spy."""

from __future__ import annotations

import array
import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CANARY = "canary-of-the-host"

# Exchanges two names as fast as it can, until its input ends: a process of its own, so that the
# tests' interpreter does not slow it down. The byte it writes says that it has begun.
EXCHANGE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
left, right = (os.fsencode(path) for path in sys.argv[1:])
os.set_blocking(0, False)
os.write(1, b"!")
while True:
    for _ in range(200):
        if libc.renameat2(-100, left, -100, right, 2):
            sys.exit(os.strerror(ctypes.get_errno()))
    try:
        if not os.read(0, 1):
            break
    except BlockingIOError:
        pass
"""


@pytest.fixture
def exchanged() -> Iterator[Callable[[str, str], None]]:
    """Starts to swap two names for one another (renameat2(2)), up to the end of the test."""
    racers: list[subprocess.Popen[bytes]] = []

    def start(left: str, right: str) -> None:
        racer = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", EXCHANGE, left, right],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        racers.append(racer)
        assert racer.stdout is not None
        assert racer.stdout.read(1) == b"!"

    yield start
    failures = [racer.communicate()[1].decode() for racer in racers]
    assert not any(failures), failures


def tree(path: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything below a directory: kind and mode, owner, number of links, content."""
    found = {}
    for top, directories, files in os.walk(path):
        for name in (".", *directories, *files):
            entry = os.path.join(top, name)
            facts = os.lstat(entry)
            content = b""
            if os.path.isfile(entry) and not os.path.islink(entry):
                content = Path(entry).read_bytes()
            found[entry] = (facts.st_mode, facts.st_uid, facts.st_nlink, content)
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host. After the test it is as it was, and nothing is mounted in it."""
    path = tmp_path / "outside"
    (path / "directory").mkdir(parents=True)
    (path / "file").write_text("of the host")
    (path / CANARY).write_text("of the host")
    before = tree(path)
    yield path
    assert tree(path) == before, "something outside the root was made or changed"
    with open("/proc/self/mountinfo") as file:
        assert str(path) not in file.read()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Compiles one of the programs of this directory, statically; gives its path."""
    directory = tmp_path_factory.mktemp("attackers")

    def compile_static(name: str) -> str:
        path = str(directory / name)
        if not os.path.exists(path):
            source = str(HERE / f"{name}.c")
            subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", path, source], check=True)
        return path

    return compile_static


@pytest.fixture
def armed(compiled: Callable[[str], str]) -> Callable[[str, str], str]:
    """Puts one of the programs into a root file system; gives its path there."""

    def arm(rootfs: str, name: str) -> str:
        shutil.copy(compiled(name), f"{rootfs}/bin/{name}")
        return f"/bin/{name}"

    return arm


@pytest.fixture
def victim(own_bundle: Any, tmp_path: Path) -> Any:
    """Another bundle, with a root file system of its own as well."""
    rootfs = shutil.copytree(own_bundle.rootfs, tmp_path / "victim-rootfs", symlinks=True)
    return type(own_bundle)(str(tmp_path / "victim"), str(rootfs))


@pytest.fixture
def appears() -> Callable[[str, Callable[[], bool]], None]:
    """Waits for a file that a container makes, as long as it is able to."""

    def wait(path: str, able: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not os.path.exists(path):
            assert able(), f"{path} cannot appear any more"
            assert time.monotonic() < deadline, f"waited in vain for {path}"
            time.sleep(0.01)

    return wait


class Terminal:
    """A console socket, and what is read from the terminal that comes over it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._listener.settimeout(20)
        self._masters: list[int] = []

    def receive(self) -> int:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(20)
            _, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        (master,) = array.array("i", control[0][2])
        self._masters.append(master)
        return master

    @staticmethod
    def read(master: int) -> str:
        """Give what is written up to the end of the last writer."""
        data = b""
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while select.select([master], [], [], 20)[0] and (part := os.read(master, 4096)):
                data += part
        return data.decode(errors="replace").replace("\r\n", "\n")

    def hang_up(self) -> None:
        """Forget who has called and has nothing to send."""
        self._listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
        self._listener.settimeout(20)

    def close(self) -> None:
        self._listener.close()
        for master in self._masters:
            os.close(master)


@pytest.fixture
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    served = Terminal(str(tmp_path_factory.mktemp("console") / "socket"))
    yield served
    served.close()
