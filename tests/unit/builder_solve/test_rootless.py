"""Ranges of ids for an ordinary user, and what is said when there are no namespaces."""

from __future__ import annotations

import errno

import pytest

from builder import rootless
from builder.rootless import NamespaceError


@pytest.fixture
def subuid(tmp_path):
    def write(text):
        path = tmp_path / "subuid"
        path.write_text(text)
        return str(path)

    return write


def test_ranges_are_found_by_number_and_by_name(subuid):
    path = subuid("root:100000:65536\n0:300000:1000\nother:1:2\n")
    assert rootless._ranges(path, 0) == [(100000, 65536), (300000, 1000)]


@pytest.mark.parametrize(
    "line", ["root:x:1", "root:1", "root:1:0", "root:1:-5", "root:1:2:3", "", "# root:1:2"]
)
def test_lines_that_make_no_sense_are_skipped(subuid, line):
    assert rootless._ranges(subuid(f"{line}\nroot:7:8\n"), 0) == [(7, 8)]


def test_no_file_means_no_ranges(tmp_path):
    assert rootless._ranges(str(tmp_path / "none"), 0) == []


def test_a_user_without_a_name_is_found_by_number(subuid):
    assert rootless._ranges(subuid("54321:5:6\n"), 54321) == [(5, 6)]


def test_the_own_id_is_root_and_the_ranges_follow(monkeypatch):
    commands = []
    monkeypatch.setattr(
        rootless.subprocess, "run", lambda command, **options: commands.append(command)
    )
    rootless._map(42, "newuidmap", 1000, [(100000, 10), (200000, 20)])
    assert commands == [
        ["newuidmap", "42", "0", "1000", "1", "1", "100000", "10", "11", "200000", "20"]
    ]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EPERM, "CAP_SYS_ADMIN|unprivileged_userns_clone"),
        (errno.ENOSPC, "max_user_namespaces"),
        (errno.EINVAL, None),
    ],
)
def test_a_refusal_says_which_setting_to_look_at(number, hint):
    import ctypes
    import re

    ctypes.set_errno(number)
    error = rootless._failed("entering a mount namespace")
    assert isinstance(error, NamespaceError)
    assert error.message.startswith("entering a mount namespace: ")
    assert (error.hint is None) if hint is None else re.search(hint, error.hint)
