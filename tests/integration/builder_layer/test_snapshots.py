"""Snapshots: what was seen before the commit is what is seen after it, in every form."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import builder.snapshot
from builder import media_types
from builder.digest import DiffID
from builder.errors import DigestMismatchError, ImageFormatError, StoreError
from builder.layer import Layer
from builder.layer import entry as kinds
from builder.layer.apply import apply_layer
from builder.layer.compression import Compression
from builder.layer.entry import Entry
from builder.layer.stream import LayerStream
from builder.layer.write import write_layer
from builder.snapshot import Snapshots, mounting
from builder.store import Store

Tree = dict[str, tuple[object, ...]]
Run = Callable[[list[Layer], str], Layer | None]
Names = Callable[[Layer | None], list[str]]
Seen = Callable[[list[Layer]], Tree]

EPOCH = 1_700_000_000
NOISE = """
import os, random, sys
os.chdir(sys.argv[2])
dice = random.Random(int(sys.argv[1]))
def places():
    return [""] + [os.path.join(w, d)[2:] for w, ds, _ in os.walk(".") for d in ds
                   if not os.path.islink(os.path.join(w, d))]
def files():
    return [os.path.join(w, f)[2:] for w, ds, fs in os.walk(".") for f in fs + ds]
def new():
    return os.path.join(dice.choice(places()), dice.choice("abcdefgh"))
for _ in range(dice.randrange(5, 40)):
    what, name = dice.randrange(12), new()
    some = dice.choice(files() or [""])
    try:
        if what == 0: os.mkdir(name, dice.choice([0o755, 0o700]))
        elif what < 3: open(name, "w").write(str(dice.randrange(3)))
        elif what == 3: os.symlink(dice.choice(["a", "../b", "/c"]), name)
        elif what == 4: os.link(some, name)
        elif what == 5: os.system("rm -rf -- '%s'" % some)
        elif what == 6: os.system("rm -rf '%s'; mkdir '%s'" % (some, some))
        elif what == 7: os.rename(some, name)
        elif what == 8: os.chmod(some, dice.choice([0o600, 0o755, 0o4755, 0o2750]))
        elif what == 9: os.chown(some, dice.randrange(3), dice.randrange(3), follow_symlinks=False)
        elif what == 10: os.utime(some, (9, dice.randrange(5)), follow_symlinks=False)
        else: os.setxattr(some, "user." + dice.choice("xy"), b"1", follow_symlinks=False)
    except OSError:
        pass
