"""`/mounts`: from an entry to detached mounts, attributes and targets."""

from __future__ import annotations

import pytest

from pyoci.errors import SpecError
from pyoci.plan.mounts import MountFlags, clean
from pyoci.plan.operations import (
    INSIDE_PROC,
    NO_SLOT,
    NOFOLLOW_TARGET,
    REAL_DIRECTORY,
    TARGET_DIRECTORY,
    TARGET_FILE,
)

RDONLY, NOSUID, NODEV, NOEXEC, NOATIME = 1, 2, 4, 8, 0x10
SLAVE, PRIVATE, SHARED = 1 << 19, 1 << 18, 1 << 20


def bind(*options, source="/src/dir", destination="/d", **more):
    return {"destination": destination, "source": source, "options": ["bind", *options], **more}


def attributes(plan, index=0):
    """What is done to the mount of an entry: (set, clear, propagation, recursive)."""
    return [
        tuple(op.arguments()[key] for key in ("set", "clear", "propagation", "recursive"))
        for op in plan.operations
        if op.name == "mount_attributes" and op.pointer == f"/mounts/{index}"
    ]


@pytest.mark.parametrize(
    ("destination", "target"),
    [
        ("/a/b", "/a/b"),
        ("a/b", "/a/b"),
        ("//a//b/", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("../../x", "/x"),
        ("/", "/"),
    ],
)
def test_destinations_are_compared_as_absolute_clean_paths(destination, target):
    assert clean(destination) == target


def test_a_bind_mount_is_cloned_on_the_host_and_attached_in_the_container(compiled):
    plan = compiled(mounts=[bind("ro")])
    tree = plan.one("open_tree", path="/src/dir")
    assert (tree["recursive"], tree["nofollow"]) == (0, 0)
    target = plan.one("attach_mount", target="/d")
    assert target["slot"] == tree["slot"]
    assert target["kind"] == TARGET_DIRECTORY
    assert plan.place("open_tree", path="/src/dir") < plan.place("clone")


def test_options_of_a_bind_mount_are_set_before_anybody_can_see_it(compiled):
    plan = compiled(mounts=[bind("ro", "nosuid")])
    assert plan.place("mount_attributes", set=RDONLY | NOSUID) < plan.place("clone")


def test_a_clone_of_a_host_mount_is_never_its_peer(compiled):
    """What the container mounts below must not appear on the host."""
    ((_, _, propagation, recursive),) = attributes(compiled(mounts=[bind()]))
    assert (propagation, recursive) == (SLAVE, 1)


def test_the_propagation_that_is_asked_for_is_kept(compiled):
    assert attributes(compiled(mounts=[bind("rshared")])) == [(0, 0, SHARED, 1)]
    assert attributes(compiled(mounts=[bind("private", "ro")])) == [(RDONLY, 0, PRIVATE, 0)]


def test_options_of_the_top_mount_alone_do_not_reach_the_mounts_below(compiled):
    """ "ro" is for the mount, "rslave" for the tree: that takes two calls."""
    plan = compiled(mounts=[bind("ro", "rslave")])
    assert attributes(plan) == [(RDONLY, 0, 0, 0), (0, 0, SLAVE, 1)]


def test_recursive_options_reach_the_whole_tree(compiled):
    plan = compiled(mounts=[bind("rro", "rnosuid", "rprivate")])
    assert attributes(plan)[0] == (RDONLY | NOSUID, 0, 0, 1)


def test_rbind_takes_the_mounts_below_along(compiled):
    plan = compiled(mounts=[{**bind(), "options": ["rbind"]}])
    assert plan.one("open_tree", path="/src/dir")["recursive"] == 1


def test_the_option_bind_decides_whatever_the_type_says(compiled):
    plan = compiled(mounts=[bind(type="tmpfs")])
    assert plan.all("new_mount", type="tmpfs") == []


def test_a_file_is_bound_onto_a_file(compiled):
    plan = compiled(mounts=[bind(source="/src/file")])
    assert plan.one("attach_mount", target="/d")["kind"] == TARGET_FILE


def test_a_relative_source_is_relative_to_the_bundle(compiled):
    plan = compiled(mounts=[bind(source="data")])
    assert plan.one("open_tree", path="/bundle/data")


def test_a_missing_source_is_told_in_the_words_that_engines_know(compiled):
    with pytest.raises(SpecError) as caught:
        compiled(mounts=[bind(source="/nowhere")])
    assert caught.value.subject == "/mounts/0/source"
    assert 'error mounting "/nowhere" to rootfs at "/d"' in caught.value.message
    assert "no such file or directory" in caught.value.message


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (bind(source=""), "needs a source"),
        ({"destination": "/x"}, "neither a type nor the option bind"),
        ({"destination": "/", "type": "tmpfs"}, "mountpoint is on the top of rootfs"),
        ({"destination": "/a/..", "type": "tmpfs"}, "mountpoint is on the top of rootfs"),
        ({"destination": "/p", "type": "proc", "options": ["tmpcopyup"]}, "is for tmpfs"),
        (bind(uidMappings=[{"containerID": 0, "hostID": 1, "size": 1}]), "go together"),
        (bind("idmap"), "needs mappings or a user namespace"),
        (bind(destination="/proc/sys/kernel"), "because it is inside /proc"),
        (bind(destination="/proc/./1/../sys"), "because it is inside /proc"),
    ],
)
def test_mounts_that_cannot_be_are_refused_by_name(compiled, mount, words):
    with pytest.raises(SpecError) as caught:
        compiled(mounts=[{"destination": "/ok", "type": "tmpfs"}, mount])
    assert caught.value.message.startswith("/mounts/1: ")
    assert words in caught.value.message


