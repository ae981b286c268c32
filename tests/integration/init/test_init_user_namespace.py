"""User namespaces: made by root, joined, and made by a user who has no privileges at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
MAPPINGS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
USER = 1000


@pytest.fixture
def mapped(own_bundle):
    """A bundle whose root is another user on the host."""
    own_bundle.namespace("user")
    own_bundle.linux["uidMappings"] = own_bundle.linux["gidMappings"] = MAPPINGS
    for top, directories, files in os.walk(own_bundle.rootfs):
        for name in (".", *directories, *files):
            os.chown(f"{top}/{name}", 100000, 100000, follow_symlinks=False)
    return own_bundle


def test_root_inside_is_another_user_outside(pyoci, mapped):
    name = pyoci.start(mapped.script("touch /made; sleep 1000"))
    pid = pyoci.state(name)["pid"]
    assert os.stat(f"/proc/{pid}").st_uid == 100000
    assert pyoci.ok("exec", name, "cat", "/proc/self/uid_map").split() == ["0", "100000", "65536"]
    assert os.stat(mapped.rootfs + "/made").st_uid == 100000


def test_devices_are_the_hosts_and_work(pyoci, mapped):
    mapped.script(
        "echo lost > /dev/null; head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/full; ls -l /dev/fd"
    )
    lines = pyoci.output(mapped).splitlines()
    assert lines[:2] == ["3", "1:7"]
    assert "/dev/fd -> /proc/self/fd" in lines[2]


def test_streams_are_given_to_the_mapped_user_but_not_the_null_device(pyoci, mapped):
    before = os.stat("/dev/null")
    assert (
        pyoci.output(mapped.script("stat -L -c %u /proc/self/fd/1; echo again > /dev/stderr"))
        == "0\n"
    )
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_masks_and_read_only_paths(pyoci, mapped):
    mapped.linux["maskedPaths"] = ["/proc/keys", "/home"]
    done = pyoci.run(
        mapped.script("cat /proc/keys; ls -A /home; echo x > /proc/sys/kernel/hostname")
    )
    assert done.stdout == ""
    assert "Read-only file system" in done.stderr


def test_a_filter_that_needs_privileges_is_loaded_with_those_of_the_namespace(pyoci, mapped):
    mapped.process["noNewPrivileges"] = False
    mapped.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    done = pyoci.run(mapped.script("mkdir /x; grep Seccomp: /proc/self/status"))
    assert done.stdout == "Seccomp:\t2\n"
    assert "Operation not permitted" in done.stderr


def test_time_offsets_in_a_user_namespace(pyoci, mapped):
    mapped.namespace("time")
    mapped.linux["timeOffsets"] = {"boottime": {"secs": 77}}
    lines = pyoci.output(mapped.script("cat /proc/self/timens_offsets")).splitlines()
    assert [line.split() for line in lines] == [["monotonic", "0", "0"], ["boottime", "77", "0"]]


def test_the_namespaces_of_a_mapped_container_can_be_joined(pyoci, mapped):
    name = pyoci.start(mapped.script("sleep 1000"))
    pid = pyoci.state(name)["pid"]
    for kind, file in (("user", "user"), ("pid", "pid"), ("network", "net"), ("ipc", "ipc")):
        mapped.namespace(kind, f"/proc/{pid}/ns/{file}")
    mapped.linux.pop("uidMappings"), mapped.linux.pop("gidMappings")
    output = pyoci.output(mapped.script("cat /proc/self/uid_map; ps; readlink /proc/self/ns/user"))
    assert "sleep 1000" in output
    assert output.splitlines()[-1] == os.readlink(f"/proc/{pid}/ns/user")


def test_an_idmapped_mount_with_the_namespaces_own_mapping(pyoci, mapped, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").touch()
    mapped.mount("/d", type="bind", source=str(source), options=["bind", "idmap"])
    assert pyoci.output(mapped.script("stat -c %u:%g /d/file")) == "0:0\n"


def test_root_has_to_be_mapped(pyoci, mapped):
    mapped.linux["uidMappings"] = [{"containerID": 1, "hostID": 100001, "size": 10}]
    done = pyoci.run(mapped)
    assert done.returncode == 1
    assert "map the container's id 0" in done.stderr


@pytest.fixture
def unprivileged(own_bundle, tmp_path_factory):
    """Calls the runtime as a user without privileges, on a bundle of this user's."""
    python = "/usr/bin/python3"
    top = str(tmp_path_factory.mktemp("unprivileged"))
    shutil.copytree(own_bundle.rootfs, f"{top}/rootfs", symlinks=True)
    own_bundle.rootfs = f"{top}/rootfs"
    own_bundle.path = top
    own_bundle.config["root"]["path"] = "rootfs"
    own_bundle.linux["resources"] = {}
    own_bundle.namespace("user")
    for kind in ("uidMappings", "gidMappings"):
        own_bundle.linux[kind] = [{"containerID": 0, "hostID": USER, "size": 1}]
    for mount in own_bundle.config["mounts"]:
        mount["options"] = [o for o in mount.get("options", []) if o != "gid=5"]
    subprocess.run(["chown", "-R", f"{USER}:{USER}", top], check=True)
    for directory in Path(top).parents:
        if directory.stat().st_uid == 0 and not directory.stat().st_mode & 1:
            directory.chmod(directory.stat().st_mode | 0o11)

    def call(*arguments: str, background: bool = False) -> subprocess.CompletedProcess[str]:
        environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", "HOME": top}
        stream = subprocess.DEVNULL if background else subprocess.PIPE
        return subprocess.run(
            [python, "-m", "pyoci", "--root", f"{top}/state", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            text=True,
            user=USER,
            group=USER,
            extra_groups=[],
            env=environment,
            cwd=top,
            timeout=60,
        )

    probe = call("--version")
    if probe.returncode:
        pytest.skip(f"another user cannot run pyoci from here: {probe.stderr}")
    call.bundle = own_bundle  # type: ignore[attr-defined]
    return call


def test_a_user_without_privileges_runs_a_container(unprivileged):
    bundle = unprivileged.bundle
    bundle.script("id -u; cat /proc/self/uid_map; touch /made; echo x > /dev/null; hostname")
    bundle.write()
    done = unprivileged("run", "--bundle", bundle.path, "c1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:4] == ["0", "0", str(USER), "1"]
    assert "box" in done.stdout
    assert os.stat(bundle.rootfs + "/made").st_uid == USER


def test_a_user_without_privileges_goes_through_the_whole_life_cycle(unprivileged):
    bundle = unprivileged.bundle
    bundle.script("sleep 1000").write()
    try:
        assert (
            unprivileged("create", "--bundle", bundle.path, "c1", background=True).returncode == 0
        )
        assert unprivileged("start", "c1").returncode == 0
        done = unprivileged("exec", "c1", "sh", "-c", "id -u; ps; ls /")
        assert done.returncode == 0, done.stderr
        assert "sleep 1000" in done.stdout
        assert unprivileged("kill", "c1", "KILL").returncode == 0
    finally:
        assert unprivileged("delete", "--force", "c1").returncode == 0


def test_without_a_user_namespace_such_a_user_is_told_to_use_one(unprivileged):
    bundle = unprivileged.bundle
    bundle.without_namespace("user")
    bundle.linux.pop("uidMappings"), bundle.linux.pop("gidMappings")
    bundle.write()
    done = unprivileged("run", "--bundle", bundle.path, "c1")
    assert done.returncode == 1
    assert "user namespace" in done.stderr
