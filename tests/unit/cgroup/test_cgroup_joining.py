"""v1 cgroups: joined by the process itself, by the runtime where that failed, removed at once."""

from __future__ import annotations

import os

import pytest

from pyoci.cgroup import legacy, recorded
from pyoci.cgroup.absent import AbsentCgroup
from pyoci.cgroup.footprint import Footprint
from pyoci.cgroup.frozen import recorded_as_frozen
from pyoci.cgroup.legacy import LegacyCgroup
from pyoci.cgroup.systemd import SystemdCgroup
from pyoci.cgroup.unified import UnifiedCgroup
from pyoci.errors import CgroupError


@pytest.fixture
def top(tmp_path):
    return str(tmp_path)


@pytest.fixture
def hybrid(top):
    """A container's cgroup with two controllers together, one alone, and the v2 hierarchy."""
    mounts = {"cpu": f"{top}/cpu", "cpuacct": f"{top}/cpu", "freezer": f"{top}/freezer"}
    mounts[""] = f"{top}/unified"
    return LegacyCgroup({name: f"{mount}/c1" for name, mount in mounts.items()}, mounts)


def test_a_process_joins_every_v1_hierarchy_once(hybrid, top):
    assert hybrid.files_to_join() == [f"{top}/cpu/c1/tasks", f"{top}/freezer/c1/tasks"]


def test_a_process_joins_what_the_container_has_made_inside(hybrid, top):
    os.makedirs(f"{top}/cpu/c1/inner")
    files = hybrid.files_to_join({"cpu": "inner"})
    assert files[0] == f"{top}/cpu/c1/inner/tasks"
    with pytest.raises(CgroupError):
        hybrid.files_to_join({"cpu": "../elsewhere"})


def test_v2_has_no_files_to_join(top):
    assert UnifiedCgroup(f"{top}/c1", top).files_to_join() == []
    assert AbsentCgroup("for a test").files_to_join() == []


def test_a_scope_has_none_before_it_is_started(hybrid):
    before = SystemdCgroup(hybrid, "x.scope", "system.slice")
    after = SystemdCgroup(hybrid, "x.scope", "system.slice", started=True)
    assert before.files_to_join() == []
    assert after.files_to_join() == hybrid.files_to_join()


def test_only_what_has_not_been_joined_is_left_to_the_runtime(hybrid, top, monkeypatch):
    entered = []
    monkeypatch.setattr(legacy, "enter", lambda path, pid, init_pid: entered.append(path))
    places = [("cpu", "/c1"), ("cpuacct", "/c1"), ("freezer", "/elsewhere"), ("", "/")]
    monkeypatch.setattr(legacy, "memberships", lambda pid: places)
    hybrid.attach(os.getpid())
    assert entered == [f"{top}/freezer/c1", f"{top}/unified/c1"]


def test_a_process_that_has_joined_nothing_is_put_everywhere(hybrid, top, monkeypatch):
    entered = []
    monkeypatch.setattr(legacy, "enter", lambda path, pid, init_pid: entered.append(path))
    monkeypatch.setattr(legacy, "memberships", lambda pid: [])
    hybrid.attach(os.getpid())
    assert entered == [f"{top}/{name}/c1" for name in ("cpu", "freezer", "unified")]


def test_memberships_are_those_of_the_kernel():
    from pyoci.cgroup.membership import memberships

    with open("/proc/self/cgroup") as file:
        lines = file.read().splitlines()
    found = memberships(os.getpid())
    assert len(found) >= len(lines)
    for line in lines:
        _, controllers, path = line.split(":", 2)
        assert (controllers.split(",")[0], path) in found
    assert memberships(1 << 22) == []


def made(top, *names):
    cgroup = Footprint({f"{top}/{name}/c1": f"{top}/{name}" for name in names})
    for name in names:
        os.makedirs(f"{top}/{name}", exist_ok=True)
    cgroup.record()
    cgroup.make()
    return cgroup


def test_an_idle_cgroup_goes_at_once(top):
    cgroup = made(top, "cpu", "freezer")
    os.rmdir(f"{top}/freezer/c1")
    assert cgroup.remove_idle()
    assert not cgroup.exists()


def test_a_cgroup_with_something_inside_stays(top):
    cgroup = made(top, "cpu", "freezer")
    os.mkdir(f"{top}/freezer/c1/inner")
    assert not cgroup.remove_idle()
    assert cgroup.exists()
    cgroup.remove()
    assert not cgroup.exists()


def test_a_cgroup_that_is_not_ours_stays(top):
    os.makedirs(f"{top}/cpu/c1")
    cgroup = made(top, "cpu")
    assert not cgroup.remove_idle()
    assert os.path.isdir(f"{top}/cpu/c1")


def test_a_record_says_where_the_freezer_is(hybrid, top):
    record = hybrid.record()
    assert not recorded_as_frozen(record)
    os.makedirs(f"{top}/freezer/c1")
    with open(f"{top}/freezer/c1/freezer.state", "w") as file:
        file.write("FROZEN\n")
    scope = SystemdCgroup(hybrid, "x.scope", "system.slice").record()
    for found in (record, scope):
        assert recorded_as_frozen(found)
        assert recorded.from_record(found).frozen()


def test_a_v2_record_says_it_too(top):
    record = UnifiedCgroup(f"{top}/c1", top).record()
    assert not recorded_as_frozen(record)
    os.mkdir(f"{top}/c1")
    with open(f"{top}/c1/cgroup.events", "w") as file:
        file.write("populated 1\nfrozen 1\n")
    assert recorded_as_frozen(record)
    assert not recorded_as_frozen(AbsentCgroup("for a test").record())


@pytest.mark.parametrize("record", [{}, {"manager": "unified"}, {"manager": "systemd"}])
def test_a_damaged_record_is_an_error(record):
    with pytest.raises((KeyError, TypeError)):
        recorded_as_frozen(record)
