"""What the container of a RUN step may do."""

from __future__ import annotations

import json

import pytest

from builder.execute.accounts import ROOT, Account
from builder.execute.sandbox import Process, Sandbox, bind, config
from pyoci.spec.check import check_config

APP = Account(1000, 1001, (29,), "/home/app")


def configured(account=ROOT, **sandbox):
    process = Process(("/bin/sh", "-c", "x"), ("A=1",), "/w", account)
    return config(process, Sandbox("/rootfs", **sandbox))


def mounts(document):
    return {mount["destination"]: mount for mount in document["mounts"]}


@pytest.mark.parametrize("account", [ROOT, APP])
@pytest.mark.parametrize("insecure", [False, True])
@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("in_user_namespace", [False, True])
def test_every_configuration_is_one_the_runtime_takes(
    account, insecure, isolated, in_user_namespace
):
    document = configured(
        account,
        insecure=insecure,
        isolated_network=isolated,
        in_user_namespace=in_user_namespace,
    )
    assert not check_config(json.loads(json.dumps(document)))


def test_the_process_is_the_steps():
    process = configured(APP)["process"]
    assert process["args"] == ["/bin/sh", "-c", "x"]
    assert process["env"] == ["A=1"]
    assert process["cwd"] == "/w"
    assert process["user"] == {"uid": 1000, "gid": 1001, "additionalGids": [29]}


def test_groups_are_left_out_where_they_cannot_be_set():
    assert "additionalGids" not in configured(APP, keeps_groups=True)["process"]["user"]


def test_root_has_dockers_capabilities_and_no_more():
    capabilities = configured()["process"]["capabilities"]
    assert len(capabilities["bounding"]) == 14
    assert capabilities["effective"] == capabilities["permitted"] == capabilities["bounding"]
    assert "CAP_SYS_ADMIN" not in capabilities["bounding"]
    assert "inheritable" not in capabilities and "ambient" not in capabilities


def test_an_ordinary_user_begins_with_no_capabilities():
    assert list(configured(APP)["process"]["capabilities"]) == ["bounding"]


def test_insecure_steps_have_every_capability_and_nothing_masked():
    document = configured(insecure=True)
    assert len(document["process"]["capabilities"]["bounding"]) == 41
    assert "maskedPaths" not in document["linux"]
    assert "readonlyPaths" not in document["linux"]
    assert document["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


def test_devices_are_denied():
    assert configured()["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]


def test_the_host_cannot_be_changed_through_proc_and_sys():
    document = configured()
    assert "/proc/kcore" in document["linux"]["maskedPaths"]
    assert "/proc/sys" in document["linux"]["readonlyPaths"]
    assert "ro" in mounts(document)["/sys"]["options"]
    assert "ro" in mounts(document)["/sys/fs/cgroup"]["options"]


@pytest.mark.parametrize("isolated", [False, True])
def test_the_network_is_the_hosts_unless_there_shall_be_none(isolated):
    namespaces = {n["type"] for n in configured(isolated_network=isolated)["linux"]["namespaces"]}
    assert ("network" in namespaces) is isolated
    assert {"pid", "ipc", "uts", "mount"} <= namespaces
    assert "user" not in namespaces


def test_without_a_network_of_its_own_a_user_namespace_cannot_mount_sysfs():
    assert mounts(configured(in_user_namespace=True))["/sys"]["type"] == "bind"
    own = configured(in_user_namespace=True, isolated_network=True)
    assert mounts(own)["/sys"]["type"] == "sysfs"


def test_groups_that_may_not_be_mapped_are_not_asked_for():
    assert "gid=5" in mounts(configured())["/dev/pts"]["options"]
    assert "gid=5" not in mounts(configured(in_user_namespace=True))["/dev/pts"]["options"]


def test_the_steps_mounts_come_after_the_standard_ones():
    document = configured(mounts=[bind("/x", "/dev/pipes", "ro")])
    assert document["mounts"][-1]["destination"] == "/dev/pipes"
    assert document["mounts"][-1]["options"] == ["rbind", "rprivate", "ro"]
