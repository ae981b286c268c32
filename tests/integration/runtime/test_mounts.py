"""``/mounts``, the root, masked and read-only paths, as the program and the host see them."""

from __future__ import annotations

import os
import shutil
import stat

import pytest


class Mount:
    """One line of /proc/self/mountinfo (proc_pid_mountinfo(5))."""

    def __init__(self, line: str) -> None:
        before, _, after = line.partition(" - ")
        fields = before.split()
        self.root, self.point = fields[3], fields[4]
        self.options = set(fields[5].split(","))
        self.propagation = {field.partition(":")[0] for field in fields[6:]}
        self.kind, self.source, superblock = after.split(" ", 2)
        self.superblock = set(superblock.split(","))


def mounts_in(pyoci, bundle):
    """Every mount the container has, by mount point; the last of a point is what is seen."""
    bundle.process["args"] = ["cat", "/proc/self/mountinfo"]
    found = [Mount(line) for line in pyoci.output(bundle).splitlines()]
    return {mount.point: mount for mount in found}


@pytest.fixture
def shared(tmp_path):
    """A directory of the host with a file in it."""
    directory = tmp_path / "shared"
    directory.mkdir()
    (directory / "file").write_text("content\n")
    return directory


@pytest.fixture
def host_mount():
    """Mounts a tmpfs on the host, until the test ends."""
    made = []

    def mount(path, *commands):
        os.makedirs(path, exist_ok=True)
        assert os.system(f"mount -t tmpfs tmpfs {path}") == 0
        made.append(path)
        for command in commands:
            assert os.system(f"mount --make-{command} {path}") == 0
        return path

    yield mount
    for path in reversed(made):
        os.system(f"umount -R {path}")


# -- the default configuration ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "kind", "options"),
    [
        ("/proc", "proc", {"rw"}),
        ("/dev", "tmpfs", {"nosuid"}),
        ("/dev/pts", "devpts", {"nosuid", "noexec"}),
        ("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev"}),
        ("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
        ("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
    ],
)
def test_a_mount_of_the_default_configuration(pyoci, bundle, point, kind, options):
    mount = mounts_in(pyoci, bundle)[point]
    assert mount.kind == kind
    assert options <= mount.options


def test_options_of_the_file_system_are_its_own(pyoci, bundle):
    mounts = mounts_in(pyoci, bundle)
    assert {"size=65536k", "mode=755"} <= mounts["/dev"].superblock
    assert "strictatime" in bundle.config["mounts"][1]["options"]
    assert not {"relatime", "noatime"} & mounts["/dev"].options
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= mounts["/dev/pts"].superblock
    assert "size=65536k" in mounts["/dev/shm"].superblock


def test_nothing_of_the_host_is_mounted_beside_what_is_configured(pyoci, bundle):
    configured = {"/", *(mount["destination"] for mount in bundle.config["mounts"])}
    restricted = {*bundle.linux["maskedPaths"], *bundle.linux["readonlyPaths"]}
    assert set(mounts_in(pyoci, bundle)) <= configured | restricted


def test_shm_is_writable_by_all_and_sticky(pyoci, bundle):
    bundle.process["args"] = ["stat", "-c", "%a %F", "/dev/shm"]
    assert pyoci.output(bundle) == "1777 directory\n"


def test_each_container_has_ptys_of_its_own(pyoci, bundle):
    bundle.script("ls /dev/pts; readlink /dev/ptmx; exec 3<>/dev/ptmx; ls /dev/pts | grep -c 0")
    assert pyoci.output(bundle).split() == ["ptmx", "pts/ptmx", "1"]


# -- bind mounts -----------------------------------------------------------------------------------


def test_a_bind_mount_shows_the_hosts_directory_and_writes_to_it(pyoci, own_bundle, shared):
    own_bundle.mount("/in", type="bind", source=str(shared), options=["rbind", "rw"])
    assert pyoci.output(own_bundle.script("cat /in/file; echo new >/in/made")) == "content\n"
    assert (shared / "made").read_text() == "new\n"


def test_a_file_is_bound_on_a_file(pyoci, own_bundle, shared):
    own_bundle.mount("/etc/one", type="bind", source=str(shared / "file"), options=["bind", "ro"])
    own_bundle.mount("/etc/passwd", type="bind", source=str(shared / "file"), options=["bind"])
    own_bundle.script("cat /etc/one /etc/passwd; echo x >/etc/one; echo y >/etc/passwd")
    done = pyoci.run(own_bundle)
    assert done.stdout == "content\ncontent\n"
    assert "/etc/one: Read-only file system" in done.stderr
    assert (shared / "file").read_text() == "y\n"
    with open(f"{own_bundle.rootfs}/etc/passwd") as file:
        assert file.read().startswith("root:"), "the image's own file was written"


