"""/dev and what is in it: the image's, a volume's, or swapped while the container is made.

CVE-2025-52565, CVE-2026-41579, CVE-2026-47766.
"""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

ATTEMPTS = 25
FIRST_TERMINAL = "/dev/pts/0"


def without_dev(bundle):
    """The image's own /dev is what the container gets."""
    bundle.config["mounts"] = [
        mount for mount in bundle.config["mounts"] if not mount["destination"].startswith("/dev")
    ]
    return bundle


def nodes_below(path):
    return [
        os.path.join(top, name)
        for top, directories, files in os.walk(path)
        for name in (*directories, *files)
    ]


@pytest.mark.parametrize("below", ["", "/directory", "/new"])
@pytest.mark.parametrize("climb", ["", "/.."])
def test_cve_2026_41579_an_images_dev_that_is_a_symlink_stays_inside(
    pyoci, own_bundle, outside, below, climb
):
    rootfs = own_bundle.rootfs
    os.rmdir(f"{rootfs}/dev")
    os.symlink(f"{climb}{outside}{below}", f"{rootfs}/dev")
    without_dev(own_bundle).linux["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}
    ]
    assert pyoci.run(own_bundle.script("true")).returncode in (0, 1)
    # Whatever was made was made below the root, where the symlink leads in there.
    assert [path for path in nodes_below(outside) if stat.S_ISCHR(os.lstat(path).st_mode)] == []


@pytest.mark.parametrize("mounted", [False, True], ids=["image", "tmpfs"])
def test_cve_2026_41579_an_images_dev_is_swapped_while_devices_are_made(
    pyoci, own_bundle, outside, exchanged, mounted
):
    os.symlink(f"{outside}/directory", f"{own_bundle.rootfs}/other")
    if not mounted:
        without_dev(own_bundle)
    own_bundle.linux["devices"] = [
        {"path": f"/dev/made{number}", "type": "c", "major": 1, "minor": 3} for number in range(20)
    ]
    exchanged(f"{own_bundle.rootfs}/dev", f"{own_bundle.rootfs}/other")
    for _ in range(ATTEMPTS):
        assert pyoci.run(own_bundle.script("true")).returncode in (0, 1)


def test_cve_2026_47766_links_of_dev_do_not_replace_what_a_symlink_leads_to(
    pyoci, own_bundle, outside
):
    """An image's /dev/fd, /dev/ptmx, … that are symlinks give way; their targets do not."""
    for name in ("fd", "stdin", "stdout", "stderr", "ptmx", "core"):
        os.symlink(f"{outside}/file", f"{own_bundle.rootfs}/dev/{name}")
    without_dev(own_bundle)
    text = pyoci.output(own_bundle.script("readlink /dev/ptmx; readlink /dev/fd"))
    assert text == "pts/ptmx\n/proc/self/fd\n"


def test_cve_2026_47766_a_default_device_that_is_a_symlink_is_not_followed(
    pyoci, own_bundle, outside
):
    for name in ("null", "zero", "tty"):
        os.symlink(f"{outside}/new-{name}", f"{own_bundle.rootfs}/dev/{name}")
    without_dev(own_bundle)
    assert pyoci.run(own_bundle.script("true")).returncode in (0, 1)


# -- the terminal ----------------------------------------------------------------------------------


def run_with_terminal(pyoci, bundle, terminal, script):
    """Give what came over the terminal, or None when the container was refused."""
    bundle.process["terminal"] = True
    bundle.script(script).write()
    name = pyoci.new_id()
    done = subprocess.run(
        pyoci.command("create", "--bundle", bundle.path, "--console-socket", terminal.path, name),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    if done.returncode:
        terminal.hang_up()
        return None
    master = terminal.receive()
    pyoci.ok("start", name)
    return terminal.read(master)


@pytest.fixture
def decoy(tmp_path):
    """A file that becomes neither the terminal's nor anybody else's."""
    path = tmp_path / "decoy"
    path.write_text("decoy")
    path.chmod(0o600)
    yield str(path)
    facts = path.stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (0, 0, 0o600)
    assert path.read_text() == "decoy"


def test_cve_2025_52565_a_mount_over_the_terminals_name_is_not_the_terminal(
    pyoci, bundle, terminal, decoy
):
    """A runtime that opens /dev/pts/0 by name gives the program, and its user, the decoy."""
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    # The terminal has no name yet when mounts are made: what can be covered is its directory.
    fake = os.path.dirname(decoy)
    bundle.mount("/dev/pts", type="bind", source=fake, options=["rbind"])
    os.link(decoy, f"{fake}/0")
    os.link(decoy, f"{fake}/ptmx")
    assert run_with_terminal(pyoci, bundle, terminal, "echo typed") is None
    os.unlink(f"{fake}/0")
    os.unlink(f"{fake}/ptmx")


@pytest.mark.parametrize("kind", ["symlink", "file", "absent"])
def test_cve_2025_52565_what_the_image_has_at_the_console_is_not_followed(
    pyoci, own_bundle, terminal, kind
):
    """It is refused, or covered; what a symlink leads to stays as it is."""
    console = f"{own_bundle.rootfs}/dev/console"
    secret = f"{own_bundle.rootfs}/secret"
    with open(secret, "w") as file:
        file.write("as it was")
    if kind == "symlink":
        os.symlink("/secret", console)
    elif kind == "file":
        with open(console, "w"):
            pass
    without_dev(own_bundle)
    own_bundle.mount("/dev/pts", type="devpts", source="devpts", options=["newinstance"])
    own_bundle.process["user"] = {"uid": 1000, "gid": 1000}
    text = run_with_terminal(pyoci, own_bundle, terminal, "echo typed; cat /secret; tty")
    if kind == "symlink":
        assert text is None
    else:
        assert text == f"typed\nas it was{FIRST_TERMINAL}\n"
    assert os.stat(secret).st_uid == 0


def test_cve_2025_52565_the_console_of_a_shared_volume_is_swapped_for_a_symlink(
    pyoci, own_bundle, terminal, tmp_path, outside, exchanged
):
    """The terminal, writable by the container, must not be mounted over a file of procfs."""
    devices = tmp_path / "dev"
    (devices / "pts").mkdir(parents=True)
    (devices / "shm").mkdir()
    (devices / "mqueue").mkdir()
    os.mknod(devices / "null", 0o020666, os.makedev(1, 3))
    (devices / "console").touch()
    os.symlink("/proc/sys/kernel/hostname", devices / "other")
    for mount in own_bundle.config["mounts"]:
        if mount["destination"] == "/dev":
            mount.update(type="bind", source=str(devices), options=["rbind"])
    exchanged(str(devices / "console"), str(devices / "other"))
    for _ in range(ATTEMPTS):
        text = run_with_terminal(
            pyoci, own_bundle, terminal, "stat -f -c %t /proc/sys/kernel/hostname; echo end"
        )
        # 9fa0: it is procfs's, and not the terminal's (1cd1).
        assert text in (None, "9fa0\nend\n")
