"""Masked and read-only paths, and devices that an image tries to pass off as others."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def secrets(own_bundle):
    """A bundle with something to hide."""
    os.mkdir(own_bundle.rootfs + "/secret")
    for name in ("secret/inside", "file", "other", "secret/second"):
        with open(f"{own_bundle.rootfs}/{name}", "w") as file:
            file.write("secret\n")
    own_bundle.linux["maskedPaths"] = []
    own_bundle.linux["readonlyPaths"] = []
    return own_bundle


@pytest.mark.parametrize("paths", [["/file", "/secret", "/other"], ["/secret", "/file"], ["/file"]])
def test_masked_paths_are_empty_and_cannot_be_written(pyoci, secrets, paths):
    secrets.linux["maskedPaths"] = paths
    secrets.script("cat /file; ls -A /secret; echo x > /file; echo y > /secret/new; true")
    done = pyoci.run(secrets)
    expected = "" if "/secret" in paths else "inside\nsecond\n"
    assert done.stdout.startswith(expected)
    assert "secret\n" not in done.stdout
    assert "/file: Read-only file system" in done.stderr
    assert ("/secret/new: Read-only file system" in done.stderr) == ("/secret" in paths)


def test_masked_paths_that_do_not_exist_are_no_error(pyoci, secrets):
    secrets.linux["maskedPaths"] = ["/nowhere", "/file/below", "/nowhere/at/all"]
    secrets.linux["readonlyPaths"] = ["/nowhere", "/file/below", "/nowhere/at/all"]
    assert pyoci.output(secrets.script("cat /file")) == "secret\n"
    assert not os.path.exists(secrets.rootfs + "/nowhere")


def test_the_images_null_device_has_no_part_in_masking(pyoci, secrets, tmp_path):
    """CVE-2025-31133: an image's /dev/null that is a link to something else."""
    host = tmp_path / "of-the-host"
    host.write_text("of the host\n")
    secrets.config["mounts"] = [
        m for m in secrets.config["mounts"] if "/dev" not in m["destination"]
    ]
    os.symlink("/proc/sys/kernel/core_pattern", secrets.rootfs + "/dev/null")
    secrets.linux["maskedPaths"] = ["/file"]
    done = pyoci.run(secrets.script("cat /file"))
    # The link is not the device that every container has: the create says so.
    assert done.returncode == 1
    assert "/dev/null" in done.stderr
    os.unlink(secrets.rootfs + "/dev/null")
    assert pyoci.output(secrets.script("cat /file")) == ""


def test_a_masked_symlink_masks_what_it_points_to_inside_the_root(pyoci, secrets):
    os.symlink("/file", secrets.rootfs + "/link")
    secrets.linux["maskedPaths"] = ["/link"]
    assert pyoci.output(secrets.script("cat /file")) == ""


def test_masks_are_seen_from_exec_too(pyoci, secrets):
    secrets.linux["maskedPaths"] = ["/file", "/secret"]
    name = pyoci.start(secrets.script("sleep 1000"))
    assert pyoci.ok("exec", name, "sh", "-c", "cat /file; ls -A /secret") == ""


def test_read_only_paths_with_the_mounts_inside_them(pyoci, secrets):
    secrets.mount("/secret/mounted", type="tmpfs", source="tmpfs")
    secrets.linux["readonlyPaths"] = ["/secret", "/file"]
    secrets.script(
        "cat /file; for f in /file /secret/new /secret/mounted/new; do echo x > $f; done; true"
    )
    done = pyoci.run(secrets)
    assert done.stdout == "secret\n"
    assert done.stderr.count("Read-only file system") == 3


@pytest.mark.parametrize("kind", ["file", "link", "other device"])
def test_something_else_in_the_place_of_a_device_is_an_error(pyoci, own_bundle, kind):
    own_bundle.config["mounts"] = [
        m for m in own_bundle.config["mounts"] if "/dev" not in m["destination"]
    ]
    path = own_bundle.rootfs + "/dev/zero"
    if kind == "file":
        open(path, "w").close()
    elif kind == "link":
        os.symlink("null", path)
    else:
        os.mknod(path, 0o20666, os.makedev(1, 3))
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert "something else is at that path" in done.stderr


def test_a_device_that_is_there_already_stays_as_it_is(pyoci, own_bundle):
    own_bundle.config["mounts"] = [
        m for m in own_bundle.config["mounts"] if "/dev" not in m["destination"]
    ]
    path = own_bundle.rootfs + "/dev/zero"
    os.mknod(path, 0o20600, os.makedev(1, 5))
    own_bundle.script("stat -c '%a %t:%T' /dev/zero /dev/null")
    assert pyoci.output(own_bundle).splitlines() == ["600 1:5", "666 1:3"]


def test_devices_have_exactly_the_mode_and_owner_they_are_given(pyoci, own_bundle):
    own_bundle.linux["devices"] = [
        {
            "type": "c",
            "path": "/dev/mine",
            "major": 10,
            "minor": 300,
            "fileMode": 0o642,
            "uid": 5,
            "gid": 6,
        },
        {"type": "p", "path": "/dev/sub/pipe", "fileMode": 0o611},
    ]
    own_bundle.script("stat -c '%F %a %u:%g %t:%T' /dev/mine /dev/sub/pipe")
    previous = os.umask(0o77)
    try:
        lines = pyoci.output(own_bundle).splitlines()
    finally:
        os.umask(previous)
    assert lines == ["character special file 642 5:6 a:12c", "fifo 611 0:0 0:0"]


def test_an_images_own_ptmx_gives_way_to_the_containers(pyoci, own_bundle):
    own_bundle.config["mounts"] = [
        m
        for m in own_bundle.config["mounts"]
        if m["destination"] not in ("/dev", "/dev/shm", "/dev/mqueue")
    ]
    os.mknod(own_bundle.rootfs + "/dev/ptmx", 0o20666, os.makedev(5, 2))
    assert pyoci.output(own_bundle.script("readlink /dev/ptmx")) == "pts/ptmx\n"
