"""containerd's runc shim with another binary: run, exec, kill, pause, metrics."""

from __future__ import annotations

import pytest
from containerd_engine import Containerd
from enclosure import until


def test_output_and_exit_status(containerd: Containerd) -> None:
    done = containerd.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_limits(containerd: Containerd) -> None:
    script = (
        "cat /sys/fs/cgroup/memory.max 2>/dev/null || "
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
    )
    mount = "type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro"
    flags = ("--rm", f"--memory-limit={64 << 20}", "--mount", mount)
    assert containerd.run("sh", "-c", script, flags=flags).stdout == f"{64 << 20}\n"


def test_exec(containerd: Containerd) -> None:
    name = containerd.start("sleep", "1000")
    done = containerd.call("tasks", "exec", "--exec-id=e", name, "sh", "-c", "echo in; exit 6")
    assert (done.stdout, done.returncode) == ("in\n", 6)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("/bin/not-executable", "permission denied"),
        ("/no/such", "no such file or directory"),
    ],
)
def test_what_cannot_be_executed(containerd: Containerd, program: str, words: str) -> None:
    done = containerd.run(program)
    assert words in done.stderr
    assert done.returncode == 1


def test_kill_with_a_signal(containerd: Containerd) -> None:
    name = containerd.start("sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.1; done")
    containerd.ok("tasks", "exec", "--exec-id=e", name, "sleep", "0.2")
    containerd.ok("tasks", "kill", "--signal=SIGUSR1", name)
    until(lambda: containerd.status(name) == "STOPPED", "the task has stopped")
    assert "exit code 9" in containerd.call("tasks", "delete", name).stderr


def test_pause_and_resume(containerd: Containerd) -> None:
    name = containerd.start("sleep", "1000")
    containerd.ok("tasks", "pause", name)
    assert containerd.status(name) == "PAUSED"
    containerd.ok("tasks", "resume", name)
    assert containerd.status(name) == "RUNNING"


def test_processes_and_metrics(containerd: Containerd) -> None:
    name = containerd.start("sleep", "1000")
    assert len(containerd.ok("tasks", "ps", name).split("\n")) == 2
    assert "pids" in containerd.ok("tasks", "metrics", name)


def test_nothing_is_left(containerd: Containerd) -> None:
    before = containerd.enclosure.cgroup_directories()
    mounts = containerd.enclosure.mounts()
    containerd.run("true")
    containerd.clean_up()
    assert containerd.enclosure.mounts() == mounts
    new = containerd.enclosure.cgroup_directories() - before
    assert not [path for path in new if any(name in path for name in containerd.names)]
