"""A store with snapshots on real overlays, and what a tree looks like in every respect."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.layer import Layer
from builder.layer import entry as kinds
from builder.layer.attributes import xattrs_of
from builder.layer.compression import Compression
from builder.layer.entry import Entry
from builder.layer.stream import LayerStream
from builder.layer.tar_reader import TarReader
from builder.layer.write import write_layer
from builder.snapshot import Snapshots
from builder.store import Store

EPOCH = 1_700_000_000
_PYTHON = f"{sys.executable} -c 'import os, sys; os."
_XATTRS = (
    f'setx() {{ {_PYTHON}setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())\' "$@"; }}\n'
    f'rmx() {{ {_PYTHON}removexattr(sys.argv[1], sys.argv[2])\' "$@"; }}\n'
)
"""Shell functions: setfattr(1) is not installed everywhere."""
Tree = dict[str, tuple[object, ...]]
Run = Callable[[list[Layer], str], Layer | None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "store")) as opened:
        yield opened
    assert os.listdir(opened.tmp) == []
    mounts = Path("/proc/self/mounts").read_text()
    assert str(tmp_path) not in mounts


@pytest.fixture
def snapshots(store: Store) -> Snapshots:
    made = Snapshots(store)
    assert made.uses_overlay
    return made


@pytest.fixture
def run(snapshots: Snapshots) -> Run:
    """Change the files of layers by a shell script; gives the layer of the changes."""

    def script_on(layers: list[Layer], script: str) -> Layer | None:
        with snapshots.mount(layers) as mounted:
            subprocess.run(["sh", "-euc", _XATTRS + script], cwd=mounted.path, check=True)
            return mounted.commit(Compression("none"), EPOCH)

    return script_on


@pytest.fixture
def names(store: Store) -> Callable[[Layer | None], list[str]]:
    """The names in a layer's archive, in its order."""

    def listed(layer: Layer | None) -> list[str]:
        assert layer is not None
        with LayerStream(store.layout, layer) as stream:
            return [os.fsdecode(entry.name) for entry in TarReader(stream.read, "it")]

    return listed


@pytest.fixture
def entries(store: Store) -> Callable[[Layer | None], dict[str, Entry]]:
    """The entries of a layer's archive by name."""

    def listed(layer: Layer | None) -> dict[str, Entry]:
        assert layer is not None
        with LayerStream(store.layout, layer) as stream:
            return {os.fsdecode(entry.name): entry for entry in TarReader(stream.read, "it")}

    return listed


@pytest.fixture
def base(store: Store) -> Layer:
    """A layer with a bit of everything."""

    def directory(name: bytes, mode: int = 0o755) -> Entry:
        return Entry(name, kinds.DIRECTORY, mode, mtime=1000)

    return write_layer(
        store.layout,
        [
            directory(b"d"),
            directory(b"d/e", 0o750),
            Entry.of_bytes(b"d/e/f", b"f", mode=0o640, uid=3, gid=4, mtime=1001),
            Entry.of_bytes(b"d/g", b"g", mtime=1002),
            Entry(b"d/h", kinds.HARDLINK, target=b"d/g"),
            directory(b"o"),
            Entry.of_bytes(b"o/a", b"a"),
            Entry.of_bytes(b"o/b", b"b"),
            directory(b"o/s"),
            Entry.of_bytes(b"o/s/c", b"c"),
            Entry(b"l", kinds.SYMLINK, 0o777, target=b"d/g", mtime=1003),
            Entry.of_bytes(b"same", b"same", mtime=1004),
            Entry.of_bytes(b"suid", b"x", mode=0o4755),
            Entry(b"null", kinds.CHARACTER_DEVICE, 0o666, device=(1, 3)),
        ],
        Compression("none"),
    )


@pytest.fixture
def tree_of() -> Callable[[str], Tree]:
    """What a program sees of the files below a directory."""
    return _tree_of


def _tree_of(path: str) -> Tree:
    """Everything a program could see of the files below a directory, times in whole seconds."""
    found: Tree = {}
    inodes: dict[str, int] = {}
    for where, directories, files in os.walk(path):
        for name in [*directories, *files]:
            inner = os.path.join(where, name)
            status = os.lstat(inner)
            content: object = b""
            if stat.S_ISREG(status.st_mode):
                content = Path(inner).read_bytes()
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(inner)
            relative = os.path.relpath(inner, path)
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                inodes[relative] = status.st_ino
            found[relative] = (
                status.st_mode,
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns // 10**9,
                status.st_rdev,
                content,
                {} if stat.S_ISLNK(status.st_mode) else xattrs_of(inner),
            )
    first = {inode: min(n for n, i in inodes.items() if i == inode) for inode in inodes.values()}
    for name, fields in found.items():
        found[name] = (*fields, first[inodes[name]] if name in inodes else name)
    return found


@pytest.fixture
def seen(snapshots: Snapshots) -> Callable[[list[Layer]], Tree]:
    """What a program sees of the files of layers."""

    def look(layers: list[Layer]) -> Tree:
        with snapshots.view(layers) as path:
            return _tree_of(path)

    return look
