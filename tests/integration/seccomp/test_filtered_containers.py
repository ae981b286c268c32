"""``/linux/seccomp`` of a container that pyoci really runs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PODMAN = os.path.join(HERE, "..", "..", "data", "seccomp", "podman-oci.json")


def denying(*names: str, errno: int = 1) -> dict[str, Any]:
    rule = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}


@pytest.fixture
def podman_profile() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(PODMAN).read_text())
    if os.uname().machine != "x86_64":
        found["architectures"] = []
    return found


@pytest.mark.parametrize("unprivileged", [True, False])
def test_the_program_runs_under_the_filter(pyoci: Any, bundle: Any, unprivileged: bool) -> None:
    bundle.process["noNewPrivileges"] = unprivileged
    bundle.linux["seccomp"] = denying("mkdir", "mkdirat", errno=18)
    bundle.script("grep Seccomp: /proc/self/status; mkdir /tmp/x; echo status $?")
    done = pyoci.run(bundle)
    assert "Seccomp:\t2\n" in done.stdout
    assert "status 1" in done.stdout
    assert "Invalid cross-device link" in done.stderr


def test_what_is_executed_in_it_later_is_filtered_as_well(pyoci: Any, bundle: Any) -> None:
    bundle.linux["seccomp"] = denying("mkdir", "mkdirat", errno=18)
    bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(bundle)
    done = pyoci.call("exec", name, "mkdir", "/tmp/x")
    assert "Invalid cross-device link" in done.stderr


def test_a_personality_of_the_caller_does_not_change_what_the_filter_is_for(
    pyoci: Any, bundle: Any
) -> None:
    setarch = shutil.which("setarch")
    if setarch is None or os.uname().machine != "x86_64":
        pytest.skip("setarch is missing, or this machine has one architecture only")
    bundle.linux["seccomp"] = denying("mkdir", "mkdirat", errno=18)
    bundle.script("mkdir /tmp/x || echo denied")
    bundle.write()
    command = pyoci.command("run", "--bundle", bundle.path, pyoci.new_id())
    done = subprocess.run([setarch, "i686", *command], capture_output=True, text=True)
    assert done.stdout == "denied\n", done.stderr


def test_the_profile_that_podman_hands_over_runs_a_shell(
    pyoci: Any, bundle: Any, podman_profile: dict[str, Any]
) -> None:
    bundle.linux["seccomp"] = podman_profile
    bundle.script("ls / >/dev/null && id -u && echo works")
    assert pyoci.output(bundle) == "0\nworks\n"


def test_a_second_container_finds_the_filter_of_the_first(
    pyoci: Any, bundle: Any, podman_profile: dict[str, Any]
) -> None:
    bundle.linux["seccomp"] = podman_profile
    bundle.script("true")

    def filters() -> dict[str, int]:
        found = {}
        for path in Path(pyoci.root).glob("@seccomp/*"):
            found[path.name] = path.stat().st_ino
        return found

    pyoci.output(bundle)
    first = filters()
    pyoci.output(bundle)
    assert len(first) == 1
    assert filters() == first


def test_a_wrong_profile_is_named_by_its_place_and_leaves_nothing(pyoci: Any, bundle: Any) -> None:
    bundle.linux["seccomp"] = denying("mkdir")
    bundle.linux["seccomp"]["syscalls"][0]["args"] = [
        {"index": 0, "value": 1, "op": "SCMP_CMP_LIKE"}
    ]
    done = pyoci.run(bundle)
    assert done.returncode != 0
    assert "/linux/seccomp/syscalls/0/args/0/op" in done.stderr
    assert "SCMP_CMP_MASKED_EQ" in done.stderr
    assert not [name for name in os.listdir(pyoci.root) if name in pyoci.ids]


class Agent(threading.Thread):
    """Takes one container process state and its listener, and denies every call with EXDEV."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(path)
        self.server.listen()
        self.state: dict[str, Any] = {}
        self.calls = 0

    def run(self) -> None:
        import fcntl

        connection, _ = self.server.accept()
        data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 4)
        while chunk := connection.recv(1 << 16):
            data += chunk
        self.state = json.loads(data)
        (listener,) = descriptors
        while True:
            request = bytearray(80)
            try:
                fcntl.ioctl(listener, 0xC0502100, request)
            except OSError:
                break
            identity = struct.unpack_from("=Q", request)[0]
            self.calls += 1
            answer = struct.pack("=QqiI", identity, 0, -18, 0)
            fcntl.ioctl(listener, 0xC0182101, bytearray(answer))
            if self.calls == 1:
                break
        os.close(listener)


@pytest.mark.parametrize("unprivileged", [True, False])
def test_an_agent_decides_over_notified_calls(
    pyoci: Any, bundle: Any, tmp_path: Path, unprivileged: bool
) -> None:
    path = str(tmp_path / "agent.sock")
    agent = Agent(path)
    agent.start()
    bundle.process["noNewPrivileges"] = unprivileged
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": path,
        "listenerMetadata": "for the agent",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    }
    bundle.script("mkdir /tmp/x")
    done = pyoci.run(bundle)
    agent.join(20)
    assert not agent.is_alive()
    assert "Invalid cross-device link" in done.stderr
    assert agent.calls == 1
    assert agent.state["fds"] == ["seccompFd"]
    assert agent.state["metadata"] == "for the agent"
    assert agent.state["pid"] == agent.state["state"]["pid"]


def test_without_an_agent_the_container_is_not_created(pyoci: Any, bundle: Any) -> None:
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/nonexistent/agent.sock",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
    }
    bundle.script("true")
    done = pyoci.run(bundle)
    assert done.returncode != 0
    assert "an agent has to listen there" in done.stderr
    assert not [name for name in os.listdir(pyoci.root) if name in pyoci.ids]


def test_the_filters_directory_is_no_container(
    pyoci: Any, bundle: Any, podman_profile: dict[str, Any]
) -> None:
    bundle.linux["seccomp"] = podman_profile
    bundle.script("true")
    pyoci.output(bundle)
    assert os.path.isdir(f"{pyoci.root}/@seccomp")
    listed = subprocess.run(
        pyoci.command("list", "--quiet"), capture_output=True, text=True, check=True
    )
    assert listed.stdout == ""
