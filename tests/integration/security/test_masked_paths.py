"""Masked and read-only paths, while somebody replaces what they are covered with or what they are.

CVE-2025-31133.
"""

from __future__ import annotations

import os
import shutil

import pytest

ATTEMPTS = 25
SECRET = "of the image, to be hidden"
DECOY = "what the mask must not be"
# Whether anything but nothing is read, or can be written, at the masked places.
# (What it complains of goes to another stream, and not to a null device that may be the decoy.)
LOOK = "cat /secret /secrets/*; echo overwritten > /secret; ls -A /secrets"


@pytest.fixture
def masked(own_bundle):
    """A bundle with a masked file and a masked directory, and a decoy that is neither."""
    rootfs = own_bundle.rootfs
    os.mkdir(f"{rootfs}/secrets")
    for path, text in (("secret", SECRET), ("secrets/key", SECRET), ("decoy", DECOY)):
        with open(f"{rootfs}/{path}", "w") as file:
            file.write(text)
    own_bundle.linux["maskedPaths"] = ["/secret", "/secrets", "/proc/kcore"]
    # The image's own /dev, not a tmpfs over it.
    own_bundle.config["mounts"] = [
        mount
        for mount in own_bundle.config["mounts"]
        if not mount["destination"].startswith("/dev")
    ]
    yield own_bundle
    with open(f"{rootfs}/decoy") as file:
        assert file.read() == DECOY
    with open(f"{rootfs}/secret") as file:
        assert file.read() == SECRET


def device_directory(tmp_path, null):
    """A /dev for containers to share; ``null`` is what its null device is a symlink to."""
    shared = tmp_path / "dev"
    shared.mkdir()
    for name, minor in (("zero", 5), ("full", 7), ("random", 8), ("urandom", 9), ("real", 3)):
        os.mknod(shared / name, 0o020666, os.makedev(1, minor))
    os.symlink(null, shared / "null")
    return str(shared)


@pytest.mark.parametrize("target", ["/decoy", "/proc/sys/kernel/hostname", "/"])
def test_cve_2025_31133_a_null_device_that_is_a_symlink_is_no_mask(pyoci, masked, target):
    os.symlink(target, f"{masked.rootfs}/dev/null")
    done = pyoci.run(masked.script(LOOK))
    assert done.returncode in (0, 1)
    assert done.stdout == ""


def test_cve_2025_31133_nor_is_one_of_a_shared_volume(pyoci, masked, tmp_path):
    devices = device_directory(tmp_path, "/decoy")
    masked.mount("/dev", type="bind", source=devices, options=["rbind"])
    # It starts, so it is the mask that is looked at.
    assert pyoci.run(masked.script(LOOK + "; echo end")).stdout == "end\n"


def test_cve_2025_31133_nor_is_a_null_device_that_does_not_exist(pyoci, masked, tmp_path):
    """A runtime that takes "not found" for "nothing to mask" would show everything."""
    devices = device_directory(tmp_path, "/nowhere")
    os.unlink(f"{devices}/null")
    masked.mount("/dev", type="bind", source=devices, options=["rbind"])
    assert pyoci.run(masked.script(LOOK + "; echo end")).stdout == "end\n"


def test_cve_2025_31133_the_null_device_is_swapped_while_paths_are_masked(
    pyoci, masked, tmp_path, exchanged
):
    devices = device_directory(tmp_path, "/decoy")
    masked.mount("/dev", type="bind", source=devices, options=["rbind"])
    masked.script(LOOK + "; echo end")
    exchanged(f"{devices}/null", f"{devices}/real")
    for _ in range(ATTEMPTS):
        done = pyoci.run(masked)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "end\n"


def test_cve_2025_31133_the_images_null_device_is_swapped_while_devices_are_made(
    pyoci, masked, exchanged
):
    os.mknod(f"{masked.rootfs}/dev/null", 0o020666, os.makedev(1, 3))
    os.symlink("/decoy", f"{masked.rootfs}/dev/other")
    masked.script(LOOK)
    exchanged(f"{masked.rootfs}/dev/null", f"{masked.rootfs}/dev/other")
    for _ in range(ATTEMPTS):
        done = pyoci.run(masked)
        assert done.returncode in (0, 1)
        assert done.stdout == ""


@pytest.mark.parametrize("paths", ["maskedPaths", "readonlyPaths"])
def test_cve_2025_31133_a_path_that_is_swapped_for_a_symlink_covers_nothing_of_the_host(
    pyoci, own_bundle, tmp_path, outside, exchanged, paths
):
    volume = tmp_path / "volume"
    (volume / "place").mkdir(parents=True)
    os.symlink(outside, volume / "other")
    own_bundle.mount("/volume", type="bind", source=str(volume), options=["rbind"])
    own_bundle.linux[paths] = [f"/volume/place{end}" for end in ("", "/file", "/directory")]
    exchanged(str(volume / "place"), str(volume / "other"))
    for _ in range(ATTEMPTS):
        done = pyoci.run(own_bundle.script("true"))
        assert done.returncode in (0, 1)
        # The host goes on to be able to write there.
        (outside / "probe").touch()
        (outside / "probe").unlink()


def test_cve_2025_31133_masks_of_containers_have_nothing_in_common(pyoci, masked, bundle):
    """What one could write into its mask another would read."""
    masked.capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    masked.process["noNewPrivileges"] = False
    shutil.rmtree(f"{masked.rootfs}/dev")
    os.mkdir(f"{masked.rootfs}/dev")
    text = pyoci.output(
        masked.script(
            "mount -o remount,rw,bind /secrets; touch /secrets/left 2>/dev/null; ls -A /secrets;"
            " mount -o remount,rw,bind /secret; echo left > /secret; cat /secret; echo end"
        )
    )
    assert text.splitlines()[-1] == "end"
    bundle.linux["maskedPaths"] = ["/etc", "/etc/passwd", "/home"]
    assert pyoci.output(bundle.script("ls -A /etc /home | grep left; echo end")) == "end\n"