"""


def _noise(seed: int, path: str) -> None:
    subprocess.run([sys.executable, "-c", NOISE, str(seed), path], check=True)


def _without_times_after(tree: Tree) -> Tree:
    return {
        name: (*fields[:3], min(int(str(fields[3])), EPOCH), *fields[4:])
        for name, fields in tree.items()
    }


def _same(found: Tree, wanted: Tree) -> bool:
    """Whether two trees are equal and the names of one file are still names of one file.

    An overlay gives a name of several a file of its own when it copies it up, though nobody changed
    it; such names may be names of one file again.
    """
    links = {(name, fields[7]) for name, fields in wanted.items() if fields[7] != name}
    joined = {(name, fields[7]) for name, fields in found.items()}
    return links <= joined and (
        {name: fields[:7] for name, fields in found.items()}
        == {name: fields[:7] for name, fields in wanted.items()}
    )


@pytest.mark.parametrize("seed", range(25))
def test_random_changes_come_back_as_they_were(
    store: Store, snapshots: Snapshots, seen: Seen, tree_of: Callable[[str], Tree], seed: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    layers: list[Layer] = []
    for turn in range(4):
        with snapshots.mount(layers) as mounted:
            _noise(seed * 10 + turn, mounted.path)
            wanted = _without_times_after(tree_of(mounted.path))
            layer = mounted.commit(Compression("none"), EPOCH)
        if layer is not None:
            layers.append(layer)
        # As an overlay, the topmost layer being the renamed upper directory.
        assert _same(seen(layers), wanted)
        # As an overlay of what is unpacked from the blobs.
        if turn == 3:
            for name in os.listdir(store.unpacked):
                shutil.rmtree(f"{store.unpacked}/{name}")
            with Snapshots(store).view(layers) as path:
                assert _same(tree_of(path), wanted)
            # As plain files, one layer unpacked onto the other.
            flat = tmp_path / "flat"
            flat.mkdir()
            fd = os.open(flat, os.O_RDONLY)
            for layer in layers:
                with LayerStream(store.layout, layer) as stream:
                    apply_layer(stream.read, fd)
                    stream.finish()
            os.close(fd)
            assert _same(tree_of(str(flat)), wanted)


@pytest.mark.parametrize("seed", range(10))
def test_plain_copies_give_the_same_files(
    store: Store,
    snapshots: Snapshots,
    tree_of: Callable[[str], Tree],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    def refused(*_args: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(mounting, "mount_overlay", refused)
    warnings: list[str] = []
    copies = Snapshots(store, warnings.append)
    monkeypatch.undo()
    assert not copies.uses_overlay
    assert "layers are copied instead" in warnings[0]
    layers: list[Layer] = []
    for turn in range(3):
        with copies.mount(layers) as mounted:
            _noise(seed * 100 + turn, mounted.path)
            wanted = _without_times_after(tree_of(mounted.path))
            layer = mounted.commit(Compression("none"), EPOCH)
        if layer is not None:
            layers.append(layer)
        with copies.view(layers) as path:
            assert _same(tree_of(path), wanted)
        with snapshots.view(layers) as path:
            assert _same(tree_of(path), wanted)
    with copies.mount(layers) as mounted:
        assert mounted.commit() is None


def test_a_committed_layer_is_not_unpacked_again(
    store: Store, base: Layer, run: Run, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = run([base], "echo x > d/x; rm same; touch -d @1004 suid; chmod 4755 suid")
    assert layer is not None
    os.unlink(store.layout.blob_path(layer.descriptor.digest))
    assert seen([base, layer])["d/x"][5] == b"x\n"


def test_a_kept_upper_directory_is_equal_to_its_layer(
    store: Store, snapshots: Snapshots, base: Layer, run: Run, tree_of: Callable[[str], Tree]
) -> None:
    # It would bring with it what only the layers below it gave reason for: files copied up and
    # left as they were, whiteouts of what came and went.
    layer = run([base], "chmod 600 same; chmod 644 same; mkdir t; rmdir t; echo x > d/x")
    assert layer is not None
    kept = snapshots.layer_directory(layer)
    assert sorted(tree_of(kept)) == ["d", "d/x"]
    shutil.rmtree(f"{store.unpacked}/{layer.diff_id.hex}")
    fresh = Snapshots(store).layer_directory(layer)
    assert sorted(tree_of(fresh)) == ["d", "d/x"]


def test_a_layer_is_unpacked_once_for_all_threads(
    store: Store, snapshots: Snapshots, base: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = builder.snapshot.unpacked.apply_layer  # type: ignore[attr-defined]

    def counted(*args: object, **options: object) -> object:
        calls.append(1)
        return real(*args, **options)

    monkeypatch.setattr("builder.snapshot.unpacked.apply_layer", counted)
    paths = set()
    threads = [
        threading.Thread(target=lambda: paths.add(snapshots.layer_directory(base)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert paths == {f"{store.unpacked}/{base.diff_id.hex}/fs"}


def test_processes_may_unpack_the_same_layer_at_once(store: Store, base: Layer) -> None:
    script = (
        "import json, sys\n"
        "from builder.descriptor import Descriptor\n"
        "from builder.digest import DiffID\n"
        "from builder.layer import Layer\n"
        "from builder.snapshot import Snapshots\n"
        "from builder.store import Store\n"
        "blob = Descriptor.from_json(json.loads(sys.argv[2]), 'it')\n"
        "snapshots = Snapshots(Store(sys.argv[1]))\n"
        "with snapshots.view([Layer(blob, DiffID(sys.argv[3]))]) as path:\n"
        "    assert open(path + '/same').read() == 'same'\n"
    )
    arguments = [store.root, json.dumps(base.descriptor.to_json()), base.diff_id]
    where = Path(builder.snapshot.__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=where) for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert os.listdir(store.unpacked) == [base.diff_id.hex]


def test_threads_can_mount_at_the_same_time(snapshots: Snapshots, base: Layer) -> None:
    failures: list[BaseException] = []
    layers: set[Layer | None] = set()

    def work() -> None:
        try:
            for _ in range(5):
                with snapshots.mount([base]) as mounted:
                    Path(mounted.path, "new").write_text("x")
                    layers.add(mounted.commit(Compression("none"), 5))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(layers) == 1


def test_directories_of_another_boot_are_unpacked_again(
    store: Store, snapshots: Snapshots, base: Layer
) -> None:
    place = Path(snapshots.layer_directory(base))
    (place / "same").write_text("")  # what a power cut leaves of a file that was not synced
    document = json.loads((place.parent / "layer.json").read_text())
    document["boot"] = "another"
    (place.parent / "layer.json").write_text(json.dumps(document))
    assert Path(Snapshots(store).layer_directory(base), "same").read_text() == "same"


@pytest.mark.parametrize("garbage", ["", "{", "[]", "{}"])
def test_a_damaged_note_means_unpacking_again(
    store: Store, snapshots: Snapshots, base: Layer, garbage: str
) -> None:
    place = Path(snapshots.layer_directory(base))
    (place.parent / "layer.json").write_text(garbage)
    assert (Path(Snapshots(store).layer_directory(base)) / "same").exists()


def test_a_damaged_layer_is_not_kept(store: Store, snapshots: Snapshots, base: Layer) -> None:
    wrong = Layer(base.descriptor, DiffID.of(b"other"))
    with pytest.raises(DigestMismatchError):
        snapshots.layer_directory(wrong)
    assert os.listdir(store.unpacked) == []


def test_a_hostile_layer_is_not_kept(store: Store, snapshots: Snapshots) -> None:
    layer = write_layer(
        store.layout,
        [Entry(b"a", kinds.SYMLINK, target=b"/etc"), Entry.of_bytes(b"a/evil", b"x")],
    )
    with pytest.raises(ImageFormatError):
        snapshots.layer_directory(layer)
    assert os.listdir(store.unpacked) == []
    assert not os.path.exists("/etc/evil")


def test_a_view_cannot_be_written(snapshots: Snapshots, base: Layer) -> None:
    with snapshots.view([base]) as path, pytest.raises(OSError) as caught:
        Path(path, "same").write_text("x")
    assert caught.value.errno == errno.EROFS


def test_views_of_nothing_are_empty(snapshots: Snapshots) -> None:
    with snapshots.view([]) as path:
        assert os.listdir(path) == []


def test_what_is_not_committed_is_gone(snapshots: Snapshots, base: Layer, seen: Seen) -> None:
    with snapshots.mount([base]) as mounted:
        Path(mounted.path, "same").write_text("changed")
    assert seen([base])["same"][5] == b"same"


def test_a_snapshot_is_committed_only_once(snapshots: Snapshots, base: Layer) -> None:
    with snapshots.mount([base]) as mounted:
        assert mounted.commit() is None
        with pytest.raises(StoreError, match="it was committed before"):
            mounted.commit()


def test_more_layers_than_a_page_of_options_takes(store: Store, snapshots: Snapshots) -> None:
    layers = [
        write_layer(store.layout, [Entry.of_bytes(b"%d" % number, b"x")]) for number in range(150)
    ]
    with snapshots.view(layers) as path:
        assert len(os.listdir(path)) == 150
    with snapshots.mount(layers) as mounted:
        Path(mounted.path, "new").write_text("x")
        assert mounted.commit()


def test_more_layers_than_an_overlay_takes_are_refused_clearly(
    store: Store, snapshots: Snapshots
) -> None:
    layer = write_layer(store.layout, [Entry.of_bytes(b"a", b"x")])
    with (
        pytest.raises(StoreError, match="mounting 600 layers: no more than"),
        snapshots.view([layer] * 600),
    ):
        pass


def test_the_root_has_the_attributes_that_the_topmost_layer_gives_it(
    store: Store, snapshots: Snapshots
) -> None:
    layers = [
        write_layer(store.layout, [Entry(b".", kinds.DIRECTORY, 0o711, 1, 2, mtime=9)]),
        write_layer(store.layout, [Entry.of_bytes(b"a", b"")]),
    ]
    with snapshots.view(layers) as path:
        status = os.stat(path)
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o711, 1, 2)
        assert status.st_mtime == 9
    with snapshots.mount(layers) as mounted:
        assert stat.S_IMODE(os.stat(mounted.path).st_mode) == 0o711
    with snapshots.view(layers[1:]) as path:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o755


def test_directories_without_an_entry_keep_the_attributes_of_lower_layers(
    store: Store, snapshots: Snapshots, seen: Seen
) -> None:
    lower = write_layer(
        store.layout,
        [
            Entry(b"a", kinds.DIRECTORY, 0o700, 5, 6, mtime=7),
            Entry(b"a/b", kinds.DIRECTORY, 0o1777, 8, 9, mtime=10, xattrs={b"user.x": b"y"}),
            Entry(b"c", kinds.DIRECTORY, 0o711),
        ],
    )
    upper = write_layer(
        store.layout, [Entry.of_bytes(b"a/b/new", b"1"), Entry.of_bytes(b"q/r", b"")]
    )
    top = write_layer(store.layout, [Entry(b"a", kinds.DIRECTORY, 0o755)])
    for layers, mode in (([lower, upper], 0o700), ([lower, upper, top], 0o755)):
        tree = seen(layers)
        assert tree["a"][0] == stat.S_IFDIR | mode
        assert tree["a/b"][:4] == (stat.S_IFDIR | 0o1777, 8, 9, 10)
        assert tree["a/b"][6] == {b"user.x": b"y"}
        assert tree["q"][0] == stat.S_IFDIR | 0o755
        assert tree["a/b/new"][5] == b"1"
    names = os.listdir(store.unpacked)
    assert len([name for name in names if name.startswith(f"{upper.diff_id.hex}.")]) == 1


def test_an_opaque_root_hides_the_layers_below(store: Store, seen: Seen) -> None:
    lower = write_layer(store.layout, [Entry.of_bytes(b"a", b"")])
    upper = write_layer(
        store.layout, [Entry.of_bytes(b".wh..wh..opq", b""), Entry.of_bytes(b"b", b"")]
    )
    assert sorted(seen([lower, upper])) == ["b"]


@pytest.mark.parametrize("first", [True, False])
def test_whiteouts_of_foreign_layers_hide_only_lower_layers(
    store: Store, base: Layer, seen: Seen, first: bool
) -> None:
    own = [Entry(b"d", kinds.DIRECTORY, 0o755), Entry.of_bytes(b"d/own", b"1")]
    own += [Entry.of_bytes(b"same", b"new")]
    hides = [Entry.whiteout(b"d"), Entry.whiteout(b"same"), Entry.of_bytes(b"o/.wh..wh..opq", b"")]
    upper = write_layer(store.layout, hides + own if first else own + hides)
    tree = seen([base, upper])
    assert sorted(tree) == ["d", "d/own", "l", "null", "o", "same", "suid"]
    assert tree["same"][5] == b"new"


def test_a_whiteout_before_files_of_a_directory_without_an_entry(
    store: Store, base: Layer, seen: Seen
) -> None:
    upper = write_layer(store.layout, [Entry.whiteout(b"d"), Entry.of_bytes(b"d/own", b"1")])
    assert sorted(name for name in seen([base, upper]) if name.startswith("d")) == ["d", "d/own"]


def test_instructions_to_the_overlay_in_a_layer_are_not_obeyed(
    store: Store, base: Layer, seen: Seen
) -> None:
    evil = {b"trusted.overlay.redirect": b"/d", b"trusted.overlay.opaque": b"y"}
    upper = write_layer(store.layout, [Entry(b"o", kinds.DIRECTORY, 0o755, xattrs=evil)])
    assert {"o/a", "o/b", "o/s/c"} <= set(seen([base, upper]))


def test_owners_and_devices_are_real(base: Layer, seen: Seen) -> None:
    tree = seen([base])
    assert tree["d/e/f"][:3] == (stat.S_IFREG | 0o640, 3, 4)
    assert tree["suid"][0] == stat.S_IFREG | 0o4755
    assert (tree["null"][0], tree["null"][4]) == (stat.S_IFCHR | 0o666, os.makedev(1, 3))


def test_large_changes_stream_through(snapshots: Snapshots, store: Store, base: Layer) -> None:
    data = random.Random(3).randbytes(1 << 20) * 20
    with snapshots.mount([base]) as mounted:
        Path(mounted.path, "large").write_bytes(data)
        layer = mounted.commit(Compression("gzip", 1))
    assert layer is not None
    assert layer.descriptor.media_type == media_types.LAYER_GZIP
    shutil.rmtree(f"{store.unpacked}/{layer.diff_id.hex}")
    with Snapshots(store).view([base, layer]) as path:
        assert Path(path, "large").read_bytes() == data


_MOUNTS = """
import json, sys, time
from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.layer import Layer
from builder.snapshot import Snapshots
from builder.store import Store
blob = Descriptor.from_json(json.loads(sys.argv[2]), "it")
with Snapshots(Store(sys.argv[1])).mount([Layer(blob, DiffID(sys.argv[3]))]) as mounted:
    open(mounted.path + "/new", "w").close()
    print(mounted.path, flush=True)
    time.sleep(600)