def test_a_file_system_is_made_in_the_container_with_its_options_sorted(compiled):
    plan = compiled(
        mounts=[
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "noatime", "sync", "mode=755", "size=64k", "silent"],
            }
        ]
    )
    made = plan.one("new_mount", type="tmpfs")
    assert made["attributes"] == NOSUID | NOATIME
    assert made["options"] == ["sync", "mode=755", "size=64k"]
    assert plan.place("new_mount", type="tmpfs") > plan.place("clone")


def test_the_last_of_opposite_options_wins():
    assert MountFlags(["ro", "rw"]).attr_set == 0
    assert MountFlags(["ro", "rw"]).attr_clear == RDONLY
    assert MountFlags(["rw", "ro"]).attr_set == RDONLY
    assert MountFlags(["noatime", "strictatime"]).attr_set == 0x20
    assert MountFlags(["rro", "rrw"]).recursive_clear == RDONLY


def test_proc_and_sys_need_real_directories(compiled):
    """CVE-2019-19921, CVE-2023-27561: no symlink of the image may stand in the way."""
    plan = compiled(
        mounts=[
            {"destination": "/proc", "type": "proc"},
            {"destination": "/sys", "type": "sysfs"},
            {"destination": "/elsewhere", "type": "proc"},
            bind(destination="/sys"),
        ]
    )
    for target in plan.all("attach_mount"):
        if target["target"] in ("/proc", "/sys", "/elsewhere"):
            assert target["policy"] & REAL_DIRECTORY


def test_only_the_names_that_fake_a_view_may_be_mounted_below_proc(compiled):
    plan = compiled(
        mounts=[
            {"destination": "/proc", "type": "proc"},
            bind(source="/src/file", destination="/proc/meminfo"),
        ]
    )
    assert plan.one("attach_mount", target="/proc/meminfo")["policy"] & INSIDE_PROC


def test_dest_nofollow_and_src_nofollow(compiled):
    plan = compiled(mounts=[bind("dest-nofollow", "src-nofollow")])
    assert plan.one("open_tree", path="/src/dir")["nofollow"] == 1
    assert plan.one("attach_mount", target="/d")["policy"] & NOFOLLOW_TARGET


def test_remount_changes_what_is_there(compiled):
    plan = compiled(mounts=[{"destination": "/d", "options": ["remount", "noexec", "rw"]}])
    assert plan.one("remount") == {
        "target": "/d",
        "set": NOEXEC,
        "clear": RDONLY,
        "propagation": 0,
        "recursive": 0,
    }


def test_own_id_mappings_of_a_mount(compiled):
    ids = [{"containerID": 0, "hostID": 1000, "size": 10}]
    plan = compiled(mounts=[bind("idmap", uidMappings=ids, gidMappings=ids)])
    made = plan.one("make_user_namespace")
    assert made["uid_map"] == "0 1000 10\n"
    assert plan.one("mount_attributes", set=0x00100000)["user_ns"] == made["slot"]
    assert plan.place("make_user_namespace") < plan.place("mount_attributes", set=0x00100000)


def test_idmap_without_mappings_takes_those_of_the_container(compiled):
    ids = [{"containerID": 0, "hostID": 5000, "size": 7}]
    plan = compiled(
        mounts=[bind("ridmap")],
        linux={
            "namespaces": [{"type": "mount"}, {"type": "user"}],
            "uidMappings": ids,
            "gidMappings": ids,
        },
    )
    assert plan.one("make_user_namespace")["gid_map"] == "0 5000 7\n"
    assert plan.one("mount_attributes", set=0x00100000)["recursive"] == 1


