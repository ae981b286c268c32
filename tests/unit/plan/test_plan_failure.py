"""A failed operation becomes one sentence with its place and what to do about it."""

from __future__ import annotations

import errno

import pytest

from pyoci.errors import CommandError, HookError, HostError, InitError
from pyoci.plan.failure import _DOING, _HINTS, explain
from pyoci.plan.operations import CODES, OPERATIONS, Operation
from pyoci.plan.stage import Failure

CONFIG = {
    "mounts": [
        {"destination": "/proc", "type": "proc"},
        {"destination": "/data", "source": "/src", "options": ["bind"]},
    ]
}
PROCESS = {"args": ["nonsuch"], "env": ["PATH=/bin"], "cwd": "/"}


def explained(operation, number, detail="", **more):
    failure = Failure(operation, number, detail)
    return explain(failure, CONFIG, PROCESS, "/nonexistent-rootfs", **more)


def operation(name, pointer="", *values):
    """An operation with the given values, and something for the fields after them."""
    signature = OPERATIONS[CODES[name] - 1][1].split()
    stand_in = {"int": 0, "slot": 0, "str": "x", "bytes": b"", "list": []}
    rest = [stand_in[field.partition(":")[2]] for field in signature[len(values) :]]
    return Operation(name, pointer, (*values, *rest))


def test_a_failed_mount_is_told_as_engines_know_it():
    error = explained(operation("attach_mount", "/mounts/1", 3, "/data"), errno.ENOTDIR)
    assert error.message == (
        'error mounting "/src" to rootfs at "/data": attach_mount: not a directory'
    )
    assert "are you trying to mount a directory onto a file" in error.hint
    assert error.subject == "/mounts/1"
    assert isinstance(error, InitError)
    assert error.errno == errno.ENOTDIR


def test_the_detail_of_the_init_is_part_of_the_sentence():
    error = explained(operation("new_mount", "/mounts/0", 1, "proc"), errno.EINVAL, "bad option x")
    assert "(bad option x)" in error.message


def test_a_command_that_is_missing_is_diagnosed():
    error = explained(operation("find_program", "/process/args/0"), errno.ENOENT)
    assert isinstance(error, CommandError)
    assert 'exec: "nonsuch": executable file not found in $PATH' in error.message
    assert error.subject == "/process/args/0"


def test_an_exec_s_pointer_begins_in_its_process():
    error = explained(operation("exec", "/args"), errno.EACCES, pointer="")
    assert error.subject == "/args/0"
    assert "permission denied" in error.message


def test_a_command_below_a_mount_is_looked_for_in_its_source(tmp_path):
    (tmp_path / "run").write_text("#!/bin/absent\n")
    (tmp_path / "run").chmod(0o755)
    config = {"mounts": [{"destination": "/app", "source": str(tmp_path), "options": ["bind"]}]}
    failure = Failure(operation("exec", "/process/args"), errno.ENOENT, "")
    error = explain(failure, config, {"args": ["/app/run"]}, "/nonexistent-rootfs")
    assert "the interpreter /bin/absent" in error.message


def test_a_failed_hook_names_its_kind_number_and_path():
    error = explained(
        operation("run_hook", "/hooks/createContainer/2", "/bin/hook"), 0, "exit status 3"
    )
    assert isinstance(error, HookError)
    assert error.message == "error running createContainer hook #2: /bin/hook: exit status 3"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENODEV])
def test_what_the_kernel_does_not_have_is_a_host_error(number):
    assert isinstance(explained(operation("memory_policy", "/x"), number), HostError)


def test_a_failure_without_an_operation_is_still_told():
    assert "it broke" in explained(None, errno.EIO, "it broke").message


@pytest.mark.parametrize("name", [name for name, _ in OPERATIONS])
def test_every_operation_has_a_sentence(name):
    pointer = "/hooks/createContainer/0" if name == "run_hook" else "/somewhere"
    error = explained(operation(name, pointer), errno.EPERM)
    assert "operation not permitted" in str(error) or isinstance(error, CommandError)
    assert "{" not in error.message
    assert "\n" not in str(error)


def test_braces_in_a_path_are_not_taken_for_a_template():
    error = explained(operation("mask_path", "/linux/maskedPaths/0", "/{0}{x}"), errno.EPERM)
    assert "/{0}{x}" in error.message


def test_hints_and_sentences_are_for_operations_that_exist():
    assert {name for name, _ in _HINTS} <= set(CODES)
    assert set(_DOING) <= set(CODES)
