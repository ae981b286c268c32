"""Namespaces: new, joined, inherited; id mappings; what contradicts them."""

from __future__ import annotations

import pytest

from pyoci.errors import SpecError
from pyoci.plan.namespaces import NAMESPACE_FLAGS, host_id, map_text

IDS = [{"containerID": 0, "hostID": 1000, "size": 10}]


def namespaces(*entries):
    return [{"type": e} if isinstance(e, str) else {"type": e[0], "path": e[1]} for e in entries]


def test_new_namespaces_are_flags_of_the_clone(compiled):
    flags = compiled().one("clone")["types"]
    for name in ("pid", "network", "ipc", "uts", "mount"):
        assert flags & NAMESPACE_FLAGS[name]
    assert not flags & NAMESPACE_FLAGS["user"]


def test_the_cgroup_namespace_is_unshared_when_its_root_is_the_container_s_cgroup(compiled):
    plan = compiled()
    assert not plan.one("clone")["types"] & NAMESPACE_FLAGS["cgroup"]
    assert plan.one("unshare") == {"types": NAMESPACE_FLAGS["cgroup"]}
    assert plan.place("sync", name="namespaces") < plan.place("unshare")


def test_the_time_namespace_gets_its_offsets_before_anybody_enters(compiled):
    plan = compiled(
        linux={
            "namespaces": namespaces("time", "mount"),
            "timeOffsets": {"boottime": {"secs": -5, "nanosecs": 7}, "monotonic": {"secs": 1}},
        }
    )
    assert plan.one("time_namespace")["offsets"] == "boottime -5 7\nmonotonic 1 0\n"


def test_namespaces_that_are_not_listed_are_inherited(compiled):
    plan = compiled(linux={"namespaces": []})
    assert plan.one("clone")["types"] == 0
    for name in ("unshare", "loopback_up", "pivot_root", "attach_root"):
        assert name not in plan.names
    assert "change_root" in plan.names


def test_a_new_network_namespace_gets_a_loopback(compiled):
    assert "loopback_up" in compiled().names
    joined = compiled(linux={"namespaces": namespaces("mount", ("network", "/ns/net"))})
    assert "loopback_up" not in joined.names


def test_a_namespace_with_a_path_is_joined_before_the_clone(compiled):
    plan = compiled(linux={"namespaces": namespaces("mount", ("ipc", "/ns/ipc"))})
    opened = plan.one("open_file", path="/ns/ipc")
    joined = plan.one("join_namespace")
    assert joined == {
        "slot": opened["slot"],
        "type": NAMESPACE_FLAGS["ipc"],
        "tolerant": 0,
    }
    assert plan.place("join_namespace") < plan.place("clone")
    assert plan.operations[plan.place("join_namespace")].pointer == "/linux/namespaces/1"


def test_a_fifo_in_the_place_of_a_namespace_does_not_hang(compiled):
    plan = compiled(linux={"namespaces": namespaces("mount", ("ipc", "/ns/ipc"))})
    assert plan.one("open_file", path="/ns/ipc")["flags"] & 0o4000  # O_NONBLOCK


def test_with_a_user_namespace_others_are_tried_on_both_sides_of_it(compiled):
    plan = compiled(
        linux={"namespaces": namespaces("mount", ("network", "/ns/net"), ("user", "/ns/user"))}
    )
    order = [(a["type"], a["tolerant"]) for a in plan.all("join_namespace")]
    assert order == [
        (NAMESPACE_FLAGS["network"], 1),
        (NAMESPACE_FLAGS["user"], 0),
        (NAMESPACE_FLAGS["network"], 0),
    ]


def test_a_user_namespace_makes_the_init_its_root(compiled):
    plan = compiled(
        linux={
            "namespaces": namespaces("mount", "user"),
            "uidMappings": IDS,
            "gidMappings": IDS,
        }
    )
    assert plan.one("clone")["types"] & NAMESPACE_FLAGS["user"]
    assert plan.place("sync", name="namespaces") < plan.place("become_root")
    assert plan.place("become_root") < plan.place("attach_root")


def test_id_mappings_are_text_for_the_kernel():
    two = [*IDS, {"containerID": 100, "hostID": 5, "size": 1}]
    assert map_text(two) == "0 1000 10\n100 5 1\n"


@pytest.mark.parametrize(("inside", "outside"), [(0, 1000), (9, 1009), (10, None), (100, 5)])
def test_the_host_s_id_of_a_container_s_id(inside, outside):
    assert host_id([*IDS, {"containerID": 100, "hostID": 5, "size": 1}], inside) == outside


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"hostname": "h", "linux": {"namespaces": namespaces("mount")}}, "/hostname"),
        ({"domainname": "d", "linux": {"namespaces": namespaces("mount")}}, "/domainname"),
        (
            {"mounts": [{"destination": "/x", "type": "tmpfs"}], "linux": {"namespaces": []}},
            "/mounts",
        ),
        ({"linux": {"namespaces": [], "maskedPaths": ["/x"]}}, "/linux/maskedPaths"),
        ({"linux": {"namespaces": [], "readonlyPaths": ["/x"]}}, "/linux/readonlyPaths"),
        ({"root": {"readonly": True}, "linux": {"namespaces": []}}, "/root/readonly"),
        ({"linux": {"timeOffsets": {"boottime": {"secs": 1}}}}, "/linux/timeOffsets"),
        ({"linux": {"namespaces": namespaces("user")}}, "/linux/uidMappings"),
        (
            {"linux": {"namespaces": namespaces("user"), "uidMappings": IDS}},
            "/linux/gidMappings",
        ),
        ({"linux": {"uidMappings": IDS, "gidMappings": IDS}}, "/linux/uidMappings"),
        (
            {
                "linux": {
                    "namespaces": namespaces("time"),
                    "timeOffsets": {"realtime": {"secs": 1}},
                }
            },
            "/linux/timeOffsets/realtime",
        ),
    ],
)
def test_contradictions_are_refused_with_their_place(compiled, changes, pointer):
    with pytest.raises(SpecError) as caught:
        compiled(**changes)
    assert caught.value.subject == pointer
    assert caught.value.hint


