"""podman exec, and what else looks into a running container."""

from __future__ import annotations

import json

from enclosure import until
from podman_engine import Podman


def test_streams_and_exit_status(podman_sleeper: Podman) -> None:
    name = podman_sleeper.names[0]
    script = "cat; echo err >&2; exit 9"
    done = podman_sleeper.call("exec", "-i", name, "sh", "-c", script, input="in")
    assert (done.stdout, done.stderr, done.returncode) == ("in", "err\n", 9)


def test_program_killed_by_a_signal(podman_sleeper: Podman) -> None:
    done = podman_sleeper.call("exec", podman_sleeper.names[0], "sh", "-c", "kill -9 $$")
    assert done.returncode == 137


def test_terminal(podman_sleeper: Podman) -> None:
    command = ["exec", "-it", podman_sleeper.names[0], "sh", "-c", "tty; stty size; exit 3"]
    shown, status = podman_sleeper.on_terminal(*command, rows=20, columns=70)
    assert shown.split("\r\n")[1] == "20 70" and shown.startswith("/dev/pts/")
    assert status == 3


def test_interactive_shell(podman_sleeper: Podman) -> None:
    shown, status = podman_sleeper.on_terminal(
        "exec", "-it", podman_sleeper.names[0], "sh", typed="echo $((40 + 2))\nexit 8\n"
    )
    assert "\r\n42\r\n" in shown and status == 8


def test_detached(podman_sleeper: Podman) -> None:
    name = podman_sleeper.names[0]
    podman_sleeper.ok("exec", "-d", name, "sh", "-c", "echo done > /tmp/detached")
    until(
        lambda: podman_sleeper.call("exec", name, "cat", "/tmp/detached").stdout == "done\n",
        "the detached process has written its file",
    )


def test_user_directory_and_environment(podman_sleeper: Podman) -> None:
    flags = ["-u", "user", "-w", "/tmp", "-e", "KEY=value"]
    script = "id -un; pwd; echo $KEY; echo $HOME; grep CapEff /proc/self/status"
    answer = podman_sleeper.ok("exec", *flags, podman_sleeper.names[0], "sh", "-c", script).split()
    assert answer == ["user", "/tmp", "value", "/home/user", "CapEff:", "0" * 16]


def test_privileged(podman_sleeper: Podman) -> None:
    command = ["grep", "CapEff", "/proc/self/status"]
    name = podman_sleeper.names[0]
    usual = podman_sleeper.ok("exec", name, *command)
    assert podman_sleeper.ok("exec", "--privileged", name, *command) != usual


def test_process_is_in_the_containers_cgroups_and_namespaces(podman_sleeper: Podman) -> None:
    script = (
        "cat /proc/self/cgroup | sort > /tmp/a; sort /proc/1/cgroup | diff - /tmp/a && "
        "for n in pid net ipc uts mnt cgroup; do "
        "test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || exit 1; done"
    )
    script = script.replace("diff - /tmp/a", "cmp -s - /tmp/a").replace("cmp", "busybox cmp")
    podman_sleeper.ok("exec", podman_sleeper.names[0], "sh", "-c", script)


def test_exec_into_a_stopped_container_is_refused(podman: Podman) -> None:
    name = podman.start()
    podman.ok("kill", name)
    podman.ok("wait", name)
    done = podman.call("exec", name, "true")
    assert done.returncode == 255
    assert "can only create exec sessions on running containers" in done.stderr


def test_top(podman_sleeper: Podman) -> None:
    shown = podman_sleeper.ok("top", podman_sleeper.names[0], "pid", "args")
    assert ["1", "sleep", "1000"] in [line.split() for line in shown.split("\n")]


def test_stats(podman_sleeper: Podman) -> None:
    [figures] = json.loads(
        podman_sleeper.ok("stats", "--no-stream", "--format=json", podman_sleeper.names[0])
    )
    assert int(figures["pids"]) == 1
    assert figures["mem_usage"].split()[0] != "0B"


def test_inspect(podman_sleeper: Podman) -> None:
    name = podman_sleeper.names[0]
    template = "{{.OCIRuntime}} {{.State.Status}} {{.State.Running}} {{.State.OOMKilled}}"
    assert podman_sleeper.inspect(name, template) == f"{podman_sleeper.runtime} running true false"
    pid = podman_sleeper.inspect(name, "{{.State.Pid}}")
    assert podman_sleeper.enclosure.read(f"/proc/{pid}/comm") == "sleep\n"


def test_copy_into_and_out_of_a_running_container(podman_sleeper: Podman) -> None:
    name = podman_sleeper.names[0]
    podman_sleeper.ok("cp", "/etc/hostname", f"{name}:/tmp/copied")
    copied = podman_sleeper.ok("exec", name, "cat", "/tmp/copied")
    assert copied == podman_sleeper.enclosure.read("/etc/hostname").removesuffix("\n")
    podman_sleeper.ok("cp", f"{name}:/srv/index.html", f"/run/{name}-out")
    assert podman_sleeper.enclosure.read(f"/run/{name}-out") == "served\n"
