"""`/linux/devices`, the default devices, and the links of /dev."""

from __future__ import annotations

import pytest

from pyoci.errors import SpecError
from pyoci.plan.operations import NOFOLLOW_TARGET, TARGET_FILE

DEFAULT = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
FUSE = {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 5}
USER_NAMESPACE = {
    "namespaces": [{"type": "mount"}, {"type": "user"}],
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
}


def test_every_container_has_the_default_devices_and_links(compiled):
    plan = compiled()
    assert {a["path"] for a in plan.all("make_device")} == DEFAULT
    links = {a["path"]: a["target"] for a in plan.all("make_symlink")}
    assert links == {
        "/dev/core": "/proc/kcore",
        "/dev/fd": "/proc/self/fd",
        "/dev/stdin": "/proc/self/fd/0",
        "/dev/stdout": "/proc/self/fd/1",
        "/dev/stderr": "/proc/self/fd/2",
        "/dev/ptmx": "pts/ptmx",
    }


def test_without_kcore_there_is_no_link_to_it(compiled, fake_host):
    host = fake_host()
    del host.files["/proc/kcore"]
    assert "/dev/core" not in {a["path"] for a in compiled(host=host).all("make_symlink")}


def test_a_listed_device_has_its_numbers_mode_and_owner(compiled):
    plan = compiled(linux={"devices": [FUSE]})
    assert plan.one("make_device", path="/dev/fuse") == {
        "path": "/dev/fuse",
        "mode": 0o020600,
        "major": 10,
        "minor": 229,
        "uid": 5,
        "gid": 0,
    }
    assert plan.operations[plan.place("make_device", path="/dev/fuse")].pointer == (
        "/linux/devices/0"
    )


@pytest.mark.parametrize(
    ("kind", "bits"), [("c", 0o020000), ("u", 0o020000), ("b", 0o060000), ("p", 0o010000)]
)
def test_types_of_devices(compiled, kind, bits):
    plan = compiled(linux={"devices": [{"type": kind, "path": "/dev/x", "major": 1, "minor": 1}]})
    assert plan.one("make_device", path="/dev/x")["mode"] == bits | 0o666


def test_a_listed_default_device_is_made_once_and_as_listed(compiled):
    device = {"type": "c", "path": "/dev/./null", "major": 1, "minor": 3, "fileMode": 0o600}
    plan = compiled(linux={"devices": [device]})
    assert plan.one("make_device", path="/dev/null")["mode"] == 0o020600


def test_in_a_user_namespace_the_host_s_nodes_are_bound(compiled):
    """mknod(2) of devices is not for user namespaces."""
    plan = compiled(linux=USER_NAMESPACE)
    assert plan.all("make_device") == []
    for path in DEFAULT:
        slot = plan.one("open_tree", path=path)["slot"]
        target = plan.one("attach_mount", target=path)
        assert (target["slot"], target["kind"]) == (slot, TARGET_FILE)
        assert target["policy"] & NOFOLLOW_TARGET


def test_a_caller_in_a_user_namespace_binds_too(compiled, fake_host):
    assert compiled(host=fake_host(in_user_namespace=True)).all("make_device") == []


def test_a_fifo_is_made_even_in_a_user_namespace(compiled):
    plan = compiled(linux={**USER_NAMESPACE, "devices": [{"type": "p", "path": "/dev/pipe"}]})
    assert plan.one("make_device")["mode"] == 0o010666


def test_a_device_that_the_host_lacks_cannot_be_bound(compiled):
    with pytest.raises(SpecError) as caught:
        compiled(linux={**USER_NAMESPACE, "devices": [FUSE]})
    assert caught.value.subject == "/linux/devices/0"
    assert "the host has no /dev/fuse" in caught.value.message


def test_nothing_is_made_in_a_dev_that_is_bound(compiled):
    plan = compiled(mounts=[{"destination": "/dev/", "source": "/src/dir", "options": ["rbind"]}])
    assert plan.all("make_device") == plan.all("make_symlink") == []


def test_a_bound_ptmx_is_not_replaced_by_a_link(compiled):
    plan = compiled(
        mounts=[{"destination": "/dev/ptmx", "source": "/src/file", "options": ["bind"]}]
    )
    assert "/dev/ptmx" not in {a["path"] for a in plan.all("make_symlink")}


def test_devices_are_made_after_the_mounts_they_lie_in(compiled):
    plan = compiled(mounts=[{"destination": "/dev", "type": "tmpfs"}])
    assert plan.place("attach_mount", target="/dev") < plan.place("make_device", path="/dev/null")
