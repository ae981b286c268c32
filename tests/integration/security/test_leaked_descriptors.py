"""No descriptor of the host's reaches a container (CVE-2024-21626)."""

from __future__ import annotations

import os
import subprocess

import pytest

NUMBERS = range(3, 101)


@pytest.fixture
def leaky():
    """Open every number from 3 to 100, inheritable, on the root directory of the host."""
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


@pytest.fixture
def canary(tmp_path):
    """A program of the host that tells when it can be reached from a working directory."""
    path = tmp_path / "canary"
    path.write_text("#!/bin/sh\necho ESCAPED\n")
    path.chmod(0o755)
    return str(path)


def look_for(canary):
    """A script that climbs from the working directory and tells when it comes to the host."""
    return (
        f"pwd; at=.; for i in 1 2 3 4 5 6 7 8; do"
        f" [ -e $at{canary} ] && echo ESCAPED; at=$at/..; done; :"
    )


def call(pyoci, *arguments, leak=True):
    """The runtime as an engine with leaks calls it, or as a careful one does."""
    return subprocess.run(
        pyoci.command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        close_fds=not leak,
        timeout=60,
    )


def check(done, number):
    """It is refused, or it is a place inside the container's root."""
    assert "ESCAPED" not in done.stdout, (number, done.stdout)
    if done.returncode == 0:
        assert done.stdout.splitlines()[0].startswith("/"), (number, done.stdout)


@pytest.mark.parametrize("leak", [True, False], ids=["of-the-caller", "of-the-runtime"])
def test_cve_2024_21626_a_working_directory_by_descriptor_is_not_the_hosts(
    pyoci, bundle, request, canary, leak
):
    if leak:
        request.getfixturevalue("leaky")
    name = pyoci.new_id()
    for number in NUMBERS:
        bundle.process["cwd"] = f"/proc/self/fd/{number}"
        bundle.script(look_for(canary)).write()
        done = call(pyoci, "run", "--bundle", bundle.path, name, leak=leak)
        check(done, number)


@pytest.mark.parametrize("leak", [True, False], ids=["of-the-caller", "of-the-runtime"])
def test_cve_2024_21626_nor_is_that_of_an_exec(pyoci, bundle, request, canary, leak):
    name = pyoci.start(bundle.script("sleep 1000"))
    if leak:
        request.getfixturevalue("leaky")
    script = look_for(canary)
    for number in NUMBERS:
        cwd = f"/proc/self/fd/{number}"
        check(call(pyoci, "exec", "--cwd", cwd, name, "sh", "-c", script, leak=leak), number)


def test_cve_2024_21626_nor_one_behind_a_symlink_of_the_image(pyoci, own_bundle, canary, leaky):
    """As by WORKDIR: the name in the configuration is harmless."""
    name = pyoci.new_id()
    for number in NUMBERS:
        os.symlink(f"/proc/self/fd/{number}", f"{own_bundle.rootfs}/work{number}")
        own_bundle.process["cwd"] = f"/work{number}"
        own_bundle.script(look_for(canary)).write()
        done = call(pyoci, "run", "--bundle", own_bundle.path, name)
        check(done, number)


def test_cve_2024_21626_a_program_by_descriptor_is_not_the_hosts(pyoci, bundle, canary, leaky):
    name = pyoci.start(bundle.script("sleep 1000"))
    for number in NUMBERS:
        program = f"/proc/self/fd/{number}/../../../..{canary}"
        assert "ESCAPED" not in call(pyoci, "exec", name, program).stdout, number


def test_cve_2024_21626_inherited_descriptors_are_closed_for_the_program(pyoci, bundle, leaky):
    bundle.process["args"] = ["ls", "-l", "/proc/self/fd"]
    done = call(pyoci, "run", "--bundle", bundle.write(), pyoci.new_id())
    assert done.returncode == 0, done.stderr
    targets = [line.split(" -> ")[1] for line in done.stdout.splitlines() if " -> " in line]
    # The three streams; the directory that ls reads is closed again.
    assert len(targets) == 3
    assert "/" not in targets


def test_cve_2024_21626_and_for_the_program_of_exec(pyoci, bundle, leaky):
    name = pyoci.start(bundle.script("sleep 1000"))
    done = call(pyoci, "exec", name, "ls", "-l", "/proc/self/fd")
    assert done.returncode == 0, done.stderr
    targets = [line.split(" -> ")[1] for line in done.stdout.splitlines() if " -> " in line]
    assert len(targets) == 3
    assert "/" not in targets
