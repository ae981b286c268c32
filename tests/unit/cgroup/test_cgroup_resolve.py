"""Where a container's cgroup is, decided on described hosts."""

from __future__ import annotations

import os

import pytest

from pyoci.cgroup import from_record, resolve
from pyoci.cgroup.absent import AbsentCgroup
from pyoci.cgroup.hierarchies import Hierarchies, Hierarchy
from pyoci.cgroup.legacy import LegacyCgroup
from pyoci.cgroup.systemd import SystemdCgroup
from pyoci.cgroup.unified import UnifiedCgroup
from pyoci.errors import CgroupError

TOP = "/no/such/cgroup/tree"
UNIFIED = Hierarchies(Hierarchy((), TOP, "/user.slice/x.scope"), [])
HYBRID = Hierarchies(
    Hierarchy((), f"{TOP}/unified", "/u"),
    [
        Hierarchy(("cpu", "cpuacct"), f"{TOP}/cpu,cpuacct", "/"),
        Hierarchy(("memory",), f"{TOP}/memory", "/m"),
        Hierarchy(("name=systemd",), f"{TOP}/systemd", "/s"),
    ],
)


def placed(path, host=UNIFIED, systemd=False, rootless=False, **more):
    return resolve(path, "c1", systemd=systemd, rootless=rootless, host=host, **more)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/a/b", "/a/b"),
        ("//a/./b/", "/a/b"),
        ("a", "/user.slice/a"),
        (None, "/user.slice/c1"),
        ("", "/user.slice/c1"),
    ],
)
def test_place_on_a_unified_host(path, where):
    cgroup = placed(path)
    assert isinstance(cgroup, UnifiedCgroup)
    assert cgroup.paths() == {"": TOP + where}


def test_relative_place_in_the_root_cgroup():
    host = Hierarchies(Hierarchy((), TOP, "/"), [])
    assert placed(None, host).paths() == {"": f"{TOP}/c1"}


def test_place_on_a_hybrid_host_is_the_same_in_every_hierarchy():
    cgroup = placed("/a", HYBRID)
    assert isinstance(cgroup, LegacyCgroup)
    assert cgroup.paths() == {
        "cpu": f"{TOP}/cpu,cpuacct/a",
        "cpuacct": f"{TOP}/cpu,cpuacct/a",
        "memory": f"{TOP}/memory/a",
        "name=systemd": f"{TOP}/systemd/a",
        "": f"{TOP}/unified/a",
    }


def test_relative_place_on_v1_is_below_our_own_cgroup():
    assert placed("a", HYBRID).paths()["memory"] == f"{TOP}/memory/m/a"


@pytest.mark.parametrize("path", ["/a/../b", "..", "../x", "/", "//.", "a\0b"])
def test_place_that_leaves_the_tree_or_is_its_root_is_refused(path):
    with pytest.raises(CgroupError) as caught:
        placed(path)
    assert caught.value.subject == "/linux/cgroupsPath"
    assert caught.value.hint


def test_host_without_cgroups_has_none_to_give():
    cgroup = placed("/a", Hierarchies(None, []))
    assert isinstance(cgroup, AbsentCgroup)
    with pytest.raises(CgroupError, match="/linux/resources/memory/limit.*no cgroup hierarchy"):
        cgroup.create({"memory": {"limit": 1}})


def test_mounts_inside_are_one_per_hierarchy():
    assert placed("/a", HYBRID).namespace_mounts() == [
        ("cpu,cpuacct", f"{TOP}/cpu,cpuacct/a", "cpu,cpuacct"),
        ("memory", f"{TOP}/memory/a", "memory"),
        ("name=systemd", f"{TOP}/systemd/a", "systemd"),
        ("", f"{TOP}/unified/a", "unified"),
    ]


def test_systemd_place_is_slice_prefix_name():
    cgroup = placed("machine-box.slice:libpod:c9", systemd=True)
    assert isinstance(cgroup, SystemdCgroup)
    record = cgroup.record()
    assert (record["unit"], record["slice"]) == ("libpod-c9.scope", "machine-box.slice")
    assert cgroup.paths() == {"": f"{TOP}/machine.slice/machine-box.slice/libpod-c9.scope"}


