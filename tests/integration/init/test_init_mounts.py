"""Where mounts land: made, followed or refused, inside the root; and what is done to them."""

from __future__ import annotations

import os
import stat

import pytest

TMPFS = {"type": "tmpfs", "source": "tmpfs"}


def bind(source: str, *options: str) -> dict[str, object]:
    return {"type": "bind", "source": source, "options": ["rbind", *options]}


@pytest.fixture
def shared(tmp_path):
    """A directory of the host to show in containers."""
    path = tmp_path / "shared"
    (path / "inner").mkdir(parents=True)
    (path / "file").write_text("of the host\n")
    return str(path)


def test_missing_mount_points_are_made(pyoci, own_bundle, shared):
    own_bundle.mount("/new/deep/directory", **bind(shared))
    own_bundle.mount("/new/other/file", **bind(f"{shared}/file"))
    own_bundle.script("cat /new/deep/directory/file /new/other/file")
    assert pyoci.output(own_bundle) == "of the host\nof the host\n"
    made = own_bundle.rootfs + "/new/deep"
    assert stat.S_IMODE(os.stat(made).st_mode) == 0o755
    assert os.path.getsize(own_bundle.rootfs + "/new/other/file") == 0


def test_symlinks_to_a_mount_point_are_followed_inside_the_root(
    pyoci, own_bundle, shared, tmp_path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    os.symlink(outside, own_bundle.rootfs + "/link")
    os.makedirs(own_bundle.rootfs + str(outside))
    own_bundle.mount("/link/here", **bind(shared))
    own_bundle.script(f"cat {outside}/here/file")
    assert pyoci.output(own_bundle) == "of the host\n"
    assert os.listdir(outside) == []


@pytest.mark.parametrize(
    "target", ["/run/made/later", "../run/made/later", "../../../../run/made/later"]
)
def test_a_symlink_to_nothing_is_made_to_point_at_something_inside(
    pyoci, own_bundle, shared, target
):
    os.symlink(target, own_bundle.rootfs + "/etc/resolv.conf")
    own_bundle.mount("/etc/resolv.conf", **bind(f"{shared}/file"))
    own_bundle.script("cat /etc/resolv.conf /run/made/later")
    assert pyoci.output(own_bundle) == "of the host\n" * 2


def test_directories_behind_a_symlink_to_nothing_are_made_inside(
    pyoci, own_bundle, shared, tmp_path
):
    outside = tmp_path / "nowhere"
    os.symlink(outside, own_bundle.rootfs + "/data")
    own_bundle.mount("/data/a/b", **bind(shared))
    own_bundle.script("cat /data/a/b/file")
    assert pyoci.output(own_bundle) == "of the host\n"
    assert not outside.exists()


def test_a_ring_of_symlinks_is_refused(pyoci, own_bundle, shared):
    os.symlink("b", own_bundle.rootfs + "/a")
    os.symlink("a", own_bundle.rootfs + "/b")
    own_bundle.mount("/a/place", **bind(shared))
    done = pyoci.run(own_bundle)
    assert done.returncode == 1
    assert "symbolic links" in done.stderr


@pytest.mark.parametrize(("name", "place"), [("proc", "/proc"), ("sysfs", "/sys")])
def test_a_symlink_in_the_place_of_a_kernel_file_system_is_refused(pyoci, own_bundle, name, place):
    """CVE-2019-19921, CVE-2023-27561."""
    os.rmdir(own_bundle.rootfs + place)
    os.symlink("/tmp", own_bundle.rootfs + place)
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert f'error mounting "{name}" to rootfs at "{place}"' in done.stderr
    assert "symlink" in done.stderr


@pytest.mark.parametrize("link", ["/proc/sys/kernel", "proc/self", "/proc/1/../tty"])
def test_a_mount_that_a_symlink_leads_into_procfs_is_refused(pyoci, own_bundle, shared, link):
    """CVE-2025-52881: a mount there would redirect what the runtime writes."""
    os.symlink(link, own_bundle.rootfs + "/innocent")
    own_bundle.mount("/innocent", **bind(shared))
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert "inside procfs" in done.stderr


def test_a_symlinked_dev_stays_inside(pyoci, own_bundle, tmp_path):
    """CVE-2026-41579."""
    outside = tmp_path / "outside-dev"
    outside.mkdir()
    own_bundle.config["mounts"] = [
        m for m in own_bundle.config["mounts"] if "/dev" not in m["destination"]
    ]
    os.rmdir(own_bundle.rootfs + "/dev")
    os.symlink(outside, own_bundle.rootfs + "/dev")
    own_bundle.script("echo x > /dev/null")
    assert pyoci.run(own_bundle).returncode == 0
    assert os.listdir(outside) == []


def test_a_directory_is_not_mounted_on_a_file(pyoci, own_bundle, shared):
    own_bundle.mount("/etc/passwd", **bind(shared))
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    # Docker reads these words: the mount is at fault, not the image's program.
    assert "not a directory" in done.stderr
    assert "are you trying to mount a directory onto a file" in done.stderr


def test_a_read_only_bind_mount_is_read_only_at_its_top(pyoci, own_bundle, shared, tmp_path):
    own_bundle.mount("/d", **bind(shared, "ro"))
    done = pyoci.run(own_bundle.script("touch /d/x"))
    assert "Read-only" in done.stderr
    assert not os.path.exists(f"{shared}/x")


def mounted_below(own_bundle, shared, option):
    own_bundle.mount("/d", **bind(shared, option))
    own_bundle.capabilities("CAP_SYS_ADMIN")
    # The tree of the host has a mount in it by the time it is cloned.
    own_bundle.config["mounts"].insert(0, {"destination": "/unused", **TMPFS})
    return own_bundle.script("touch /d/inner/x 2>/dev/null && echo written || echo refused")


@pytest.mark.parametrize(("option", "outcome"), [("ro", "written"), ("rro", "refused")])
def test_recursive_options_reach_the_mounts_inside(pyoci, own_bundle, shared, option, outcome):
    os.system(f"mount -t tmpfs inner {shared}/inner")
    try:
        assert pyoci.output(mounted_below(own_bundle, shared, option)) == f"{outcome}\n"
    finally:
        os.system(f"umount {shared}/inner")


def test_options_of_a_bind_mount(pyoci, own_bundle, shared):
    own_bundle.mount("/d", **bind(shared, "nosuid", "nodev", "noexec", "noatime", "nosymfollow"))
    own_bundle.script("grep ' /d ' /proc/self/mountinfo")
    options = set(pyoci.output(own_bundle).split()[5].split(","))
    assert options == {"rw", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"}


def test_a_mount_option_that_the_file_system_does_not_know_is_named_by_it(pyoci, own_bundle):
    own_bundle.mount("/t", **TMPFS, options=["frobnicate=1"])
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert 'rootfs at "/t"' in done.stderr
    assert "Unknown parameter 'frobnicate'" in done.stderr


def test_a_bad_value_of_a_mount_option_is_named(pyoci, own_bundle):
    own_bundle.mount("/t", **TMPFS, options=["size=many"])
    assert "size" in pyoci.run(own_bundle.script("true")).stderr


def test_a_file_system_that_the_kernel_does_not_have_is_named(pyoci, own_bundle):
    own_bundle.mount("/t", type="nosuchfs", source="x")
    done = pyoci.run(own_bundle.script("true"))
    assert 'rootfs at "/t"' in done.stderr
    assert "/proc/filesystems" in done.stderr


def test_a_tmpfs_has_the_mode_of_what_it_covers_unless_it_is_given_one(pyoci, own_bundle):
    os.mkdir(own_bundle.rootfs + "/odd")
    os.chmod(own_bundle.rootfs + "/odd", 0o2751)
    own_bundle.mount("/odd", **TMPFS)
    own_bundle.mount("/tmp", **TMPFS)
    own_bundle.mount("/var", **TMPFS, options=["mode=0700"])
    own_bundle.mount("/none", **TMPFS)
    own_bundle.script("stat -c %a /odd /tmp /var /none /dev/shm")
    assert pyoci.output(own_bundle).split() == ["2751", "1777", "700", "1777", "1777"]


def test_tmpcopyup_fills_the_tmpfs_with_what_it_covers(pyoci, own_bundle):
    top = own_bundle.rootfs + "/full"
    os.makedirs(f"{top}/directory/deeper")
    with open(f"{top}/file", "w") as file:
        file.write("content" * 10_000)
    os.chmod(f"{top}/file", 0o4751)
    os.chown(f"{top}/directory", 7, 8)
    os.symlink("/nowhere/at/all", f"{top}/link")
    os.mkfifo(f"{top}/fifo", 0o640)
    os.setxattr(f"{top}/file", "trusted.mark", b"here")
    os.utime(f"{top}/directory", (1000, 2000))
    os.utime(f"{top}/file", (3000, 4000))
    own_bundle.mount("/full", **TMPFS, options=["tmpcopyup", "mode=755"])
    own_bundle.capabilities("CAP_DAC_OVERRIDE", "CAP_FOWNER")
    own_bundle.script(
        "cd /full; stat -c '%n %F %a %u:%g %Y %s' file directory directory/deeper fifo;"
        "readlink link;"
        "wc -c < file; rm -r directory; ls"
    )
    lines = pyoci.output(own_bundle).splitlines()
    assert lines[0] == "file regular file 4751 0:0 4000 70000"
    assert lines[1].startswith("directory directory 755 7:8 2000")
    assert lines[2].startswith("directory/deeper directory 755 0:0")
    assert lines[3].startswith("fifo fifo 640 0:0")
    assert lines[4:] == ["/nowhere/at/all", "70000", "fifo", "file", "link"]
    assert os.path.isdir(f"{top}/directory/deeper"), "the image itself has been changed"


def test_remount_changes_a_mount_that_is_there(pyoci, own_bundle, shared):
    own_bundle.mount("/d", **bind(shared))
    own_bundle.mount("/d", type="none", options=["remount", "bind", "ro", "nosuid"])
    own_bundle.script("grep ' /d ' /proc/self/mountinfo; touch /d/x")
    done = pyoci.run(own_bundle)
    assert "ro,nosuid" in done.stdout
    assert "Read-only" in done.stderr


def test_a_mount_with_ids_of_its_own(pyoci, own_bundle, shared):
    os.chown(shared, 5000, 6000)
    os.chown(f"{shared}/file", 5000, 6000)
    own_bundle.mount(
        "/d",
        **bind(shared, "idmap"),
        uidMappings=[{"containerID": 5000, "hostID": 0, "size": 10}],
        gidMappings=[{"containerID": 6000, "hostID": 0, "size": 10}],
    )
    own_bundle.script("stat -c %u:%g /d/file; touch /d/new")
    assert pyoci.output(own_bundle) == "0:0\n"
    assert (os.stat(f"{shared}/new").st_uid, os.stat(f"{shared}/new").st_gid) == (5000, 6000)


def test_more_mounts_than_the_program_may_open_files(pyoci, own_bundle, shared):
    """Descriptors are closed when they have served; the program's own limit comes late."""
    for index in range(60):
        own_bundle.mount(f"/many/{index}", **bind(shared))
    own_bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 8, "hard": 8}]
    own_bundle.script("grep -c /many/ /proc/self/mountinfo; ulimit -n")
    assert pyoci.output(own_bundle).split() == ["60", "8"]