def test_a_socket_and_a_device_can_be_bound(pyoci, own_bundle, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    own_bundle.mount("/run/pipe", type="bind", source=str(tmp_path / "pipe"), options=["bind"])
    own_bundle.mount("/run/zero", type="bind", source="/dev/zero", options=["bind"])
    own_bundle.script("stat -c %F /run/pipe /run/zero")
    assert pyoci.output(own_bundle) == "fifo\ncharacter special file\n"


@pytest.mark.parametrize(
    "option", ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"]
)
def test_an_option_of_a_bind_mount_is_set_there_and_not_on_the_host(
    pyoci, own_bundle, shared, is_pyoci, option
):
    if option == "nosymfollow" and not is_pyoci:
        pytest.skip("nosymfollow came with runc 1.2")
    own_bundle.mount("/in", type="bind", source=str(shared), options=["bind", option])
    mount = mounts_in(pyoci, own_bundle)["/in"]
    assert option in mount.options
    with open("/proc/self/mountinfo") as file:
        root = next(m for m in map(Mount, file) if m.point == "/")
    assert option not in root.options


def test_noexec_refuses_programs_and_nodev_devices(pyoci, own_bundle, shared):
    program = shared / "program"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    os.mknod(shared / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    own_bundle.capabilities("CAP_MKNOD")
    options = ["bind", "noexec", "nodev"]
    own_bundle.mount("/in", type="bind", source=str(shared), options=options)
    done = pyoci.run(own_bundle.script("/in/program; echo $?; echo >/in/null; echo $?"))
    assert done.stdout.split() == ["126", "1"]
    assert done.stderr.count("Permission denied") == 2


def test_bind_leaves_out_what_rbind_takes_along(pyoci, own_bundle, shared, host_mount):
    inner = host_mount(f"{shared}/inner")
    with open(f"{inner}/deep", "w"):
        pass
    own_bundle.mount("/one", type="bind", source=str(shared), options=["bind"])
    own_bundle.mount("/all", type="bind", source=str(shared), options=["rbind"])
    own_bundle.script("ls /one/inner; echo --; ls /all/inner")
    assert pyoci.output(own_bundle) == "--\ndeep\n"


def test_a_relative_source_is_relative_to_the_bundle(pyoci, own_bundle):
    os.makedirs(f"{own_bundle.path}/data")
    with open(f"{own_bundle.path}/data/file", "w") as file:
        file.write("beside config.json\n")
    own_bundle.mount("/in", type="bind", source="data", options=["bind"])
    assert pyoci.output(own_bundle.script("cat /in/file")) == "beside config.json\n"


def test_the_option_bind_counts_not_the_type(pyoci, own_bundle, shared):
    own_bundle.mount("/in", type="none", source=str(shared), options=["rbind", "ro"])
    assert "ro" in mounts_in(pyoci, own_bundle)["/in"].options


def test_the_last_of_contradicting_options_counts(pyoci, own_bundle, shared):
    own_bundle.mount("/a", type="bind", source=str(shared), options=["bind", "ro", "rw"])
    own_bundle.mount("/b", type="bind", source=str(shared), options=["bind", "exec", "noexec"])
    mounts = mounts_in(pyoci, own_bundle)
    assert "rw" in mounts["/a"].options
    assert "noexec" in mounts["/b"].options


@pytest.mark.parametrize("option", ["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime"])
def test_a_recursive_option_reaches_the_mounts_below(pyoci, own_bundle, shared, host_mount, option):
    host_mount(f"{shared}/inner")
    own_bundle.mount("/in", type="bind", source=str(shared), options=["rbind", option])
    mounts = mounts_in(pyoci, own_bundle)
    for point in ("/in", "/in/inner"):
        assert option[1:] in mounts[point].options, point


# -- propagation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "wanted"),
    [
        ("private", set()),
        ("rprivate", set()),
        ("slave", {"master"}),
        ("rslave", {"master"}),
        ("shared", {"shared"}),
        ("rshared", {"shared"}),
        ("unbindable", {"unbindable"}),
    ],
)
def test_propagation_of_a_bind_mount(pyoci, own_bundle, shared, host_mount, option, wanted):
    source = host_mount(f"{shared}/point", "shared")
    own_bundle.mount("/in", type="bind", source=source, options=["rbind", option])
    found = mounts_in(pyoci, own_bundle)["/in"].propagation & {"shared", "master", "unbindable"}
    if "shared" in wanted:
        # Some runtimes make it a slave of the host's as well.
        found.discard("master")
    assert found == wanted


def test_a_slave_mount_receives_what_the_host_mounts_later(pyoci, own_bundle, shared, host_mount):
    source = host_mount(f"{shared}/point", "shared")
    os.makedirs(f"{source}/late")
    own_bundle.mount("/in", type="bind", source=source, options=["rbind", "rslave"])
    own_bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(own_bundle)
    late = host_mount(f"{source}/late")
    with open(f"{late}/file", "w"):
        pass
    assert pyoci.ok("exec", name, "ls", "/in/late") == "file\n"


def test_a_private_mount_receives_nothing(pyoci, own_bundle, shared, host_mount):
    source = host_mount(f"{shared}/point", "shared")
    os.makedirs(f"{source}/late")
    own_bundle.mount("/in", type="bind", source=source, options=["rbind", "rprivate"])
    own_bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(own_bundle)
    late = host_mount(f"{source}/late")
    with open(f"{late}/file", "w"):
        pass
    assert pyoci.ok("exec", name, "ls", "/in/late") == ""


@pytest.mark.parametrize(
    ("option", "wanted"),
    [("", "master"), ("rslave", "master"), ("rprivate", None), ("rshared", "shared")],
)
def test_propagation_of_the_root(pyoci, own_bundle, tmp_path, host_mount, is_pyoci, option, wanted):
    if wanted == "shared" and not is_pyoci:
        pytest.skip("runc makes the host's side shared, not the container's root")
    top = host_mount(f"{tmp_path}/top", "shared")
    shutil.copytree(own_bundle.rootfs, f"{top}/rootfs", symlinks=True)
    own_bundle.config["root"]["path"] = f"{top}/rootfs"
    if option:
        own_bundle.linux["rootfsPropagation"] = option
    found = mounts_in(pyoci, own_bundle)["/"].propagation & {"shared", "master"}
    assert found == ({wanted} if wanted else set())


# -- file systems ----------------------------------------------------------------------------------


def test_a_tmpfs_with_its_size_mode_and_owner(pyoci, own_bundle):
    own_bundle.mount(
        "/cache",
        type="tmpfs",
        source="tmpfs",
        options=["nosuid", "nodev", "noexec", "size=1m", "mode=0750", "uid=1000", "gid=10"],
    )
    own_bundle.script(
        "stat -c '%a %u %g' /cache; df -k /cache | tail -1 | awk '{print $2}';"
        "dd if=/dev/zero of=/cache/large bs=64k count=32"
    )
    own_bundle.process["user"] = {"uid": 1000, "gid": 10}
    done = pyoci.run(own_bundle)
    assert done.stdout.splitlines() == ["750 1000 10", "1024"]
    assert "No space left on device" in done.stderr


def test_a_read_only_tmpfs_with_mounts_inside(pyoci, own_bundle, shared):
    own_bundle.mount("/ro", type="tmpfs", source="tmpfs", options=["ro"])
    own_bundle.mount("/ro/in/deeper", type="bind", source=str(shared), options=["bind"])
    own_bundle.mount("/ro/file", type="bind", source=str(shared / "file"), options=["bind"])
    own_bundle.script("cat /ro/in/deeper/file /ro/file; touch /ro/new")
    done = pyoci.run(own_bundle)
    assert done.stdout == "content\ncontent\n"
    assert "Read-only file system" in done.stderr


def test_an_overlay_of_the_hosts_directories(pyoci, own_bundle, tmp_path, shared):
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    options = [f"lowerdir={shared}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    own_bundle.mount("/merged", type="overlay", source="overlay", options=options)
    assert pyoci.output(own_bundle.script("cat /merged/file; echo n >/merged/new")) == "content\n"
    assert sorted(os.listdir(tmp_path / "upper")) == ["new"]
    assert os.listdir(shared) == ["file"]


def test_mounts_are_made_in_their_order(pyoci, own_bundle, shared):
    own_bundle.mount("/data", type="tmpfs", source="first", options=[])
    own_bundle.mount("/data/in", type="bind", source=str(shared), options=["bind", "ro"])
    own_bundle.mount("/data/in/file", type="bind", source="/dev/null", options=["bind"])
    own_bundle.script("stat -c %F /data/in/file; ls /data")
    assert pyoci.output(own_bundle) == "character special file\nin\n"
    own_bundle.mount("/data", type="tmpfs", source="second", options=[])
    assert pyoci.output(own_bundle.script("ls /data")) == ""


def test_the_containers_cgroups_are_shown_read_only(pyoci, bundle):
    bundle.mount(
        "/sys/fs/cgroup",
        type="cgroup",
        source="cgroup",
        options=["nosuid", "noexec", "nodev", "relatime", "ro"],
    )
    bundle.script(
        "cd /sys/fs/cgroup; if [ -e memory ]; then cd memory; fi;"
        "cat cgroup.procs; mkdir made; ls /sys/fs/cgroup"
    )
    done = pyoci.run(bundle)
    assert "1" in done.stdout.split()
    assert "Read-only file system" in done.stderr


def test_a_missing_mount_point_is_made_in_the_image_as_the_kind_it_needs(pyoci, own_bundle, shared):
    own_bundle.mount("/a/b/c", type="bind", source=str(shared), options=["bind"])
    own_bundle.mount("/d/e/f", type="bind", source=str(shared / "file"), options=["bind"])
    pyoci.output(own_bundle.script("true"))
    root = own_bundle.rootfs
    assert os.path.isdir(f"{root}/a/b/c") and not os.listdir(f"{root}/a/b/c")
    assert os.path.isfile(f"{root}/d/e/f") and not os.path.getsize(f"{root}/d/e/f")


# -- what cannot be written or seen ----------------------------------------------------------------


def test_a_read_only_root_leaves_the_mounts_in_it_writable(pyoci, own_bundle, shared):
    own_bundle.config["root"]["readonly"] = True
    own_bundle.mount("/tmp", type="tmpfs", source="tmpfs", options=["mode=1777"])
    own_bundle.mount("/var", type="bind", source=str(shared), options=["rbind", "rw"])
    own_bundle.script("for d in / /etc /tmp /var /dev; do touch $d/x 2>&1 && echo $d; done")
    output = pyoci.output(own_bundle).splitlines()
    assert [line for line in output if line.startswith("/")] == ["/tmp", "/var", "/dev"]
    assert sum("Read-only file system" in line for line in output) == 2
    assert not os.path.exists(f"{own_bundle.rootfs}/x")


def test_a_masked_file_is_empty_and_a_masked_directory_too(pyoci, own_bundle):
    os.makedirs(f"{own_bundle.rootfs}/secrets")
    for name in ("secrets/key", "token"):
        with open(f"{own_bundle.rootfs}/{name}", "w") as file:
            file.write("secret\n")
    own_bundle.linux["maskedPaths"] = ["/secrets", "/token", "/not/there"]
    own_bundle.script("ls -A /secrets; cat /token; touch /secrets/new; echo over")
    done = pyoci.run(own_bundle)
    assert done.stdout == "over\n"
    assert "Read-only file system" in done.stderr
    with open(f"{own_bundle.rootfs}/token") as file:
        assert file.read() == "secret\n"


def test_a_read_only_path_can_be_read_but_not_written(pyoci, own_bundle):
    own_bundle.linux["readonlyPaths"] = ["/etc", "/root", "/not/there", "/proc/sys"]
    own_bundle.script(
        "head -n 1 /etc/passwd; touch /etc/x; touch /root/x; echo 1 >/proc/sys/vm/swappiness"
    )
    done = pyoci.run(own_bundle)
    assert done.stdout == "root:x:0:0:root:/root:/bin/sh\n"
    assert done.stderr.count("Read-only file system") == 3


def test_masked_paths_of_the_kernel_say_nothing(pyoci, bundle):
    bundle.script("cat /proc/keys /proc/timer_list; ls -A /sys/firmware")
    assert pyoci.output(bundle) == ""


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("destination", ["/proc/self/fd", "/proc/sys/kernel", "/proc/1"])
def test_a_mount_inside_proc_is_refused(pyoci, own_bundle, shared, destination):
    own_bundle.mount(destination, type="bind", source=str(shared), options=["bind"])
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert "inside /proc" in done.stderr


def test_a_fake_uptime_may_be_bound_over_procs(pyoci, bundle, shared):
    source = str(shared / "file")
    bundle.mount("/proc/uptime", type="bind", source=source, options=["bind"])
    bundle.process["args"] = ["cat", "/proc/uptime"]
    assert pyoci.output(bundle) == "content\n"


def test_the_root_itself_is_no_mount_point(pyoci, own_bundle, shared):
    own_bundle.mount("/", type="bind", source=str(shared), options=["bind"])
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert os.path.exists(shared / "file")


def test_nothing_is_mounted_outside_by_a_destination_with_dots(pyoci, own_bundle, shared):
    before = set(os.listdir(os.path.dirname(own_bundle.rootfs)))
    own_bundle.mount("/../../escaped", type="bind", source=str(shared), options=["bind"])
    assert pyoci.output(own_bundle.script("cat /escaped/file")) == "content\n"
    assert set(os.listdir(os.path.dirname(own_bundle.rootfs))) == before
