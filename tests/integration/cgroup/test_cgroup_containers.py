"""Cgroups as a container and its user see them, through the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid

import pytest

from pyoci import cgroup as cgroups
from pyoci.cgroup.hierarchies import read_hierarchies

HOST = read_hierarchies()
UNIFIED = HOST.layout == "unified"
MIB = 1 << 20
PACKAGES = os.path.dirname(os.path.dirname(os.path.abspath(cgroups.__path__[0])))

pytestmark = pytest.mark.skipif(HOST.layout == "none", reason="no cgroup hierarchy is mounted")


@pytest.fixture
def place():
    """A cgroupsPath of the test's own; nothing of it may be left."""
    name = f"box{uuid.uuid4().hex[:10]}"
    yield f"/{name}-top/{name}"
    left = [
        f"{top}/{inner}"
        for top, directories, _ in os.walk("/sys/fs/cgroup")
        for inner in directories
        if name in inner
    ]
    assert not left


def file_of(place, controller, legacy, unified):
    if UNIFIED:
        return f"{HOST.unified.mountpoint}{place}/{unified}"
    hierarchy = next(h for h in HOST.legacy if controller in h.controllers)
    return f"{hierarchy.mountpoint}{place}/{legacy}"


def content(*where):
    with open(file_of(*where)) as file:
        return file.read().split()


def test_container_is_in_its_cgroup_with_its_limits(pyoci, bundle, place):
    bundle.linux["cgroupsPath"] = place
    bundle.linux["resources"].update({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}})
    name = pyoci.start(bundle.script("sleep 1000"))
    pid = str(pyoci.state(name)["pid"])
    assert pid in content(place, "memory", "cgroup.procs", "cgroup.procs")
    assert content(place, "memory", "memory.limit_in_bytes", "memory.max") == [str(64 * MIB)]
    assert content(place, "pids", "pids.max", "pids.max") == ["20"]
    pyoci.ok("delete", "--force", name)