@pytest.mark.parametrize(
    ("path", "rootless", "where"),
    [
        (None, False, "/system.slice/pyoci-c1.scope"),
        (":p:n", False, "/system.slice/p-n.scope"),
        ("-.slice:p:n", False, "/p-n.scope"),
        ("a.slice::n", False, "/a.slice/n.scope"),
        (
            None,
            True,
            "/user.slice/user-77.slice/user@77.service/user.slice/pyoci-c1.scope",
        ),
    ],
)
def test_systemd_defaults(path, rootless, where):
    assert placed(path, systemd=True, rootless=rootless, uid=77).paths() == {"": TOP + where}


def test_user_manager_is_found_from_our_own_cgroup():
    own = "/user.slice/user-5.slice/user@77.service/app.slice/x.scope"
    host = Hierarchies(Hierarchy((), TOP, own), [])
    cgroup = placed("user.slice:p:n", host, systemd=True, rootless=True, uid=77)
    assert cgroup.paths() == {
        "": f"{TOP}/user.slice/user-5.slice/user@77.service/user.slice/p-n.scope"
    }


@pytest.mark.parametrize(
    "path",
    ["/a/b", "a:b", "a:b:c:d", "x:p:n", "a--b.slice:p:n", ".slice:p:n", "a.slice:p:", "s:p:/n"],
)
def test_systemd_place_of_another_form_is_refused(path):
    with pytest.raises(CgroupError) as caught:
        placed(path, systemd=True)
    assert caught.value.subject == "/linux/cgroupsPath"


def test_slice_as_the_container_itself_is_refused():
    with pytest.raises(CgroupError, match="cannot hold processes"):
        placed("a.slice:p:b.slice", systemd=True)


@pytest.mark.parametrize("host", [UNIFIED, HYBRID])
@pytest.mark.parametrize("systemd", [False, True])
def test_record_gives_the_same_cgroup_again(host, systemd):
    cgroup = placed("a.slice:p:n" if systemd else "/a/b", host, systemd=systemd)
    again = from_record(cgroup.record())
    assert type(again) is type(cgroup)
    assert again.paths() == cgroup.paths()
    assert again.record() == cgroup.record()


def test_record_foresees_all_directories(tmp_path):
    host = Hierarchies(Hierarchy((), str(tmp_path), "/"), [])
    assert placed("/a/b", host).record()["made"] == [f"{tmp_path}/a", f"{tmp_path}/a/b"]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"manager": "unified"},
        {"manager": "legacy", "directories": 5, "mounts": {}, "rootless": False, "made": []},
        {"manager": "systemd", "unit": "u", "slice": "s", "inner": None},
        {"manager": "absent"},
    ],
)
def test_damaged_record_is_a_clear_error(record):
    with pytest.raises(CgroupError, match="state"):
        from_record(record)


def test_undelegated_user_gets_no_cgroup_and_is_told_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *arguments, **options: False)
    host = Hierarchies(Hierarchy((), str(tmp_path), "/x.slice/y.scope"), [])
    cgroup = placed(None, host, rootless=True, uid=77)
    assert isinstance(cgroup, AbsentCgroup)
    assert cgroup.directory_for_clone() is None
    cgroup.create({"memory": {"limit": 0}, "pids": {"limit": -1}, "devices": [{"allow": False}]})
    with pytest.raises(
        CgroupError, match=f"pids/limit: no cgroup is delegated.*77.*{tmp_path}"
    ) as caught:
        from_record(cgroup.record()).create({"pids": {"limit": 0}})
    assert "Delegate=" in caught.value.hint


def test_user_uses_what_is_delegated_to_him_and_nothing_else(tmp_path, monkeypatch):
    for name in ("memory", "pids"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "access", lambda path, *rest, **options: "/memory" not in path)
    host = Hierarchies(
        None,
        [Hierarchy((name,), str(tmp_path / name), "/") for name in ("memory", "pids")],
    )
    cgroup = placed("/a", host, rootless=True, uid=77)
    assert cgroup.paths() == {"pids": f"{tmp_path}/pids/a"}


def test_delegation_needs_the_cgroup_that_both_places_are_below(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    common = f"{tmp_path}/cgroup.procs"
    monkeypatch.setattr(os, "access", lambda path, *rest, **options: path != common)
    host = Hierarchies(Hierarchy((), str(tmp_path), "/other/scope"), [])
    cgroup = placed("/mine/c", host, rootless=True, uid=77)
    assert isinstance(cgroup, AbsentCgroup)
    assert common in cgroup.reason
