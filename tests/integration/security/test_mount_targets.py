"""Mount points that lead, or come to lead, out of the root.

CVE-2019-18837, CVE-2021-30465, CVE-2024-45310.
"""

from __future__ import annotations

import os

import pytest

ATTEMPTS = 25


@pytest.fixture
def source(tmp_path):
    """A volume with something in it, for containers to mount."""
    path = tmp_path / "marked-source"
    path.mkdir()
    (path / "inside").write_text("of the volume")
    return str(path)


@pytest.fixture
def volume(tmp_path):
    """A directory that two containers share: what one does in it, the other's runtime meets."""
    path = tmp_path / "volume"
    path.mkdir()
    path.chmod(0o777)
    return str(path)


@pytest.mark.parametrize("climb", ["", "/..", "/../../../../../.."])
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_cve_2019_18837_a_symlink_of_the_image_is_resolved_inside_the_root(
    pyoci, own_bundle, outside, source, climb, kind
):
    os.symlink(f"{climb}{outside}/directory", f"{own_bundle.rootfs}/link")
    os.symlink("../" * 12 + f"{outside}/directory".lstrip("/"), f"{own_bundle.rootfs}/relative")
    options = ["rbind"] if kind == "bind" else []
    own_bundle.mount("/link", type=kind, source=source, options=options)
    own_bundle.mount("/relative/below", type=kind, source=source, options=options)
    place = f"{outside}/directory"
    text = pyoci.output(own_bundle.script(f"grep -c '{place} \\|{place}/below ' /proc/mounts"))
    # Both are where the symlinks lead inside the root, which had nothing there.
    assert text == "2\n"


def test_cve_2019_18837_a_device_of_the_configuration_stays_inside(pyoci, own_bundle, outside):
    os.symlink(f"{outside}/directory", f"{own_bundle.rootfs}/link")
    own_bundle.linux["devices"] = [
        {"path": "/link/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}
    ]
    assert pyoci.output(own_bundle.script("stat -c %t:%T /link/node")) == "1:3\n"


def test_cve_2019_18837_the_working_directory_is_made_inside(pyoci, own_bundle, outside):
    os.symlink(f"{outside}/directory", f"{own_bundle.rootfs}/link")
    own_bundle.process["cwd"] = "/link/new"
    assert pyoci.output(own_bundle.script("pwd -P")) == f"{outside}/directory/new\n"


@pytest.mark.parametrize("kind", ["bind", "tmpfs", "proc"])
@pytest.mark.parametrize("leads_to", ["outside", "/"])
def test_cve_2021_30465_a_mount_point_in_a_shared_volume_is_swapped_for_a_symlink(
    pyoci, own_bundle, volume, source, outside, exchanged, kind, leads_to
):
    """Another container swaps the mount point of the second volume in the first one."""
    os.mkdir(f"{volume}/place")
    os.symlink(outside if leads_to == "outside" else "/", f"{volume}/other")
    own_bundle.mount("/volume", type="bind", source=volume, options=["rbind"])
    options = ["rbind"] if kind == "bind" else []
    origin = source if kind == "bind" else "marked-source"
    own_bundle.mount("/volume/place", type=kind, source=origin, options=options)
    own_bundle.mount("/volume/place/deeper", type="bind", source=source, options=["rbind"])
    own_bundle.script(look_for(outside))
    exchanged(f"{volume}/place", f"{volume}/other")
    for _ in range(ATTEMPTS):
        check(pyoci.run(own_bundle), mounts=2)


def look_for(outside):
    """A script that tells how many of the mounts are in its tree, and what it sees of the host."""
    return f"grep -c marked-source /proc/self/mountinfo; find {outside} 2>&1 | grep canary; :"


def check(done, *, mounts):
    """It has been refused, or every mount is below the root, and the host is not."""
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout == ("" if done.returncode else f"{mounts}\n")


def test_cve_2021_30465_two_containers_of_one_volume_do_it_to_one_another(
    pyoci, own_bundle, victim, volume, source, outside, armed
):
    """The racer is a container itself, with nothing but the volume."""
    os.mkdir(f"{volume}/place")
    os.symlink(outside, f"{volume}/other")
    for each in (own_bundle, victim):
        each.mount("/volume", type="bind", source=volume, options=["rbind"])
    program = armed(own_bundle.rootfs, "exchange")
    own_bundle.process["args"] = [program, "/volume/place", "/volume/other"]
    attacker = pyoci.start(own_bundle)
    victim.mount("/volume/place", type="bind", source=source, options=["rbind"])
    victim.script(look_for(outside))
    for _ in range(ATTEMPTS):
        check(pyoci.run(victim), mounts=1)
    assert pyoci.status(attacker) == "running"


@pytest.mark.parametrize("is_file", [False, True], ids=["directory", "file"])
@pytest.mark.parametrize("depth", [1, 3])
def test_cve_2024_45310_what_is_missing_on_the_way_is_not_made_on_the_host(
    pyoci, own_bundle, volume, source, outside, exchanged, is_file, depth
):
    os.mkdir(f"{volume}/way")
    os.symlink(f"{outside}/directory", f"{volume}/other")
    own_bundle.mount("/volume", type="bind", source=volume, options=["rbind"])
    for attempt in range(ATTEMPTS):
        target = f"/volume/way/{attempt}" + "/new" * depth
        origin = f"{source}/inside" if is_file else source
        own_bundle.mount(target, type="bind", source=origin, options=["rbind"])
    exchanged(f"{volume}/way", f"{volume}/other")
    for _ in range(5):
        assert pyoci.run(own_bundle.script("true")).returncode in (0, 1)


def test_cve_2024_45310_nor_are_links_and_devices(pyoci, own_bundle, volume, outside, exchanged):
    """Everything that is made on the way to the program: nodes, links, directories."""
    os.mkdir(f"{volume}/way")
    os.symlink(f"{outside}/directory", f"{volume}/other")
    own_bundle.mount("/volume", type="bind", source=volume, options=["rbind"])
    own_bundle.linux["devices"] = [
        {"path": f"/volume/way/{number}/node", "type": "c", "major": 1, "minor": 3}
        for number in range(ATTEMPTS)
    ]
    own_bundle.process["cwd"] = "/volume/way/cwd/new"
    exchanged(f"{volume}/way", f"{volume}/other")
    for _ in range(10):
        assert pyoci.run(own_bundle.script("true")).returncode in (0, 1)
