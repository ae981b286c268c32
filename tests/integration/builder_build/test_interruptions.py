"""Builds that are stopped or killed leave nothing, or something that the next build removes."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

ENDLESS = (
    "FROM busybox AS a\nRUN echo good > /good\nRUN touch /started-a; sleep 600\n"
    "FROM busybox AS b\nRUN touch /started-b; sleep 600\n"
    "FROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n"
)
_PATIENCE = 60


def until(condition, what):
    """Wait for something that happens; the limit only keeps a broken build from hanging."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def sleepers(build):
    """PIDs of RUN processes that a build started, which its container IDs name."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"sleep\x00600" not in file.read():
                    continue
            with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
                if f"build-{build.pid}-" in file.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


@pytest.fixture
def running(bench):
    """A build with two RUN steps that do not end, both of them started."""
    bench.write("Dockerfile", ENDLESS)
    build = bench.start(stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        until(lambda: len(sleepers(build)) == 2 or build.poll() is not None, "RUN did not start")
        assert build.poll() is None, build.stderr.read()
        yield bench, build
    finally:
        if build.poll() is None:
            build.kill()
            build.wait()
        bench.run("prune")  # deletes the containers of builders that are gone
        build.stdout.close()
        build.stderr.close()


def cgroups():
    return {
        name
        for directory, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith("build-")
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_build_and_leaves_nothing(running, number):
    bench, build = running
    build.send_signal(number)
    _, log = build.communicate(timeout=_PATIENCE)
    assert build.returncode == 130
    assert log.decode().splitlines()[-1] == "pyoci-builder: interrupted"
    assert log.decode().count("CANCELED") == 2
    assert sleepers(build) == []
    assert not any(name.startswith(f"build-{build.pid}-") for name in cgroups())
    bench.check_clean()


def test_a_failing_step_stops_the_others(bench):
    built = bench.build(
        "FROM busybox AS a\nRUN sleep 600\nFROM busybox AS b\nRUN sleep 1; exit 3\n"
        "FROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n",
        check=False,
    )
    assert built.status == 1
    assert "exit code: 3" in built.log.splitlines()[-1]
    bench.check_clean()


def test_after_sigkill_the_next_build_removes_what_is_left(running):
    bench, build = running
    build.kill()
    build.wait()
    assert len(sleepers(build)) == 2
    assert len(bench.containers()) == 2
    built = bench.build("FROM busybox AS a\nRUN echo good > /good\n")
    assert built.steps == {"RUN echo good > /good": "CACHED"}
    assert sleepers(build) == []
    assert not any(name.startswith(f"build-{build.pid}-") for name in cgroups())


def test_a_running_build_is_not_swept_by_another(running):
    bench, build = running
    other = bench.path / "other"
    other.mkdir()
    (other / "Dockerfile").write_text("FROM busybox\nRUN echo other > /o")
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    assert bench.finished(bench.start(context=other, **streams)).files() == {"o": b"other\n"}
    assert len(sleepers(build)) == 2


@pytest.mark.parametrize("after", [0.05, 0.15, 0.25, 0.35, 0.5, 0.7])
def test_a_build_killed_at_any_moment_leaves_a_good_store(bench, after):
    """Where the kill falls is chance; that the store is good afterwards is not."""
    text = (
        "FROM busybox AS a\nRUN seq 100000 > /a\nRUN seq 200000 > /b\nCOPY . /c\n"
        "FROM busybox\nCOPY --from=a /a /b /\nRUN cat /a /b > /ab\n"
    )
    bench.write("Dockerfile", text)
    build = bench.start("-t", "x", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        build.wait(timeout=after)
    except subprocess.TimeoutExpired:
        build.kill()
    build.wait()
    built = bench.build(None, "-t", "x")
    assert len(built.files()["ab"].splitlines()) == 300000


def test_concurrent_builds_over_one_store(bench):
    text = "FROM busybox\nARG N\nRUN seq 1000 > /same\nRUN echo $N > /n\n"
    bench.write("Dockerfile", text)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    builds = [bench.start("-t", f"n:{n}", "--build-arg", f"N={n}", **streams) for n in range(4)]
    for n, build in enumerate(builds):
        built = bench.finished(build)
        assert built.status == 0, built.log
        assert built.files()["n"] == f"{n}\n".encode()
    bench.check_clean()
