"""From create to exec: who waits for whom, what is left when one dies, and what it costs."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

MEMORY = "/sys/fs/cgroup/memory"


def test_the_waiting_init_holds_nothing_but_what_start_needs(pyoci, bundle, tmp_path):
    bundle.mount("/d", type="bind", source=str(tmp_path), options=["bind"])
    name = pyoci.create(bundle.script("true"))
    pid = pyoci.state(name)["pid"]
    places = {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    held = {os.path.basename(place) for place in places if place.startswith(pyoci.root)}
    assert held == {"exec.fifo", "start.report"}
    assert not any(place.startswith("pipe:") for place in places), (
        "start's caller would wait for it"
    )


def test_the_waiting_init_is_small(pyoci, bundle):
    name = pyoci.create(bundle.script("true"))
    with open(f"/proc/{pyoci.state(name)['pid']}/status") as file:
        status = dict(line.split(":\t") for line in file if line.startswith("Rss"))
    # RssShmem is the program itself, which the runtime's cgroup has paid for.
    assert int(status["RssAnon"].split()[0]) <= 64
    assert status["RssFile"].split()[0] == "0"


def test_start_returns_when_the_program_has_been_executed(pyoci, bundle):
    for _ in range(10):
        name = pyoci.create(bundle.script("sleep 1000"))
        pyoci.ok("start", name)
        with open(f"/proc/{pyoci.state(name)['pid']}/comm") as file:
            assert file.read() != "pyoci-init\n"


def test_the_program_has_no_descriptor_of_its_start(pyoci, bundle):
    name = pyoci.start(bundle.script("sleep 1000; true"))
    assert sorted(os.listdir(f"/proc/{pyoci.state(name)['pid']}/fd")) == ["0", "1", "2"]


@pytest.mark.parametrize("hook", ["createRuntime", "createContainer"])
def test_an_init_whose_runtime_is_killed_ends(pyoci, bundle, tmp_path, hook, kill_later):
    """While a hook holds the create up: nothing half-made goes on by itself."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo here > {tmp_path}/reached; cat {fifo}"
    bundle.config["hooks"] = {hook: [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    bundle.script("sleep 1000").write()
    name = pyoci.new_id()
    creating = subprocess.Popen(
        pyoci.command("create", "--bundle", bundle.path, name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    kill_later(creating)
    while not (tmp_path / "reached").exists():
        assert creating.poll() is None
        time.sleep(0.01)
    pid = pyoci.state(name)["pid"]
    creating.send_signal(signal.SIGKILL)
    creating.wait()
    # The hook ends, the init goes on to its next question, and there is nobody to answer.
    os.close(os.open(fifo, os.O_WRONLY))
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline, "the init has outlived its runtime"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("seccomp", [False, True])
def test_a_container_runs_within_512_kib(pyoci, bundle, seccomp):
    if not os.path.exists(f"{MEMORY}/memory.limit_in_bytes") and not os.path.exists(
        "/sys/fs/cgroup/memory.max"
    ):
        pytest.skip("no memory controller in reach")
    bundle.linux["resources"]["memory"] = {"limit": 512 << 10}
    bundle.process["args"] = ["/bin/true"]
    if seccomp:
        bundle.linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}],
        }
    for _ in range(5):
        assert pyoci.run(bundle).returncode == 0


def test_an_environment_of_a_megabyte(pyoci, bundle):
    bundle.process["env"] += [f"V{n}={'x' * 1000}" for n in range(1000)]
    bundle.process["args"] = ["sh", "-c", "env | grep -c ^V"]
    assert pyoci.output(bundle) == "1000\n"


def test_arguments_that_are_too_long_for_the_kernel_are_refused(pyoci, bundle):
    bundle.process["args"] = ["true", "x" * (1 << 18)]
    done = pyoci.run(bundle)
    assert done.returncode == 1
    assert "list too long" in done.stderr


def test_a_failed_exec_leaves_no_process(pyoci, bundle):
    name = pyoci.start(bundle.script("sleep 1000"))
    for _ in range(5):
        assert pyoci.call("exec", name, "/no/such").returncode == 255
    assert pyoci.ok("exec", name, "ps").count("\n") == 3
