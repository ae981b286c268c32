"""Hosts described by their mount table and membership list."""

from __future__ import annotations

import pytest

from pyoci.cgroup.hierarchies import parse_hierarchies


def mount(mountpoint, kind="cgroup2", options="rw", root="/"):
    return f"40 30 0:30 {root} {mountpoint} rw,relatime shared:9 - {kind} {kind} {options}"


def host(mounts, memberships):
    return parse_hierarchies("\n".join(mounts).encode(), "\n".join(memberships).encode())


def test_unified_host():
    found = host([mount("/sys/fs/cgroup")], ["0::/user.slice/x.scope"])
    assert found.layout == "unified"
    assert found.unified.mountpoint == "/sys/fs/cgroup"
    assert found.unified.own == "/user.slice/x.scope"


def test_hybrid_host_keeps_the_order_of_the_membership_list():
    found = host(
        [
            mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
            mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
            mount("/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,name=systemd"),
            mount("/sys/fs/cgroup/unified"),
        ],
        ["5:cpu,cpuacct:/a", "3:memory:/b", "1:name=systemd:/c", "0::/d"],
    )
    assert found.layout == "hybrid"
    assert [(h.key, h.mountpoint, h.own) for h in found.legacy] == [
        ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/a"),
        ("memory", "/sys/fs/cgroup/memory", "/b"),
        ("name=systemd", "/sys/fs/cgroup/systemd", "/c"),
    ]
    assert found.unified.own == "/d"


def test_legacy_host():
    found = host([mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory")], ["1:memory:/"])
    assert found.layout == "legacy"
    assert found.unified is None


def test_host_without_cgroups():
    assert host([mount("/tmp", "tmpfs")], ["0::/"]).layout == "none"


def test_hierarchy_that_is_not_mounted_is_left_out():
    found = host(
        [mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory")], ["2:pids:/", "1:memory:/"]
    )
    assert [h.key for h in found.legacy] == ["memory"]


def test_bind_mount_of_a_container_shows_only_its_part():
    found = host(
        [mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory", root="/docker/abc")],
        ["1:memory:/docker/abc/inner"],
    )
    assert found.legacy[0].own == "/inner"


def test_own_cgroup_outside_the_mounted_part_is_its_top():
    found = host([mount("/sys/fs/cgroup", root="/docker/abc")], ["0::/other"])
    assert found.unified.own == "/"


def test_own_cgroup_outside_the_namespace_is_its_top():
    assert host([mount("/sys/fs/cgroup")], ["0::/../other"]).unified.own == "/"


@pytest.mark.parametrize("first", [True, False])
def test_usual_tree_beats_a_copy_elsewhere(first):
    mounts = [mount("/sys/fs/cgroup"), mount("/mnt/copy")]
    found = host(mounts if first else mounts[::-1], ["0::/"])
    assert found.unified.mountpoint == "/sys/fs/cgroup"


def test_escaped_mount_point():
    assert host([mount("/mnt/with\\040space")], ["0::/"]).unified.mountpoint == "/mnt/with space"
