"""``/linux/namespaces``: each type new, joined by path, or the caller's; id mappings; clocks."""

from __future__ import annotations

import os

import pytest

FILES = {
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "mount": "mnt",
    "cgroup": "cgroup",
    "user": "user",
    "time": "time",
}
# The container's mounts and root are bound to a mount namespace: see test_init_root for that one.
WITHOUT_MOUNT = [kind for kind in FILES if kind != "mount"]


@pytest.fixture
def sleeper(bundle):
    bundle.process["args"] = ["sleep", "1000"]
    return bundle


@pytest.fixture
def kinds(is_pyoci):
    """Skips what the runtime under test does not have."""

    def need(kind: str) -> None:
        if kind == "time" and not is_pyoci:
            pytest.skip("time namespaces came with runc 1.2")

    return need


def inode(pid, kind):
    return os.stat(f"/proc/{pid}/ns/{FILES[kind]}").st_ino


def init_of(pyoci, name):
    return pyoci.state(name)["pid"]


def second(bundle, tmp_path):
    """Another bundle over the same root file system, with the same configuration."""
    other = type(bundle)(str(tmp_path / "second"), bundle.rootfs)
    other.config.update(bundle.config)
    return other


@pytest.mark.parametrize("kind", FILES)
def test_a_listed_namespace_is_new(pyoci, sleeper, kinds, kind):
    kinds(kind)
    if kind == "user":
        sleeper.map_ids()
    else:
        sleeper.namespace(kind)
    pid = init_of(pyoci, pyoci.start(sleeper))
    assert inode(pid, kind) != inode("self", kind)


@pytest.mark.parametrize("kind", WITHOUT_MOUNT)
def test_a_namespace_that_is_not_listed_is_the_callers(pyoci, sleeper, kind):
    sleeper.without_namespace(kind)
    if kind == "uts":
        del sleeper.config["hostname"]
    if kind == "network":
        # sysfs belongs to a network namespace: that of the host shows the host's.
        sleeper.config["mounts"] = [m for m in sleeper.config["mounts"] if m["type"] != "sysfs"]
    pid = init_of(pyoci, pyoci.start(sleeper))
    assert inode(pid, kind) == inode("self", kind)


@pytest.mark.parametrize("kind", [kind for kind in WITHOUT_MOUNT if kind != "user"])
def test_a_namespace_with_a_path_is_joined(pyoci, sleeper, kinds, tmp_path, kind):
    kinds(kind)
    sleeper.namespace(kind)
    first = init_of(pyoci, pyoci.start(sleeper))
    other = second(sleeper, tmp_path)
    if kind == "uts":
        del other.config["hostname"]
    other.namespace(kind, f"/proc/{first}/ns/{FILES[kind]}")
    pid = init_of(pyoci, pyoci.start(other))
    assert inode(pid, kind) == inode(first, kind)


@pytest.mark.parametrize("mappings", ["repeated", "left out"])
def test_a_user_namespace_is_joined_with_those_that_belong_to_it(
    pyoci, sleeper, tmp_path, is_pyoci, mappings
):
    if mappings == "left out" and not is_pyoci:
        pytest.skip("runc 1.1 wants them, runc 1.2 does not")
    sleeper.map_ids()
    first = init_of(pyoci, pyoci.start(sleeper))
    other = second(sleeper, tmp_path)
    del other.config["hostname"]
    if mappings == "left out":
        for name in ("uidMappings", "gidMappings"):
            del other.linux[name]
    for kind in ("user", "network", "ipc", "uts"):
        other.namespace(kind, f"/proc/{first}/ns/{FILES[kind]}")
    pid = init_of(pyoci, pyoci.start(other))
    for kind in ("user", "network", "ipc", "uts"):
        assert inode(pid, kind) == inode(first, kind), kind
    assert inode(pid, "pid") != inode(first, "pid")
    assert os.stat(f"/proc/{pid}").st_uid == 100000


def test_a_namespace_of_the_host_can_be_named_by_path(pyoci, sleeper):
    sleeper.namespace("ipc", f"/proc/{os.getpid()}/ns/ipc")
    pid = init_of(pyoci, pyoci.start(sleeper))
    assert inode(pid, "ipc") == inode("self", "ipc")


def test_the_program_is_pid_1_of_a_new_pid_namespace(pyoci, bundle):
    assert pyoci.output(bundle.script("echo $$")) == "1\n"


def test_without_a_pid_namespace_the_program_has_its_host_pid(pyoci, sleeper):
    sleeper.without_namespace("pid")
    name = pyoci.start(sleeper)
    pid = init_of(pyoci, name)
    pyoci.ok("exec", name, "test", "-d", f"/proc/{pid}")


def test_loopback_is_up_in_a_new_network_namespace_and_nothing_else_is_there(pyoci, bundle):
    bundle.script("ip addr show up | grep -c 127.0.0.1/8; ls /proc/sys/net/ipv4/conf")
    up, *interfaces = pyoci.output(bundle).split()
    assert up == "1"
    # Others (sit0, tunl0) come with the kernel's modules and are down.
    assert {"all", "default", "lo"} <= set(interfaces)
    assert not any(name.startswith(("eth", "en")) for name in interfaces)