def test_groups_are_kept_where_they_may_not_be_set(compiled, fake_host):
    """user_namespaces(7): an unprivileged user maps groups only with setgroups(2) denied."""
    one = [{"containerID": 0, "hostID": 1000, "size": 1}]
    linux = {"namespaces": namespaces("mount", "user"), "uidMappings": one, "gidMappings": one}
    assert compiled(host=fake_host(effective=0), linux=linux).one("set_user")["keep_groups"] == 1
    assert compiled(linux=linux).one("set_user")["keep_groups"] == 0
    linux["gidMappings"] = IDS
    assert compiled(host=fake_host(effective=0), linux=linux).one("set_user")["keep_groups"] == 0


def test_groups_are_kept_below_a_namespace_where_they_may_not_be_set(compiled, fake_host):
    """user_namespaces(7): what denies setgroups(2) cannot be left by making another inside."""
    host = fake_host(in_user_namespace=True, groups_denied=True)
    assert compiled(host=host).one("set_user")["keep_groups"] == 1
    linux = {"namespaces": namespaces("mount", "user"), "uidMappings": IDS, "gidMappings": IDS}
    assert compiled(host=host, linux=linux).one("set_user")["keep_groups"] == 1


# -- sysctl ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "sys/net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "sys/net/ipv4/conf/eth0.1/forwarding"),
        ("kernel.shmmax", "sys/kernel/shmmax"),
        ("kernel.sem", "sys/kernel/sem"),
        ("fs.mqueue.msg_max", "sys/fs/mqueue/msg_max"),
    ],
)
def test_settings_of_a_namespace_are_written(compiled, name, path):
    plan = compiled(linux={"sysctl": {name: "1"}})
    written = plan.one("write_proc", path=path)
    assert written["value"] == "1"
    assert written["proc"] == plan.one("open_proc")["slot"]


@pytest.mark.parametrize(
    "name",
    [
        "kernel.core_pattern",
        "kernel/core_pattern",
        "vm.swappiness",
        "fs.file-max",
        "kernel.shmmaxx",
        "fs.mqueuex",
        "netx.core",
        "kernel",
    ],
)
def test_settings_of_the_host_are_refused(compiled, name):
    with pytest.raises(SpecError, match="is not in a separate kernel namespace"):
        compiled(linux={"sysctl": {name: "1"}})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("net.core.somaxconn", "network"),
        ("kernel.msgmax", "ipc"),
        ("kernel.domainname", "uts"),
        ("user.max_user_namespaces", "user"),
    ],
)
def test_a_setting_needs_a_namespace_of_the_container_s_own(compiled, name, kind):
    with pytest.raises(SpecError) as caught:
        compiled(linux={"namespaces": namespaces("mount"), "sysctl": {name: "1"}})
    assert f"without a private {kind} namespace" in caught.value.message
    assert f'{{"type": "{kind}"}}' in caught.value.hint


def test_a_setting_of_a_joined_namespace_that_is_the_hosts_is_refused(compiled, fake_host):
    class Own(fake_host):
        def is_own_namespace(self, kind, path):
            return path == f"/proc/1/ns/{kind}"

    def linux(path):
        joined = [{"type": "mount"}, {"type": "network", "path": path}]
        return {"namespaces": joined, "sysctl": {"net.core.somaxconn": "1"}}

    compiled(host=Own(), linux=linux("/proc/2/ns/network"))
    with pytest.raises(SpecError, match="not allowed in the host's network namespace"):
        compiled(host=Own(), linux=linux("/proc/1/ns/network"))


@pytest.mark.parametrize(
    ("wanted", "flags", "recursive"),
    [("shared", SHARED := 1 << 20, 0), ("rslave", 1 << 19, 1), ("unbindable", 1 << 17, 0)],
)
def test_the_propagation_of_the_root(compiled, wanted, flags, recursive):
    plan = compiled(linux={"rootfsPropagation": wanted})
    assert plan.one("root_propagation") == {"flags": flags, "recursive": recursive}
    assert plan.place("pivot_root") < plan.place("root_propagation")


def test_the_root_s_clone_is_no_peer_of_the_host_s_mount(compiled):
    plan = compiled(linux={"rootfsPropagation": "shared"})
    root = plan.one("open_tree", path="/bundle/rootfs")["slot"]
    assert plan.one("mount_attributes", slot=root)["propagation"] == 1 << 18


def test_no_pivot_moves_the_root_instead(compiled):
    plan = compiled(request={"no_pivot": True})
    assert "move_root" in plan.names
    assert "pivot_root" not in plan.names
