"""Docker Engine: what people type."""

from __future__ import annotations

import json

import pytest
from docker_engine import IMAGE, Docker
from enclosure import until


def test_output_and_exit_status(docker: Docker) -> None:
    done = docker.run(IMAGE, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_runtime_is_the_chosen_one(docker: Docker) -> None:
    name = docker.start(IMAGE, "sleep", "1000")
    assert docker.inspect(name, "{{.HostConfig.Runtime}}") == docker.runtime


def test_port_volume_environment_name_and_network(docker: Docker) -> None:
    network = docker.new_name()
    docker.ok("network", "create", network)
    docker.enclosure.write("/run/shared/index.html", "from the volume\n")
    flags = ["-p", "127.0.0.1:8080:80", "-v", "/run/shared:/www", "-e", "K=V", "-it"]
    name = docker.start(
        *flags, "--network", network, IMAGE, "httpd", "-f", "-p", "80", "-h", "/www"
    )
    got = docker.enclosure.ok("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/")
    assert got == "from the volume\n"
    assert docker.ok("exec", name, "sh", "-c", "echo $K") == "V"
    get = ["wget", "-q", "-O", "-", f"http://{name}/"]
    assert docker.output("--network", network, IMAGE, *get) == "from the volume"
    docker.clean_up()
    docker.ok("network", "rm", network)


def test_terminal(docker: Docker) -> None:
    command = ["/usr/bin/docker", *docker.flags(), "--rm", "-it", IMAGE, "sh"]
    shown, status = docker.enclosure.on_terminal(*command, typed="echo $((6 * 7))\nexit 4\n")
    assert "\r\n42\r\n" in shown and status == 4


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [
        ("no-such-program", 127, "executable file not found in $PATH"),
        ("/no/such/program", 127, "no such file or directory"),
        ("/bin/not-executable", 126, "permission denied"),
        ("/etc", 126, "permission denied"),
    ],
)
def test_what_cannot_be_executed(docker: Docker, program: str, status: int, words: str) -> None:
    done = docker.run(IMAGE, program)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_exec(docker: Docker) -> None:
    name = docker.start(IMAGE, "sleep", "1000")
    done = docker.call("exec", "-u", "user", "-w", "/tmp", name, "sh", "-c", "id -un; pwd; exit 7")
    assert (done.stdout, done.returncode) == ("user\n/tmp\n", 7)
    assert docker.call("exec", name, "no-such-program").returncode in (126, 127)


def test_out_of_memory_kill_is_reported(docker: Docker) -> None:
    flags = ["--memory=16m", "--memory-swap=16m"]
    name = docker.start(*flags, IMAGE, "tail", "/dev/zero")
    assert docker.ok("wait", name) == "137"
    assert docker.inspect(name, "{{.State.OOMKilled}}") == "true"


def test_pause_update_stats_and_top(docker: Docker) -> None:
    name = docker.start("--memory=64m", "--memory-swap=64m", IMAGE, "sleep", "1000")
    docker.ok("pause", name)
    assert docker.inspect(name, "{{.State.Status}}") == "paused"
    docker.ok("unpause", name)
    docker.ok("update", "--memory=48m", "--memory-swap=48m", "--cpus=0.5", name)
    figures = json.loads(docker.ok("stats", "--no-stream", "--format", "{{json .}}", name))
    assert figures["MemUsage"].endswith("48MiB") and figures["PIDs"] == "1"
    assert "sleep 1000" in docker.ok("top", name)


def test_stop_start_and_restart(docker: Docker) -> None:
    script = "echo run; trap 'exit 8' TERM; while :; do sleep 0.1; done"
    name = docker.start(IMAGE, "sh", "-c", script)
    until(lambda: "run" in docker.ok("logs", name), "it runs")
    docker.ok("stop", name)
    assert docker.inspect(name, "{{.State.ExitCode}}") == "8"
    docker.ok("start", name)
    docker.ok("restart", "--time=1", name)
    assert docker.inspect(name, "{{.State.Running}}") == "true"


@pytest.mark.parametrize("buildkit", ["0", "1"])
def test_build_history_and_run(docker: Docker, buildkit: str) -> None:
    if docker.runtime != "pyoci":
        pytest.skip("a build has no choice of runtime: it uses the daemon's default")
    path = f"/run/{docker.new_name()}"
    script = f'FROM {IMAGE}\nRUN echo built-{buildkit} > /made\nCMD ["cat", "/made"]\n'
    docker.enclosure.write(f"{path}/Dockerfile", script)
    tag = docker.new_name()
    docker.ok("build", "--tag", tag, path, env={"DOCKER_BUILDKIT": buildkit})
    assert docker.output(tag) == f"built-{buildkit}"
    assert "echo built-" in docker.ok("history", "--no-trunc", tag)
