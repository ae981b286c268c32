"""Layers and snapshots as root of a user namespace only, as an ordinary user's build is."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

import builder
from builder.digest import DiffID

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNS = 0x00020000

_PREPARE = """
import os, stat, subprocess, sys
from builder.layer import Layer
from builder.layer import entry as kinds
from builder.layer.compression import Compression
from builder.layer.entry import Entry
from builder.layer.ownership import can_own, in_user_namespace
from builder.layer.stream import LayerStream
from builder.layer.tar_reader import TarReader
from builder.layer.write import write_layer
from builder.snapshot import Snapshots
from builder.store import Store
store = Store(sys.argv[1])
warnings = []
snapshots = Snapshots(store, warnings.append)
base = write_layer(store.layout, [
    Entry(b"d", kinds.DIRECTORY, 0o755),
    Entry.of_bytes(b"d/a", b"a", uid=int(sys.argv[2]), gid=int(sys.argv[2])),
    Entry.of_bytes(b"d/b", b"b"),
    Entry(b"null", kinds.CHARACTER_DEVICE, 0o666, device=(1, 3)),
    Entry(b"pipe", kinds.FIFO, 0o600),
    Entry.of_bytes(b"gone", b""),
], Compression("none"))
def names(layer):
    with LayerStream(store.layout, layer) as stream:
        return [entry.name.decode() for entry in TarReader(stream.read, "it")]
"""


def _in_namespace(script: str, ids: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script as root of a new user namespace with so many users."""
    libc = ctypes.CDLL(None, use_errno=True)
    ready, mapped = os.pipe(), os.pipe()

    def enter() -> None:
        assert libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) == 0
        os.write(ready[1], b"x")
        os.read(mapped[0], 1)
        os.setgid(0)
        os.setuid(0)

    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            enter()
            os.dup2(write_end, 1)
            os.dup2(write_end, 2)
            os.chdir(Path(builder.__file__).parents[1])
            os.execv(sys.executable, [sys.executable, "-c", _PREPARE + script, *arguments])
        finally:
            os._exit(99)
    os.close(write_end)
    assert os.read(ready[0], 1) == b"x"
    for kind in ("uid", "gid"):
        Path(f"/proc/{pid}/{kind}_map").write_text(f"0 0 {ids}\n")
    os.write(mapped[1], b"x")
    with open(read_end, encoding="utf-8") as file:
        output = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for fd in (*ready, *mapped):
        os.close(fd)
    return subprocess.CompletedProcess([], status, output)


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def test_overlays_and_whiteouts_work(root: str) -> None:
    result = _in_namespace(
        """
assert in_user_namespace() and can_own() and snapshots.in_user_namespace
assert snapshots.uses_overlay, warnings
with snapshots.mount([base]) as mounted:
    os.chdir(mounted.path)
    subprocess.run(
        ["sh", "-euc", "rm gone; rm -r d; mkdir d; echo n > d/n; chown 5:6 d/n"], check=True
    )
    os.chdir("/")
    layer = mounted.commit(Compression("none"), 5)
assert names(layer) == [".wh.gone", "d/", "d/.wh.a", "d/.wh.b", "d/n"], names(layer)
for fresh in (snapshots, Snapshots(store)):
    with fresh.view([base, layer]) as path:
        assert sorted(os.listdir(path)) == ["d", "pipe"], os.listdir(path)
        assert os.listdir(path + "/d") == ["n"]
        status = os.stat(path + "/d/n")
        assert (status.st_uid, status.st_gid) == (5, 6)
    subprocess.run(["rm", "-rf", store.unpacked + "/" + layer.diff_id.hex], check=True)
print("done")
""",
        65536,
        root,
        "1000",
    )
    assert (result.returncode, result.stdout) == (0, "done\n")


def test_owners_are_kept_within_the_namespace(root: str) -> None:
    result = _in_namespace(
        """
with snapshots.view([base]) as path:
    assert os.stat(path + "/d/a").st_uid == 1000
    assert not os.path.lexists(path + "/null")
    assert stat.S_ISFIFO(os.stat(path + "/pipe").st_mode)
print("done")
""",
        65536,
        root,
        "1000",
    )
    assert (result.returncode, result.stdout) == (0, "done\n")


def test_an_owner_outside_of_the_namespace_is_an_error_that_says_what_to_do(root: str) -> None:
    result = _in_namespace("snapshots.layer_directory(base)", 65536, root, "70000")
    assert result.returncode == 1
    assert "'d/a': Invalid argument (does the user have enough ids in /etc/subuid" in result.stdout


def test_with_a_single_user_everything_is_that_users(root: str) -> None:
    result = _in_namespace(
        """
assert in_user_namespace() and not can_own()
with snapshots.mount([base]) as mounted:
    assert os.stat(mounted.path + "/d/a").st_uid == 0
    open(mounted.path + "/new", "w").close()
    layer = mounted.commit(Compression("none"), 5)
assert names(layer) == ["new"]
print("done")
""",
        1,
        root,
        "1000",
    )
    assert (result.returncode, result.stdout) == (0, "done\n")


def test_the_layers_are_those_that_root_makes(root: str, tmp_path: Path) -> None:
    script = """
with snapshots.mount([base]) as mounted:
    subprocess.run(["sh", "-euc", "rm -r d; mkdir d; echo n > d/n; ln d/n m"], cwd=mounted.path)
    print(mounted.commit(Compression("none"), 5).diff_id)
"""
    inside = _in_namespace(script, 65536, root, "1000")
    outside = subprocess.run(
        [sys.executable, "-c", _PREPARE + script, str(tmp_path / "other"), "1000"],
        cwd=Path(builder.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert inside.stdout == outside.stdout
    assert DiffID(inside.stdout.strip())