def test_idmap_in_a_joined_user_namespace_takes_that(compiled):
    plan = compiled(
        mounts=[bind("idmap")],
        linux={"namespaces": [{"type": "mount"}, {"type": "user", "path": "/ns/user"}]},
    )
    opened = [a["slot"] for a in plan.all("open_file", path="/ns/user")]
    assert plan.one("mount_attributes", set=0x00100000)["user_ns"] in opened


def test_long_overlay_layers_are_split_for_fsconfig(compiled):
    lower = ":".join(f"/layers/{'x' * 40}/{n}" for n in range(8))
    plan = compiled(
        mounts=[
            {"destination": "/o", "type": "overlay", "options": [f"lowerdir={lower}", "index=off"]}
        ]
    )
    options = plan.one("new_mount", type="overlay")["options"]
    assert options[0] == f"lowerdir+=/layers/{'x' * 40}/0"
    assert len(options) == 9


def test_the_mount_label_is_for_file_systems_that_take_one(compiled):
    plan = compiled(
        mounts=[
            {"destination": "/t", "type": "tmpfs"},
            {"destination": "/proc", "type": "proc"},
        ],
        linux={"mountLabel": "system_u:x"},
    )
    assert "context=system_u:x" in plan.one("new_mount", type="tmpfs")["options"]
    assert plan.one("new_mount", type="proc")["options"] == []


def test_tmpcopyup_fills_the_tmpfs_before_it_covers_the_directory(compiled):
    plan = compiled(mounts=[{"destination": "/e", "type": "tmpfs", "options": ["tmpcopyup"]}])
    assert plan.place("copy_up") < plan.place("attach_mount", target="/e")


def test_without_privileges_sources_are_opened_inside(compiled, fake_host):
    plan = compiled(
        host=fake_host(effective=0, euid=1000),
        mounts=[bind()],
        linux={
            "namespaces": [{"type": "mount"}, {"type": "user"}],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
        },
    )
    assert plan.place("become_root") < plan.place("open_tree", path="/src/dir")


def test_more_mounts_than_there_are_slots_is_a_host_error(compiled):
    from pyoci.errors import HostError

    with pytest.raises(HostError, match="more than 512 open mounts"):
        compiled(mounts=[{"destination": f"/t/{n}", "type": "tmpfs"} for n in range(600)])


# -- cgroup mounts ---------------------------------------------------------------------------------

CGROUP = [{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid"]}]
LEGACY = [
    ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/c1", "cpu,cpuacct"),
    ("", "/sys/fs/cgroup/systemd/c1", "systemd"),
]


def test_v2_with_a_cgroup_namespace_is_a_fresh_mount(compiled, fake_host):
    plan = compiled(
        host=fake_host(unified=True),
        request={"cgroup_mounts": [("", "/sys/fs/cgroup/c1", "")]},
        mounts=CGROUP,
    )
    assert plan.one("new_mount", type="cgroup2")["attributes"] == RDONLY | NOSUID


def test_v2_without_a_cgroup_namespace_shows_the_container_s_directory_alone(compiled, fake_host):
    """CVE-2023-25809: the host's tree must not be there to be written."""
    plan = compiled(
        host=fake_host(unified=True),
        request={"cgroup_mounts": [("", "/sys/fs/cgroup/c1", "")]},
        mounts=CGROUP,
        linux={"namespaces": [{"type": "mount"}]},
    )
    assert plan.all("new_mount", type="cgroup2") == []
    tree = plan.one("open_tree", path="/sys/fs/cgroup/c1")
    assert plan.one("mount_attributes", slot=tree["slot"])["set"] & (RDONLY | NOSUID)


def test_v1_is_a_tmpfs_with_a_mount_per_hierarchy_and_links(compiled):
    plan = compiled(request={"cgroup_mounts": LEGACY}, mounts=CGROUP)
    assert plan.one("new_mount", type="cgroup")["options"] == ["cpu", "cpuacct"]
    assert plan.one("attach_mount", target="/sys/fs/cgroup/cpu,cpuacct")
    links = {a["path"]: a["target"] for a in plan.all("make_symlink")}
    assert links["/sys/fs/cgroup/cpu"] == links["/sys/fs/cgroup/cpuacct"] == "cpu,cpuacct"
    assert plan.one("open_tree", path="/sys/fs/cgroup/systemd/c1")


def test_v1_tmpfs_becomes_read_only_after_its_links_are_made(compiled):
    plan = compiled(request={"cgroup_mounts": LEGACY}, mounts=CGROUP)
    top = plan.one("attach_mount", target="/sys/fs/cgroup")["slot"]
    late = plan.place("mount_attributes", slot=top, set=RDONLY, user_ns=NO_SLOT)
    assert late > plan.place("make_symlink", path="/sys/fs/cgroup/cpu")