def test_executed_process_is_in_the_cgroup(pyoci, bundle, place):
    bundle.linux["cgroupsPath"] = place
    name = pyoci.start(bundle.script("sleep 1000"))
    with subprocess.Popen(
        pyoci.command("exec", name, "sh", "-c", "echo up; read line"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"up\n"
        inside = content(place, "pids", "cgroup.procs", "cgroup.procs")
        assert len(inside) == 2
        process.communicate(b"\n")
    pyoci.ok("delete", "--force", name)


def test_device_that_is_not_allowed_cannot_be_opened(pyoci, bundle):
    bundle.capabilities("CAP_MKNOD")
    bundle.mount("/scratch", type="tmpfs", source="tmpfs")
    bundle.script(
        "cat </dev/null && echo null; busybox mknod /scratch/kmsg c 1 11 && echo made; "
        "dd if=/scratch/kmsg bs=1 count=0 2>&1"
    )
    bundle.process["noNewPrivileges"] = False
    output = pyoci.run(bundle).stdout
    assert "null\nmade\n" in output
    assert "not permitted" in output


def test_cgroup_of_a_running_container_is_refused_and_that_one_lives_on(
    pyoci, bundle, own_bundle, place
):
    for each in (bundle, own_bundle):
        each.linux["cgroupsPath"] = place
    first = pyoci.start(bundle.script("sleep 1000"))
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode != 0
    assert "/linux/cgroupsPath" in done.stderr or "is in use" in done.stderr
    assert pyoci.status(first) == "running"
    assert pyoci.call("delete", "--force", pyoci.ids[-1]).returncode == 0
    assert pyoci.status(first) == "running"
    pyoci.ok("delete", "--force", first)


@pytest.mark.parametrize(
    ("resources", "where"),
    [
        ({"cpu": {"cpus": "4000"}}, "/linux/resources/cpu/cpus"),
        (
            {"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]},
            "/linux/resources/hugepageLimits/0",
        ),
    ],
)
def test_limit_that_the_kernel_refuses_fails_create_and_leaves_nothing(
    pyoci, bundle, place, resources, where
):
    bundle.linux["cgroupsPath"] = place
    bundle.linux["resources"].update(resources)
    done = pyoci.run(bundle.script("true"))
    assert done.returncode != 0
    assert where in done.stderr
    assert not os.listdir(pyoci.root) or pyoci.ids[-1] not in os.listdir(pyoci.root)


def freeze(place, frozen):
    path = file_of(place, "freezer", "freezer.state", "cgroup.freeze")
    words = ("0", "1") if UNIFIED else ("THAWED", "FROZEN")
    with open(path, "w") as file:
        file.write(words[frozen])


def test_frozen_container_is_paused_and_can_be_killed(pyoci, bundle, place):
    bundle.linux["cgroupsPath"] = place
    name = pyoci.start(bundle.script("sleep 1000"))
    freeze(place, True)
    pyoci.await_status(name, "paused")
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", name)


def test_frozen_container_can_be_deleted_by_force(pyoci, bundle, place):
    bundle.linux["cgroupsPath"] = place
    name = pyoci.start(bundle.script("sleep 1000"))
    freeze(place, True)
    pyoci.await_status(name, "paused")
    pyoci.ok("delete", "--force", name)


def test_container_in_the_hosts_pid_namespace_leaves_no_process(pyoci, bundle, place):
    bundle.linux["cgroupsPath"] = place
    bundle.without_namespace("pid")
    name = pyoci.start(bundle.script("sleep 1000 & sleep 1000 & echo; sleep 1000"))
    file = file_of(place, "pids", "cgroup.procs", "cgroup.procs")
    while len(content(place, "pids", "cgroup.procs", "cgroup.procs")) < 3:
        assert pyoci.status(name) == "running"
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", name)
    assert not os.path.exists(file)


def test_cgroups_made_by_the_container_go_with_it(pyoci, bundle, place):
    bundle.linux["cgroupsPath"] = place
    name = pyoci.start(bundle.script("sleep 1000"))
    leaf = os.path.dirname(file_of(place, "pids", "x", "x"))
    os.makedirs(f"{leaf}/inner/deep")
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", name)


def test_create_killed_at_any_moment_leaves_what_delete_finds(pyoci, bundle, place, tmp_path):
    """At each system call of create that changes the cgroup tree, in turn."""
    bundle.linux["cgroupsPath"] = place
    bundle.linux["resources"].update({"memory": {"limit": 64 * MIB}, "pids": {"limit": 20}})
    bundle.script("sleep 1000").write()
    script = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {PACKAGES!r})\n"
        "from pyoci import Runtime\n"
        "from pyoci.cgroup import files\n"
        "left = int(sys.argv[1])\n"
        "def counted(function):\n"
        "    def call(*arguments, **more):\n"
        "        global left\n"
        "        left -= 1\n"
        "        if left < 0:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return function(*arguments, **more)\n"
        "    return call\n"
        "files.os.mkdir = counted(files.os.mkdir)\n"
        "files.write = counted(files.write)\n"
        "import pyoci.cgroup.legacy, pyoci.cgroup.unified, pyoci.cgroup.membership\n"
        "for module in (pyoci.cgroup.legacy, pyoci.cgroup.unified, pyoci.cgroup.membership):\n"
        "    module.write = files.write\n"
        "Runtime(sys.argv[2]).create(sys.argv[3], sys.argv[4])\n"
        "os._exit(0)\n"
    )
    moments = killed = 0
    while True:
        name = pyoci.new_id()
        done = subprocess.run(
            [sys.executable, "-c", script, str(moments), pyoci.root, bundle.path, name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )
        pyoci.ok("delete", "--force", name)
        assert not os.path.exists(os.path.dirname(file_of(place, "pids", "x", "x"))), moments
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        # Every moment at the beginning and the end, some of the many in between.
        killed += 1
        moments += 1 if moments < 6 else 5
    # A directory and its parent in each hierarchy, the limits, the process.
    assert killed > 5


def test_user_without_a_delegated_cgroup_is_told_so_only_if_he_asks_for_a_limit():
    script = (
        "import os, sys\n"
        f"sys.path.insert(0, {PACKAGES!r})\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "from pyoci import cgroup\n"
        "from pyoci.errors import CgroupError\n"
        "mine = cgroup.resolve('/box-of-nobody/c', 'c', systemd=False, rootless=True)\n"
        "mine.create({})\n"
        "mine.attach(os.getpid())\n"
        "mine.remove()\n"
        "try:\n"
        "    mine.create({'memory': {'limit': 1 << 20}})\n"
        "except CgroupError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "/linux/resources/memory/limit" in done.stdout
    assert "uid 65534" in done.stdout
    assert "Delegate=" in done.stdout
