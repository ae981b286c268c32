"""What is ours to remove, on plain directories in place of a cgroup tree."""

from __future__ import annotations

import os
import posix

import pytest

from pyoci.cgroup.files import make_directories, populated, processes
from pyoci.cgroup.footprint import Footprint
from pyoci.errors import CgroupError


@pytest.fixture
def top(tmp_path):
    return str(tmp_path)


def footprint(top, *paths, record=None, **more):
    return Footprint({f"{top}/{path}": top for path in paths}, record, **more)


def fill(path, pids="1\n"):
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/cgroup.procs", "w") as file:
        file.write(pids)


def test_nothing_is_left_of_what_was_made(top):
    cgroup = footprint(top, "a/b/c", "d/c")
    cgroup.record()
    cgroup.make()
    assert os.path.isdir(f"{top}/a/b/c")
    os.makedirs(f"{top}/a/b/c/inner/deep")
    cgroup.remove()
    assert os.listdir(top) == []


def test_record_of_before_removes_the_same_as_that_of_after(top):
    cgroup = footprint(top, "a/b")
    before = cgroup.record()
    cgroup.make()
    assert cgroup.record() == before
    footprint(top, "a/b", record=before).remove()
    assert os.listdir(top) == []


def test_ancestor_with_another_container_stays(top):
    one, two = footprint(top, "a/one"), footprint(top, "a/two")
    for cgroup in (one, two):
        cgroup.record()
        cgroup.make()
    one.remove()
    assert os.listdir(f"{top}/a") == ["two"]


def test_ancestor_that_was_there_stays(top):
    os.mkdir(f"{top}/a")
    cgroup = footprint(top, "a/b/c")
    cgroup.record()
    cgroup.make()
    cgroup.remove()
    assert os.listdir(top) == ["a"]
    assert os.listdir(f"{top}/a") == []


def test_directory_of_the_engine_stays_with_what_it_had_inside(top):
    os.makedirs(f"{top}/a/before")
    cgroup = footprint(top, "a")
    record = cgroup.record()
    cgroup.make()
    os.makedirs(f"{top}/a/after/deep")
    footprint(top, "a", record=record).remove()
    assert os.listdir(f"{top}/a") == ["before"]


def test_occupied_cgroup_is_refused_and_disowned(top):
    fill(f"{top}/a/b", "17\n")
    cgroup = footprint(top, "new/x", "a/b")
    cgroup.record()
    with pytest.raises(CgroupError, match="in use.*17"):
        cgroup.make()
    assert not os.path.exists(f"{top}/new"), "what was made before the refusal is left"
    assert not cgroup.exists()
    cgroup.remove()
    assert os.path.isdir(f"{top}/a/b")


def test_record_of_an_occupied_cgroup_disowns_it(top):
    fill(f"{top}/a")
    record = footprint(top, "a").record()
    again = footprint(top, "a", record=record)
    assert not again.exists()
    again.remove()
    assert os.path.isdir(f"{top}/a")


def test_cgroup_whose_processes_ended_meanwhile_is_taken(top):
    fill(f"{top}/a")
    cgroup = footprint(top, "a")
    cgroup.record()
    fill(f"{top}/a", "")
    cgroup.make()
    assert cgroup.exists()


def test_processes_further_inside_occupy_as_well(top):
    fill(f"{top}/a/b/c", "17\n")
    with pytest.raises(CgroupError, match="17"):
        footprint(top, "a").make()


@pytest.mark.parametrize(
    ("file", "content"),
    [("freezer.state", "FROZEN\n"), ("cgroup.events", "populated 0\nfrozen 1\n")],
)
def test_frozen_cgroup_is_refused(top, file, content):
    os.mkdir(f"{top}/a")
    with open(f"{top}/a/{file}", "w") as out:
        out.write(content)
    with pytest.raises(CgroupError, match="frozen"):
        footprint(top, "a").make()


def test_slices_above_a_scope_are_not_ours(top):
    cgroup = footprint(top, "a.slice/b.scope", managed=True)
    assert cgroup.record()["made"] == [f"{top}/a.slice/b.scope"]
    os.makedirs(f"{top}/a.slice/b.scope")
    cgroup.make(shared=True)
    cgroup.remove()
    assert os.listdir(top) == ["a.slice"]


def test_directory_that_cannot_be_made_is_named(top):
    with open(f"{top}/a", "w"):
        pass
    with pytest.raises(CgroupError, match=f"make cgroup {top}/a/b") as caught:
        footprint(top, "a/b").make()
    assert caught.value.subject == "/linux/cgroupsPath"


def test_directories_are_not_made_above_the_mount_point(top):
    with pytest.raises(OSError):
        make_directories(f"{top}/gone/a", f"{top}/gone")
    assert os.listdir(top) == []


def test_parent_that_another_delete_removes_meanwhile_is_made_again(top, monkeypatch):
    mkdir, removed = os.mkdir, []

    def racing(path, mode=0o777):
        mkdir(path, mode)
        if path == f"{top}/a" and not removed:
            removed.append(path)
            os.rmdir(path)

    monkeypatch.setattr(posix, "mkdir", racing)
    make_directories(f"{top}/a/b", top)
    assert removed
    assert os.path.isdir(f"{top}/a/b")


def test_processes_of_other_pid_namespaces_are_counted_but_not_listed(top):
    # kill(2) takes 0 for the caller's own process group.
    fill(f"{top}/a", "0\n0\n")
    fill(f"{top}/a/b", "5\n0\n")
    assert processes(f"{top}/a", recursive=True) == [5]
    assert processes(f"{top}/a", recursive=False) == []
    assert populated(f"{top}/a")


def test_threaded_cgroup_lists_its_threads(top, monkeypatch):
    os.mkdir(f"{top}/a")
    with open(f"{top}/a/cgroup.threads", "w") as file:
        file.write("7\n8\n")
    assert processes(f"{top}/a", recursive=True) == [7, 8]