def test_a_new_cgroup_namespace_has_the_containers_cgroup_as_its_root(pyoci, bundle):
    bundle.process["args"] = ["cat", "/proc/self/cgroup"]
    assert {line.split(":", 2)[2] for line in pyoci.output(bundle).splitlines()} == {"/"}


def test_without_a_cgroup_namespace_the_hosts_paths_show(pyoci, bundle):
    bundle.without_namespace("cgroup")
    bundle.process["args"] = ["cat", "/proc/self/cgroup"]
    output = pyoci.output(bundle)
    assert f"/{pyoci.ids[-1]}" in output


def test_system_v_ipc_of_the_host_cannot_be_seen(pyoci, bundle):
    bundle.process["args"] = ["cat", "/proc/sysvipc/shm"]
    assert len(pyoci.output(bundle).splitlines()) == 1  # the heading


def test_ids_are_mapped_as_configured(pyoci, sleeper):
    sleeper.map_ids()
    sleeper.linux["uidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 1000},
        {"containerID": 1000, "hostID": 300000, "size": 5},
    ]
    sleeper.linux["gidMappings"] = [{"containerID": 0, "hostID": 200000, "size": 2000}]
    sleeper.process["user"] = {"uid": 1002, "gid": 1003}
    name = pyoci.start(sleeper)
    pid = init_of(pyoci, name)
    with open(f"/proc/{pid}/uid_map") as file:
        assert [line.split() for line in file] == [
            ["0", "100000", "1000"],
            ["1000", "300000", "5"],
        ]
    with open(f"/proc/{pid}/gid_map") as file:
        assert [line.split() for line in file] == [["0", "200000", "2000"]]
    status = os.stat(f"/proc/{pid}/root/proc/1/cmdline")
    with open(f"/proc/{pid}/status") as file:
        lines = dict(line.split(":\t", 1) for line in file)
    assert lines["Uid"].split() == ["300002"] * 4
    assert lines["Gid"].split() == ["201003"] * 4
    assert status.st_uid == 300002
    assert pyoci.ok("exec", name, "id", "-u").strip() == "1002"


def test_a_mapped_root_has_no_power_over_the_hosts_files(pyoci, own_bundle, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine\n")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)
    own_bundle.map_ids()
    # Mapped root may not make the mount point either: the rootfs is the host's root's.
    with open(f"{own_bundle.rootfs}/secret", "w"):
        pass
    own_bundle.mount("/secret", type="bind", source=str(secret), options=["bind"])
    done = pyoci.run(own_bundle.script("id -u; cat /secret"))
    assert done.returncode == 1
    assert done.stdout == "0\n"
    assert "Permission denied" in done.stderr


def test_clocks_have_their_offsets(pyoci, bundle, kinds):
    kinds("time")
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {
        "monotonic": {"secs": 86400, "nanosecs": 5},
        "boottime": {"secs": 200000},
    }
    bundle.script("cat /proc/self/timens_offsets /proc/uptime")
    *offsets, uptime = pyoci.output(bundle).splitlines()
    assert [line.split() for line in offsets] == [
        ["monotonic", "86400", "5"],
        ["boottime", "200000", "0"],
    ]
    with open("/proc/uptime") as file:
        here = float(file.read().split()[0])
    assert 0 <= here + 200000 - float(uptime.split()[0]) < 60


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_namespace_file_is_named_with_its_place(pyoci, bundle, is_pyoci, kind):
    path = f"/no/such/{kind}"
    bundle.namespace(kind, path)
    bundle.linux["namespaces"].sort(key=lambda entry: entry["type"] != kind)
    if kind == "mount":
        bundle.config["mounts"] = []
    done = pyoci.run(bundle.script("true"))
    assert done.returncode == 1
    if is_pyoci:
        assert path in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_setting_without_its_namespace_is_refused(pyoci, bundle, is_pyoci):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    bundle.without_namespace("uts")
    done = pyoci.run(bundle)
    assert done.returncode == 1
    assert "/hostname" in done.stderr and '{"type": "uts"}' in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "kernel.core_pattern",
        "vm.swappiness",
        "fs.mqueue./../../kernel/core_pattern",
        "net/../kernel/core_pattern",
        "net/ipv4/../../kernel/core_pattern",
    ],
)
def test_a_sysctl_of_the_host_is_refused_and_not_written(pyoci, bundle, name):
    paths = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness")
    before = [open(path).read() for path in paths]
    bundle.linux["sysctl"] = {name: "77"}
    done = pyoci.run(bundle.script("true"))
    after = [open(path).read() for path in paths]
    assert (done.returncode, after) == (1, before)
    assert len(done.stderr.splitlines()) == 1
    assert "sys" in done.stderr


@pytest.mark.parametrize(
    ("name", "kind"),
    [("net.ipv4.ip_forward", "network"), ("kernel.shmmni", "ipc"), ("kernel.domainname", "uts")],
)
def test_a_sysctl_of_a_namespace_that_is_the_callers_is_refused(pyoci, bundle, name, kind):
    bundle.without_namespace(kind)
    if kind == "uts":
        del bundle.config["hostname"]
    bundle.linux["sysctl"] = {name: "1"}
    done = pyoci.run(bundle.script("true"))
    assert done.returncode == 1
    assert name in done.stderr