def test_nothing_that_is_mounted_inside_reaches_the_host(pyoci, own_bundle, shared):
    os.system(
        f"mount -t tmpfs top {shared} && mount --make-shared {shared} && mkdir {shared}/inner"
    )
    try:
        own_bundle.mount("/d", **bind(shared))
        own_bundle.capabilities("CAP_SYS_ADMIN")
        own_bundle.script("mount -t tmpfs x /d/inner && touch /d/inner/seen && ls /d/inner")
        assert pyoci.output(own_bundle) == "seen\n"
        assert os.listdir(f"{shared}/inner") == []
    finally:
        os.system(f"umount {shared}")


def test_a_shared_bind_mount_reaches_the_host_when_that_is_asked_for(pyoci, own_bundle, shared):
    os.system(
        f"mount -t tmpfs top {shared} && mount --make-shared {shared} && mkdir {shared}/inner"
    )
    try:
        own_bundle.mount("/d", **bind(shared, "rshared"))
        own_bundle.linux["rootfsPropagation"] = "shared"
        own_bundle.capabilities("CAP_SYS_ADMIN")
        own_bundle.script("grep -o ' /d .* shared:' /proc/self/mountinfo | wc -l")
        assert pyoci.output(own_bundle) == "1\n"
    finally:
        os.system(f"umount {shared}/inner 2>/dev/null; umount {shared}")
