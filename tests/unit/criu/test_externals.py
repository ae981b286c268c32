"""What is outside of a container: keys and what takes their place."""

from __future__ import annotations

import os

from pyoci.criu.externals import (
    MountTable,
    dumped_namespaces,
    dumped_streams,
    inside,
    outside_mounts,
    restored_streams,
)
from pyoci.criu.options import config_file


def test_links_are_followed_inside_of_the_root(tmp_path):
    (tmp_path / "run/lock").mkdir(parents=True)
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to("/run")
    (tmp_path / "var/up").symlink_to("../../../../run")
    (tmp_path / "loop").symlink_to("loop")
    root = str(tmp_path)
    assert inside(root, "/var/run/lock") == "/run/lock"
    assert inside(root, "/var/up/./lock/../lock") == "/run/lock"
    assert inside(root, "/../..//var/run") == "/run"
    assert inside(root, "/loop/x") == "/loop/x"
    assert inside(root, "/missing/below") == "/missing/below"


def test_bind_mounts_have_their_destination_as_key():
    config = {
        "mounts": [
            {"destination": "/data//x/", "source": "data", "options": ["rbind", "ro"]},
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/data/x", "options": ["bind", "remount", "ro"]},
        ],
        "linux": {"devices": [{"path": "/dev/null"}, {"path": "/dev/there-is-none"}]},
    }
    mounts = outside_mounts(config, None)
    assert "/dev/null" in mounts
    assert "/dev/there-is-none" not in mounts
    assert mounts["/data/x"]["options"] == ["rbind", "ro"]


def test_joined_namespaces_that_criu_knows_are_external():
    joined = [{"type": kind, "path": f"/proc/1/ns/{kind}"} for kind in ("network", "uts")]
    inode = os.stat("/proc/self/ns/net").st_ino
    options = dumped_namespaces({"linux": {"namespaces": joined}}, os.getpid())
    assert options == [("external", f"net[{inode}]:extRootNetNS")]


def test_a_file_outside_is_external_and_a_pipe_is_not(tmp_path):
    table = MountTable(os.getpid())
    names, external = dumped_streams(os.getpid(), table)
    assert external == []
    table.ids.clear()
    names, external = dumped_streams(os.getpid(), table)
    files = [name for name in names if name.startswith("file[")]
    assert {name for _, name in external} == set(files)


def test_streams_are_inherited_by_their_names():
    names = ["/dev/null", "pipe:[5]", "file[1a:ff]"]
    assert restored_streams(names, (7, 8, 9)) == [
        ("inherit_fd", ("pipe:[5]", 8)),
        ("inherit_fd", ("file[1a:ff]", 9)),
    ]


def test_mount_points_with_spaces_are_read(tmp_path):
    assert "/proc" in MountTable(os.getpid()).points


def test_the_annotation_names_criu_configuration():
    assert config_file({"annotations": {"org.criu.config": "/x.conf"}}) == "/x.conf"
    assert config_file({"annotations": {"org.criu.config": ""}}) is None
