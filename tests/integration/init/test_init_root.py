"""The root: pivoted to, moved to, or only changed to; and namespaces that others live in."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def sleeper(pyoci, bundle):
    """A container to share namespaces with: its PID."""
    name = pyoci.start(bundle.script("sleep 1000"))
    return pyoci.state(name)["pid"]


def test_the_hosts_tree_is_gone(pyoci, bundle):
    bundle.script("cat /proc/self/mountinfo")
    lines = pyoci.output(bundle).splitlines()
    roots = [line for line in lines if line.split()[4] == "/"]
    assert len(roots) == 1
    assert bundle.rootfs in roots[0].split()[3] or roots[0].split()[3] == "/"


def test_no_pivot_shows_the_same_root(pyoci, bundle):
    bundle.script("ls / | tr '\\n' ' '; pwd; ls /proc/1/root | wc -l; ls -d /..")
    assert pyoci.output(bundle, "--no-pivot") == pyoci.output(bundle)


def test_no_pivot_leaves_no_procfs_of_the_host_beneath(pyoci, bundle):
    bundle.script("grep -c ' - proc \\| - sysfs ' /proc/self/mountinfo")
    assert pyoci.output(bundle, "--no-pivot") == pyoci.output(bundle)


def test_exec_in_a_container_without_pivot_sees_its_root(pyoci, bundle):
    name = pyoci.create(bundle.script("sleep 1000"), "--no-pivot")
    pyoci.ok("start", name)
    inside = pyoci.ok("exec", name, "ls", "/")
    assert "home" in inside.split()
    assert set(inside.split()) <= {*os.listdir(bundle.rootfs)}


def without_mounts(bundle):
    bundle.without_namespace("mount")
    bundle.config["mounts"] = []
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    return bundle


def test_without_a_mount_namespace_the_root_is_changed_only(pyoci, bundle):
    without_mounts(bundle).script("pwd; ls / | sort | tr '\\n' ' '; cd ..; pwd")
    listing = " ".join(sorted(os.listdir(bundle.rootfs)))
    assert pyoci.output(bundle) == f"/\n{listing} /\n"


def test_exec_without_a_mount_namespace_is_inside_the_root_too(pyoci, bundle):
    name = pyoci.start(without_mounts(bundle).script("sleep 1000"))
    assert set(pyoci.ok("exec", name, "ls", "/").split()) == set(os.listdir(bundle.rootfs))


@pytest.mark.parametrize("option", ["shared", "slave", "private", "unbindable"])
def test_propagation_of_the_root(pyoci, bundle, option):
    bundle.linux["rootfsPropagation"] = option
    (line,) = [
        line
        for line in pyoci.output(bundle.script("cat /proc/self/mountinfo")).splitlines()
        if line.split()[4] == "/"
    ]
    tags = [word.partition(":")[0] for word in line.split()[6 : line.split().index("-")]]
    assert ("shared" in tags) == (option == "shared")
    assert ("unbindable" in tags) == (option == "unbindable")


def test_a_read_only_root_with_a_writable_mount(pyoci, own_bundle):
    own_bundle.config["root"]["readonly"] = True
    own_bundle.mount("/tmp", type="tmpfs", source="tmpfs")
    done = pyoci.run(own_bundle.script("touch /tmp/x && touch /x"))
    assert "/x: Read-only file system" in done.stderr


@pytest.mark.parametrize(
    ("kind", "file"),
    [("ipc", "ipc"), ("network", "net"), ("uts", "uts"), ("pid", "pid"), ("cgroup", "cgroup")],
)
def test_a_joined_namespace_is_the_other_containers(pyoci, bundle, sleeper, kind, file):
    bundle.namespace(kind, f"/proc/{sleeper}/ns/{file}")
    if kind == "uts":
        bundle.config.pop("hostname")
    bundle.script(f"readlink /proc/self/ns/{file}")
    assert pyoci.output(bundle).strip() == os.readlink(f"/proc/{sleeper}/ns/{file}")


def test_joining_pids_shows_the_other_containers_processes(pyoci, bundle, sleeper):
    bundle.namespace("pid", f"/proc/{sleeper}/ns/pid")
    assert "sleep 1000" in pyoci.output(bundle.script("ps"))


def test_a_namespace_of_another_type_is_refused(pyoci, bundle, sleeper):
    bundle.namespace("ipc", f"/proc/{sleeper}/ns/net")
    done = pyoci.run(bundle)
    assert done.returncode == 1
    assert "namespace of another type" in done.stderr


@pytest.mark.parametrize("what", ["a file", "a fifo", "nothing"])
def test_what_is_no_namespace_is_refused(pyoci, bundle, tmp_path, what):
    path = tmp_path / "namespace"
    if what == "a file":
        path.touch()
    elif what == "a fifo":
        os.mkfifo(path)
    bundle.namespace("network", str(path))
    assert pyoci.run(bundle).returncode == 1


def test_a_joined_mount_namespace_keeps_its_root_and_mounts(pyoci, own_bundle, bundle):
    """The process enters the rootfs that is found in there; nothing is pivoted under others."""
    os.mkdir(own_bundle.rootfs + "/inner")
    own_bundle.mount("/inner", type="bind", source=bundle.rootfs, options=["rbind"])
    name = pyoci.start(own_bundle.script("sleep 1000"))
    pid = pyoci.state(name)["pid"]
    before = pyoci.ok("exec", name, "cat", "/proc/self/mountinfo")
    bundle.config["mounts"] = []
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    bundle.config["root"]["path"] = "/"
    bundle.namespace("mount", f"/proc/{pid}/ns/mnt")
    bundle.namespace("pid", f"/proc/{pid}/ns/pid")
    bundle.script("readlink /proc/self/ns/mnt; cat /proc/self/mountinfo")
    output = pyoci.output(bundle)
    assert output.splitlines()[0] == os.readlink(f"/proc/{pid}/ns/mnt")
    assert pyoci.ok("exec", name, "ls", "/").split() == sorted(os.listdir(own_bundle.rootfs))
    after = pyoci.ok("exec", name, "cat", "/proc/self/mountinfo")
    assert [line.split()[:5] for line in before.splitlines()] == [
        line.split()[:5] for line in after.splitlines() if " /dev/" not in line or line in before
    ]


def test_offsets_of_a_time_namespace(pyoci, bundle):
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {
        "monotonic": {"secs": 1000, "nanosecs": 5},
        "boottime": {"secs": 86400},
    }
    with open("/proc/uptime") as file:
        here = float(file.read().split()[0])
    offsets, uptime = pyoci.output(
        bundle.script("cat /proc/self/timens_offsets; cat /proc/uptime")
    ).split("boottime")
    assert offsets.split() == ["monotonic", "1000", "5"]
    assert uptime.split()[:2] == ["86400", "0"]
    assert float(uptime.split()[2]) >= here + 86400


def test_a_clock_cannot_be_set_before_its_beginning(pyoci, bundle):
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": -(10**9)}}
    done = pyoci.run(bundle)
    assert done.returncode == 1
    assert "time namespace" in done.stderr
