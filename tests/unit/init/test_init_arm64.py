"""The init for arm64, as far as an emulator goes: everything but namespaces and mounts."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pyoci.plan.encode import encode
from pyoci.plan.operations import Operation
from pyoci.plan.stage import FAILED, SYNC, parse_messages

EMULATOR = "qemu-aarch64-static"


@pytest.fixture(scope="module")
def binary(make, sources):
    for needed in ("aarch64-linux-gnu-gcc", EMULATOR):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is missing")
    done = make("CC=aarch64-linux-gnu-gcc", "BUILD=build-arm64", "OUTPUT=build-arm64/pyoci-init")
    assert done.returncode == 0, done.stderr
    return sources / "build-arm64/pyoci-init"


@pytest.fixture
def run(binary):
    def call(*operations: Operation):
        plan = os.memfd_create("plan")
        os.write(plan, encode(operations))
        status_read, status_write = os.pipe()
        go_read, go_write = os.pipe()
        os.write(go_write, b"g" * 9)
        given = (plan, status_write, go_read)
        try:
            done = subprocess.run(
                [EMULATOR, str(binary), ",".join(map(str, given))],
                pass_fds=given,
                capture_output=True,
                text=True,
            )
            os.close(status_write)
            messages, rest = parse_messages(os.read(status_read, 65536))
            assert rest == b""
            return done, messages
        finally:
            for descriptor in (plan, status_read, go_read, go_write):
                os.close(descriptor)

    return call


def op(name: str, *values: object) -> Operation:
    return Operation(name, "", values)  # type: ignore[arg-type]


def test_a_program_is_found_and_executed(run):
    done, messages = run(
        op("umask", 0o27),
        op("sync", "here"),
        op("program", ["sh", "-c", "echo $0 $A; umask; exit 3"], ["PATH=/usr/bin:/bin", "A=b"]),
        op("find_program"),
        op("close_files", 3),
        op("exec"),
    )
    assert (done.returncode, done.stdout.split()) == (3, ["sh", "b", "0027"])
    assert [(message.kind, message.index) for message in messages] == [(SYNC, 1)]


def test_a_failure_is_reported(run):
    done, messages = run(op("new_session"), op("open_file", 0, "/no/such", 0))
    assert done.returncode == 1
    assert [(m.kind, m.index, m.errno) for m in messages] == [(FAILED, 1, 2)]


def test_flags_of_a_plan_are_those_of_x86(run):
    """O_DIRECTORY has another number on arm64."""
    path_and_directory = 0o10200000
    _, messages = run(
        op("open_file", 0, "/etc", path_and_directory),
        op("open_file", 1, "/etc/passwd", path_and_directory),
    )
    assert [(m.kind, m.index, m.errno) for m in messages] == [(FAILED, 1, 20)]
