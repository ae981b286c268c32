"""podman stop, kill, pause, restart, health checks, and limits."""

from __future__ import annotations

import json

import pytest
from enclosure import until
from podman_engine import Podman

TRAP = "trap 'echo caught; exit 21' TERM; echo ready; while :; do sleep 0.1; done"


def limit(podman: Podman, name: str, unified: str, legacy: str) -> str:
    """Read a limit from the container's cgroup, whichever version it is."""
    script = f"cat /sys/fs/cgroup/{unified} 2>/dev/null || cat /sys/fs/cgroup/{legacy}"
    return podman.ok("exec", name, "sh", "-c", script).strip()


def await_ready(podman: Podman, name: str) -> None:
    until(lambda: "ready" in podman.ok("logs", name), f"{name} is ready")


def test_stop_sends_the_stop_signal(podman: Podman) -> None:
    name = podman.start("--stop-timeout=30", "--", "sh", "-c", TRAP)
    await_ready(podman, name)
    podman.ok("stop", name)
    assert podman.inspect(name, "{{.State.ExitCode}}") == "21"
    assert podman.ok("logs", name).endswith("caught")


def test_stop_kills_after_the_timeout(podman: Podman) -> None:
    name = podman.start("--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    await_ready(podman, name)
    podman.ok("stop", "--time=1", name)
    assert podman.inspect(name, "{{.State.ExitCode}} {{.State.Status}}") == "137 exited"


def test_kill_sends_the_named_signal(podman: Podman) -> None:
    script = "trap 'exit 22' USR1; echo ready; while :; do sleep 0.1; done"
    name = podman.start("--", "sh", "-c", script)
    await_ready(podman, name)
    podman.ok("kill", "--signal=USR1", name)
    assert podman.ok("wait", name) == "22"


def test_killing_a_stopped_container_is_refused(podman: Podman) -> None:
    name = podman.start("--", "true")
    podman.ok("wait", name)
    done = podman.call("kill", name)
    assert done.returncode == 125
    assert "can only kill running containers" in done.stderr


def test_start_again(podman: Podman) -> None:
    name = podman.start("--", "sh", "-c", "echo run >> /tmp/runs; wc -l < /tmp/runs")
    assert podman.ok("wait", name) == "0"
    assert podman.ok("start", "--attach", name) == "2"


def test_restart(podman: Podman) -> None:
    name = podman.start()
    pid = podman.inspect(name, "{{.State.Pid}}")
    podman.ok("restart", "--time=0", name)
    assert podman.inspect(name, "{{.State.Status}}") == "running"
    assert podman.inspect(name, "{{.State.Pid}}") != pid


def test_restart_policy(podman: Podman) -> None:
    name = podman.start("--restart=on-failure:2", "--", "sh", "-c", "echo run; exit 1")
    until(lambda: podman.ok("logs", name).count("run") == 3, "it has run three times")
    until(lambda: podman.inspect(name, "{{.State.Status}}") == "exited", "it has ended for good")
    assert podman.inspect(name, "{{.RestartCount}}") == "2"


def test_pause_and_resume(podman: Podman) -> None:
    name = podman.start()
    podman.ok("pause", name)
    assert podman.inspect(name, "{{.State.Status}}") == "paused"
    done = podman.call("exec", name, "true")
    assert done.returncode == 255
    podman.ok("unpause", name)
    assert podman.inspect(name, "{{.State.Status}}") == "running"
    podman.ok("exec", name, "true")


def test_paused_container_can_be_removed(podman: Podman) -> None:
    name = podman.start()
    podman.ok("pause", name)
    podman.ok("rm", "--force", "--time=0", name)


def test_health_check(podman: Podman) -> None:
    flags = ("--health-cmd=test -e /tmp/well", "--health-interval=disable", "--health-retries=1")
    name = podman.start(*flags)
    assert podman.call("healthcheck", "run", name).returncode == 1
    assert podman.inspect(name, "{{.State.Health.Status}}") == "unhealthy"
    podman.ok("exec", name, "touch", "/tmp/well")
    podman.ok("healthcheck", "run", name)
    assert podman.inspect(name, "{{.State.Health.Status}}") == "healthy"


def test_limits(podman: Podman) -> None:
    flags = ("--memory=64m", "--cpus=0.5", "--pids-limit=50", "--cpu-shares=512")
    name = podman.start(*flags, "--cpuset-cpus=0", "--memory-reservation=32m")
    memory = limit(podman, name, "memory.max", "memory/memory.limit_in_bytes")
    assert memory == str(64 << 20)
    assert limit(podman, name, "pids.max", "pids/pids.max") == "50"
    quota = limit(podman, name, "cpu.max", "cpu/cpu.cfs_quota_us").split()[0]
    assert quota == "50000"
    assert limit(podman, name, "cpuset.cpus", "cpuset/cpuset.cpus") == "0"
    soft = limit(podman, name, "memory.low", "memory/memory.soft_limit_in_bytes")
    assert soft == str(32 << 20)


def test_update(podman: Podman) -> None:
    name = podman.start("--memory=64m", "--pids-limit=50")
    podman.ok("update", "--memory=48m", "--cpus=0.25", name)
    memory = limit(podman, name, "memory.max", "memory/memory.limit_in_bytes")
    assert memory == str(48 << 20)
    assert limit(podman, name, "cpu.max", "cpu/cpu.cfs_quota_us").split()[0] == "25000"


def test_limit_of_processes_holds(podman: Podman) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 100 & done"
    done = podman.run("--pids-limit=5", "--", "sh", "-c", script)
    assert "can't fork" in done.stderr


def test_out_of_memory_kill_has_its_exit_status(podman: Podman) -> None:
    # That it was for want of memory is conmon's to find out, not the runtime's.
    done = podman.run("--memory=16m", "--memory-swap=16m", "--", "tail", "/dev/zero")
    assert done.returncode == 137


def test_events(podman: Podman) -> None:
    name = podman.start("--", "true")
    podman.ok("wait", name)
    until(
        lambda: (
            {"create", "init", "start", "died"}
            <= {
                json.loads(line)["Status"]
                for line in podman.ok(
                    "events", "--stream=false", "--format=json", "--filter", f"container={name}"
                ).split("\n")
                if line
            }
        ),
        "all of its events are there",
    )


@pytest.mark.parametrize("flags", [(), ("-t",)])
def test_created_container_can_be_initialised_and_removed(
    podman: Podman, flags: tuple[str, ...]
) -> None:
    name = podman.new_name()
    podman.ok("create", *flags, "--name", name, "localhost/box:1", "sleep", "100")
    podman.ok("init", name)
    assert podman.inspect(name, "{{.State.Status}}") == "initialized"
    podman.ok("rm", "--force", "--time=0", name)