"""


def test_a_killed_process_leaves_neither_mount_nor_files(store: Store, base: Layer) -> None:
    arguments = [store.root, json.dumps(base.descriptor.to_json()), base.diff_id]
    process = subprocess.Popen(
        [sys.executable, "-c", _MOUNTS, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(builder.snapshot.__file__).parents[2],
    )
    assert process.stdout is not None
    path = process.stdout.readline().strip()
    assert os.path.isdir(path)
    # Its mounts are its own.
    assert path not in Path("/proc/self/mounts").read_text()
    assert path not in Path("/proc/1/mounts").read_text()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    Store(store.root).close()
    assert os.listdir(store.tmp) == []


_UNPACKS = """
import json, shutil, sys
from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.layer import Layer
from builder.snapshot import Snapshots
from builder.store import Store
layer = Layer(Descriptor.from_json(json.loads(sys.argv[2]), "it"), DiffID(sys.argv[3]))
store = Store(sys.argv[1])
print("ready", flush=True)
while True:
    path = Snapshots(store).layer_directory(layer)
    with store.workspace() as workspace:
        shutil.move(path.removesuffix("/fs"), workspace.path + "/old")
"""


def test_a_killed_process_never_leaves_half_a_layer(
    store: Store, tree_of: Callable[[str], Tree]
) -> None:
    layer = write_layer(
        store.layout, [Entry.of_bytes(b"%d" % number, b"x" * 3000) for number in range(300)]
    )
    arguments = [store.root, json.dumps(layer.descriptor.to_json()), layer.diff_id]
    found_none = found_whole = 0
    for turn in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", _UNPACKS, *arguments],
            stdout=subprocess.PIPE,
            cwd=Path(builder.snapshot.__file__).parents[2],
        )
        assert process.stdout is not None
        process.stdout.readline()
        # Somewhere in the middle of it, at another place each time.
        seen: set[str] = set()
        while len(seen) < 2 + 2 * turn:
            seen.update(os.listdir(store.tmp), os.listdir(store.unpacked))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if os.listdir(store.unpacked):
            found_whole += 1
            assert len(tree_of(f"{store.unpacked}/{layer.diff_id.hex}/fs")) == 300
        else:
            found_none += 1
    assert found_none + found_whole == 5
    assert len(tree_of(Snapshots(store).layer_directory(layer))) == 300
    Store(store.root).close()
