"""Signalling and freezing: real processes, and files in place of the freezer."""

from __future__ import annotations

import subprocess

import pytest

from pyoci.cgroup import freezer, signals
from pyoci.cgroup.membership import inside
from pyoci.errors import CgroupError


@pytest.fixture
def spawn():
    processes = []

    def start():
        process = subprocess.Popen(["sleep", "1000"])
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_every_process_is_signalled(spawn):
    processes = [spawn() for _ in range(3)]
    signals.signal_all(lambda: [process.pid for process in processes], 15)
    assert [process.wait() for process in processes] == [-15, -15, -15]


def test_process_that_appears_meanwhile_is_signalled_too(spawn):
    first, late = spawn(), spawn()
    calls = []

    def listed():
        calls.append(1)
        return [first.pid] if len(calls) < 3 else [first.pid, late.pid]

    signals.signal_all(listed, 15)
    assert (first.wait(), late.wait()) == (-15, -15)


def test_process_that_is_no_longer_listed_is_spared(spawn):
    """Its PID may be another process's by now."""
    innocent = spawn()
    lists = iter([[innocent.pid], [], []])
    signals.signal_all(lambda: next(lists), 1)
    innocent.send_signal(15)
    # Of two signals the lower number would have ended it.
    assert innocent.wait() == -15


def test_more_processes_than_descriptors_are_held_are_all_signalled(spawn, monkeypatch):
    monkeypatch.setattr(signals, "AT_ONCE", 2)
    processes = [spawn() for _ in range(5)]
    signals.signal_all(lambda: [process.pid for process in processes], 15)
    assert {process.wait() for process in processes} == {-15}


def test_process_that_has_ended_is_no_error():
    process = subprocess.Popen(["true"])
    process.wait()
    signals.signal_all(lambda: [process.pid], 15)


def test_kernel_without_cgroup_kill_is_told_apart(tmp_path):
    assert not signals.kill_tree(str(tmp_path))
    (tmp_path / "cgroup.kill").write_text("")
    assert signals.kill_tree(str(tmp_path))
    assert (tmp_path / "cgroup.kill").read_text() == "1"


def test_freezing_writes_and_waits(tmp_path):
    (tmp_path / "freezer.state").write_text("THAWED")
    freezer.freeze_legacy(str(tmp_path))
    assert (tmp_path / "freezer.state").read_text() == "FROZEN"
    freezer.thaw_legacy(str(tmp_path))
    assert (tmp_path / "freezer.state").read_text() == "THAWED"


def test_freezing_that_does_not_succeed_is_taken_back(tmp_path, monkeypatch):
    monkeypatch.setattr(freezer, "read", lambda path: "FREEZING")
    (tmp_path / "freezer.state").write_text("THAWED")
    with pytest.raises(CgroupError, match="not stopped"):
        freezer.freeze_legacy(str(tmp_path), 0.0)
    assert (tmp_path / "freezer.state").read_text() == "THAWED"


def test_freezing_that_is_stuck_is_tried_again(tmp_path, monkeypatch):
    """A process that forks meanwhile keeps v1 at FREEZING until it is thawed and frozen again."""
    written = []
    monkeypatch.setattr(freezer, "write", lambda path, value: written.append(value))
    monkeypatch.setattr(freezer, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(
        freezer, "read", lambda path: "FROZEN" if written.count("FROZEN") > 1 else "FREEZING"
    )
    freezer.freeze_legacy(str(tmp_path))
    assert written == ["FROZEN", "THAWED", "FROZEN"]


def test_freezing_what_is_gone_is_an_error_and_thawing_it_is_none(tmp_path):
    for freeze, thaw in (
        (freezer.freeze_legacy, freezer.thaw_legacy),
        (freezer.freeze_unified, freezer.thaw_unified),
    ):
        with pytest.raises(CgroupError):
            freeze(f"{tmp_path}/gone")
        thaw(f"{tmp_path}/gone")


def test_path_inside_a_cgroup(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert inside(str(tmp_path), "/a/./b/") == f"{tmp_path}/a/b"
    assert inside(str(tmp_path), "/") == str(tmp_path)
    for path in ("../x", "a/..", "missing", "a\0"):
        with pytest.raises(CgroupError):
            inside(str(tmp_path), path)
