"""What podman makes of a container that cannot start: exit statuses and words as with runc."""

from __future__ import annotations

import pytest
from podman_engine import Podman

NOT_FOUND = "OCI runtime attempted to invoke a command that was not found"
DENIED = "OCI permission denied"

# A program, the exit status, what is said. What the kernel refuses only when it is executed (a
# missing interpreter, no known format) runc reports from within the container that it has started;
# pyoci reports it as the failure of the start, with the reason.
FAILURES = [
    ("no-such-program", 127, 'exec: "no-such-program": executable file not found in $PATH'),
    ("/no/such/program", 127, NOT_FOUND),
    ("/etc/passwd/program", 126, "stat /etc/passwd/program: not a directory"),
    ("/bin/not-executable", 126, DENIED),
    ("not-executable", 127, "executable file not found in $PATH"),
    ("/etc", 126, DENIED),
    ("", 127, 'exec: "": executable file not found in $PATH'),
]

LATE_FAILURES = [
    ("/bin/no-interpreter", "no such file or directory"),
    ("/bin/not-a-program", "exec format error"),
]


@pytest.mark.parametrize(("program", "status", "words"), FAILURES)
def test_run_of_what_cannot_be_executed(
    podman: Podman, program: str, status: int, words: str
) -> None:
    done = podman.run("--", program)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize(("program", "words"), LATE_FAILURES)
def test_run_of_what_the_kernel_refuses(podman: Podman, program: str, words: str) -> None:
    done = podman.run("--", program)
    assert words in done.stderr
    assert done.returncode == (126 if podman.runtime == "pyoci" else 1)


@pytest.mark.parametrize(("program", "status", "words"), FAILURES[::3])
def test_detached_run_of_what_cannot_be_executed(
    podman: Podman, program: str, status: int, words: str
) -> None:
    done = podman.run("--detach", "--", program)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize(("program", "status", "words"), FAILURES)
def test_exec_of_what_cannot_be_executed(
    podman_sleeper: Podman, program: str, status: int, words: str
) -> None:
    # Without "not found" and "denied" in the text, podman does not know why an exec failed.
    status = 255 if "passwd" in program else status
    done = podman_sleeper.call("exec", podman_sleeper.names[0], program)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [(program, 255 if "format" in words else 127, words) for program, words in LATE_FAILURES],
)
def test_exec_of_what_the_kernel_refuses_says_why(
    podman_sleeper: Podman, program: str, status: int, words: str
) -> None:
    if podman_sleeper.runtime != "pyoci":
        pytest.skip("runc tells nobody: the exec has succeeded by then")
    done = podman_sleeper.call("exec", podman_sleeper.names[0], program)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_missing_working_directory_of_exec(podman: Podman) -> None:
    name = podman.start()
    done = podman.call("exec", "-w", "/nowhere", name, "true")
    assert done.returncode == 127
    assert "/nowhere" in done.stderr


def test_missing_source_of_a_mount(podman: Podman) -> None:
    done = podman.run("--mount=type=bind,source=/no/such/source,target=/x", "--", "true")
    assert done.returncode == 125


def test_device_that_does_not_exist(podman: Podman) -> None:
    done = podman.run("--device=/dev/no-such-device", "--", "true")
    assert done.returncode == 125


def test_file_mounted_over_a_directory(podman: Podman) -> None:
    done = podman.run("-v", "/etc/hostname:/etc", "--", "true")
    assert done.returncode in (126, 127)
    assert "not a directory" in done.stderr.lower()


def test_sysctl_that_does_not_exist(podman: Podman) -> None:
    done = podman.run("--sysctl=net.ipv4.no_such_setting=1", "--", "true")
    assert done.returncode in (126, 127)
    assert "no_such_setting" in done.stderr


def test_failed_start_leaves_nothing(podman: Podman) -> None:
    def left() -> set[str]:
        root = f"/run/{podman.runtime}"
        podman.enclosure.ok("mkdir", "-p", root)
        states = podman.enclosure.ok("find", root, "-mindepth", "1", "-not", "-path", "*/[.@]*")
        return podman.enclosure.cgroup_directories() | set(states.split())

    before = left()
    podman.run("--", "/no/such/program")
    podman.run("--", "/bin/no-interpreter")
    assert podman.ok("ps", "--all", "--quiet", "--filter", f"name={podman.names[-1]}") == ""
    assert left() == before
