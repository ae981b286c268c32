"""No descriptor of the host's reaches a container (CVE-2024-21626, CVE-2016-9962)."""

from __future__ import annotations

import os
import subprocess

import pytest

NUMBERS = range(3, 101)


@pytest.fixture
def leaky():
    """Open every number from 3 to 100, inheritable, on a directory of the host."""
    opened = []
    for number in NUMBERS:
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.set_inheritable(number, True)
            opened.append(number)
    assert len(opened) > 50
    yield
    for number in opened:
        os.close(number)


def call(pyoci, *arguments):
    return subprocess.run(
        pyoci.command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        close_fds=False,
        timeout=60,
    )


@pytest.mark.parametrize("first", range(3, 101, 14))
def test_cve_2024_21626_cwd_through_a_leaked_descriptor_is_refused(pyoci, bundle, leaky, first):
    for number in range(first, min(first + 14, 101)):
        bundle.process["cwd"] = f"/proc/self/fd/{number}"
        bundle.script("pwd; ls -d ../../../boot 2>/dev/null; ls")
        bundle.write()
        done = call(pyoci, "run", "--bundle", bundle.path, pyoci.new_id())
        # A number that is the init's own at that moment may lead to a place inside; never outside.
        assert done.returncode != 0 or "boot" not in done.stdout.split(), (number, done.stdout)


def test_cve_2024_21626_exec_cwd_through_a_leaked_descriptor_is_refused(pyoci, bundle, leaky):
    bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(bundle)
    for number in NUMBERS:
        done = call(pyoci, "exec", "--cwd", f"/proc/self/fd/{number}", name, "ls")
        assert done.returncode != 0 or "boot" not in done.stdout.split(), (number, done.stdout)


def test_cve_2024_21626_inherited_descriptors_are_closed_for_the_program(pyoci, bundle, leaky):
    bundle.process["args"] = ["ls", "-l", "/proc/self/fd"]
    done = call(pyoci, "run", "--bundle", bundle.write(), pyoci.new_id())
    assert done.returncode == 0, done.stderr
    targets = [line.split(" -> ")[1] for line in done.stdout.splitlines() if " -> " in line]
    assert "/" not in targets
    assert len(targets) <= 4


def test_cve_2024_21626_and_for_the_program_of_exec(pyoci, bundle, leaky):
    bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(bundle)
    done = call(pyoci, "exec", name, "ls", "-l", "/proc/self/fd")
    assert done.returncode == 0, done.stderr
    targets = [line.split(" -> ")[1] for line in done.stdout.splitlines() if " -> " in line]
    assert "/" not in targets
    assert len(targets) <= 4
