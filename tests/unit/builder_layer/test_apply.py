"""Unpacking a layer onto the files of the layers below, the archive being friendly or hostile."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from builder.errors import ImageFormatError, StoreError
from builder.layer import entry as kinds
from builder.layer.apply import Applied, apply_layer
from builder.layer.entry import Entry
from builder.layer.tar_writer import TarWriter

pytestmark = pytest.mark.filterwarnings("error")


def archive(entries: Iterable[Entry]) -> bytes:
    pieces: list[bytes] = []
    writer = TarWriter(lambda piece: pieces.append(bytes(piece)))
    for entry in entries:
        writer.add(entry)
    writer.finish()
    return b"".join(pieces)


def unpack(path: Path, *entries: Entry) -> Applied:
    path.mkdir(exist_ok=True)
    fd = os.open(path, os.O_RDONLY)
    try:
        return apply_layer(io.BytesIO(archive(entries)).read, fd, what="layer x")
    finally:
        os.close(fd)


def file(name: str | bytes, content: bytes = b"", **fields: int) -> Entry:
    fields.setdefault("uid", os.getuid())
    fields.setdefault("gid", os.getgid())
    return Entry.of_bytes(os.fsencode(name), content, **fields)


def directory(name: str, mode: int = 0o755, mtime: int = 0) -> Entry:
    return Entry(
        name.encode(), kinds.DIRECTORY, mode, uid=os.getuid(), gid=os.getgid(), mtime=mtime
    )


def symlink(name: str, target: str, mtime: int = 0) -> Entry:
    return Entry(
        name.encode(),
        kinds.SYMLINK,
        0o777,
        uid=os.getuid(),
        gid=os.getgid(),
        mtime=mtime,
        target=target.encode(),
    )


def hardlink(name: str, target: str) -> Entry:
    return Entry(name.encode(), kinds.HARDLINK, target=target.encode())


def whiteout(name: str) -> Entry:
    return Entry.whiteout(name.encode())


def opaque(name: str) -> Entry:
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq")


def tree(path: Path) -> dict[str, str]:
    found = {}
    for where, directories, files in os.walk(path):
        for name in [*directories, *files]:
            inner = Path(where, name)
            if inner.is_symlink():
                shown = f"-> {os.readlink(inner)}"
            elif inner.is_dir():
                shown = "/"
            else:
                shown = inner.read_text()
            found[str(inner.relative_to(path))] = shown
    return found


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory to unpack to, with something beside it that nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    before = os.stat(tmp_path / "outside").st_mtime_ns
    (tmp_path / "root").mkdir()
    yield tmp_path / "root"
    assert tree(tmp_path / "outside") == {"precious": "precious"}
    assert os.stat(tmp_path / "outside").st_mtime_ns == before
    assert sorted(os.listdir(tmp_path)) == ["outside", "root"]


def test_files_directories_and_links_are_made(root: Path) -> None:
    applied = unpack(
        root,
        directory("d", 0o750, 100),
        file("d/f", b"content", mode=0o4711, mtime=200),
        symlink("d/s", "../nowhere", 300),
        hardlink("h", "d/f"),
        Entry(b"p", kinds.FIFO, 0o600, uid=os.getuid(), gid=os.getgid(), mtime=400),
    )
    (root / "p").unlink()
    assert tree(root) == {"d": "/", "d/f": "content", "d/s": "-> ../nowhere", "h": "content"}
    assert (root / "h").samefile(root / "d/f")
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o750
    assert stat.S_IMODE((root / "d/f").stat().st_mode) == 0o4711
    times = [os.lstat(root / name).st_mtime_ns for name in ("d", "d/f", "d/s")]
    assert times == [100 * 10**9, 200 * 10**9, 300 * 10**9]
    assert applied.implicit == []
    assert not applied.has_root


def test_extended_attributes_are_kept_but_not_those_of_the_host(root: Path) -> None:
    try:
        os.setxattr(root, "user.probe", b"1")
    except OSError:
        pytest.skip("no extended attributes here")
    wanted = {
        b"user.a": b"\0\xff",
        b"user.overlay.opaque": b"y",
        b"user.overlay.redirect": b"/etc",
        b"trusted.overlay.opaque": b"y",
        b"trusted.overlay.redirect": b"/etc",
        b"security.selinux": b"x",
        b"security.ima": b"x",
    }
    mine = os.getuid(), os.getgid()
    unpack(
        root,
        Entry(b"d", kinds.DIRECTORY, 0o755, *mine, xattrs=wanted),
        Entry(b"d/f", kinds.FILE, 0o644, *mine, xattrs=wanted),
    )
    for name in ("d", "d/f"):
        assert os.listxattr(root / name) == ["user.a"]
        assert os.getxattr(root / name, "user.a") == b"\0\xff"


def test_the_root_may_have_an_entry_of_its_own(root: Path) -> None:
    applied = unpack(root, directory(".", 0o700, 5), file("./a"), file("/b"), file("c//./d"))
    assert applied.has_root
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert root.stat().st_mtime_ns == 5 * 10**9
    assert sorted(tree(root)) == ["a", "b", "c", "c/d"]


def test_missing_parents_are_made_and_reported(root: Path) -> None:
    applied = unpack(root, file("a/b/c"), directory("x/y"))
    assert applied.implicit == [b"a", b"a/b", b"x"]
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o755
    assert (root / "a/b").stat().st_mtime_ns == 0


def test_a_directory_over_a_directory_changes_only_its_attributes(root: Path) -> None:
    unpack(root, directory("d", 0o755), file("d/lower", b"1"))
    unpack(root, directory("d", 0o700, 7), file("d/upper", b"2"))
    assert tree(root) == {"d": "/", "d/lower": "1", "d/upper": "2"}
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o700
    assert (root / "d").stat().st_mtime_ns == 7 * 10**9


def test_a_directory_without_an_entry_keeps_its_time(root: Path) -> None:
    unpack(root, directory("d", mtime=50), file("d/a"), file("d/b"))
    unpack(root, file("d/c"), whiteout("d/a"))
    assert (root / "d").stat().st_mtime_ns == 50 * 10**9


@pytest.mark.parametrize("old", ["file", "directory", "symlink", "dangling", "fifo"])
@pytest.mark.parametrize("new", ["file", "directory", "symlink", "hardlink"])
def test_anything_may_replace_anything(root: Path, old: str, new: str) -> None:
    (root / "target").mkdir()
    (root / "target" / "kept").write_text("kept")
    if old == "file":
        (root / "x").write_text("old")
    elif old == "directory":
        (root / "x" / "inner").mkdir(parents=True)
    elif old == "symlink":
        os.symlink("target", root / "x")
    elif old == "dangling":
        os.symlink("nowhere", root / "x")
    else:
        os.mkfifo(root / "x")
    entries = {
        "file": [file("x", b"new")],
        "directory": [directory("x")],
        "symlink": [symlink("x", "other")],
        "hardlink": [file("y", b"new"), hardlink("x", "y")],
    }
    unpack(root, *entries[new])
    shown = {"file": "new", "directory": "/", "symlink": "-> other", "hardlink": "new"}[new]
    found = tree(root)
    assert found["x"] == shown
    assert ("x/inner" in found) == (old == "directory" == new)
    assert found["target/kept"] == "kept"


def test_the_last_of_two_entries_with_a_name_counts(root: Path) -> None:
    unpack(root, file("a", b"1"), file("a", b"2"), directory("b"), file("b/c"), file("b", b"3"))
    assert tree(root) == {"a": "2", "b": "3"}


def test_a_file_that_replaces_a_link_is_not_written_through_it(root: Path) -> None:
    unpack(root, symlink("a", "../outside/precious"), file("a", b"evil"))
    assert tree(root) == {"a": "evil"}


def test_a_new_name_is_not_written_through_a_hardlink(root: Path) -> None:
    unpack(root, file("a", b"first"), hardlink("b", "a"))
    unpack(root, file("b", b"second"))
    assert tree(root) == {"a": "first", "b": "second"}


# Whiteouts.


def test_a_whiteout_removes_what_lower_layers_have(root: Path) -> None:
    unpack(root, file("a"), directory("d"), file("d/x"), file("d/y", b"y"), symlink("s", "a"))
    unpack(root, whiteout("a"), whiteout("d/x"), whiteout("s"), whiteout("nothing"))
    assert tree(root) == {"d": "/", "d/y": "y"}
    unpack(root, whiteout("d"))
    assert tree(root) == {}


@pytest.mark.parametrize("first", [True, False])
def test_a_whiteout_hides_nothing_of_its_own_layer(root: Path, first: bool) -> None:
    unpack(root, directory("d"), file("d/lower"), file("a", b"old"))
    own = [directory("d"), directory("d/e"), file("d/e/own", b"own"), file("a", b"own")]
    hides = [whiteout("d"), whiteout("a")]
    unpack(root, *(hides + own if first else own + hides))
    assert tree(root) == {"d": "/", "d/e": "/", "d/e/own": "own", "a": "own"}


@pytest.mark.parametrize("first", [True, False])
def test_an_opaque_directory_hides_all_of_lower_layers_and_nothing_else(
    root: Path, first: bool
) -> None:
    unpack(root, directory("d"), file("d/1"), directory("d/e"), file("d/e/2"), file("keep", b"k"))
    own = [directory("d"), file("d/e/own", b"own")]
    hides = [opaque("d")]
    unpack(root, *(hides + own if first else own + hides))
    assert tree(root) == {"keep": "k", "d": "/", "d/e": "/", "d/e/own": "own"}


def test_an_opaque_root_hides_everything(root: Path) -> None:
    unpack(root, directory("d"), file("d/1"), file("a"))
    unpack(root, file("own", b"own"), opaque(""))
    assert tree(root) == {"own": "own"}


def test_whiteouts_in_directories_that_are_not_there_make_none(root: Path) -> None:
    applied = unpack(root, whiteout("a/b/c"), opaque("x/y"))
    assert tree(root) == {}
    assert applied.implicit == []


def test_files_that_aufs_left_are_passed_over(root: Path) -> None:
    unpack(root, file(".wh..wh.aufs"), directory(".wh..wh.plnk"), file(".wh..wh.orph"))
    assert tree(root) == {}


@pytest.mark.parametrize("name", [".wh.", "d/.wh.", ".wh..", ".wh...", "d/.wh..."])
def test_whiteouts_of_nothing_and_of_parents_are_refused(root: Path, name: str) -> None:
    (root / "d").mkdir()
    with pytest.raises(ImageFormatError, match="is not a whiteout"):
        unpack(root, file(name))
    assert (root / "d").exists()


# Hostile archives.


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/../x", "a/..", "./../x", "../outside/precious"]
)
@pytest.mark.parametrize("kind", [kinds.FILE, kinds.DIRECTORY, kinds.SYMLINK])
def test_names_that_lead_out_are_refused(root: Path, name: str, kind: str) -> None:
    with pytest.raises(ImageFormatError, match="leads out of its directory"):
        unpack(root, Entry(name.encode(), kind, target=b"x" if kind == kinds.SYMLINK else b""))
    assert tree(root) == {}


def test_absolute_names_are_below_the_root(root: Path) -> None:
    unpack(root, file(f"{root.parent}/outside/precious", b"evil"))
    assert [name for name in tree(root).values() if name != "/"] == ["evil"]


@pytest.mark.parametrize("target", ["..", "../outside", "../../..", "sub/../../outside"])
def test_links_with_dots_lead_no_further_than_the_root(root: Path, target: str) -> None:
    (root / "outside").mkdir()
    (root / "sub").mkdir()
    unpack(root, symlink("link", target), file("link/evil", b"evil"))
    evil = [path for path in root.rglob("evil") if not path.parent.is_symlink()]
    assert len(evil) == 1
    assert evil[0].is_relative_to(root)


def test_absolute_links_lead_no_further_than_the_root(root: Path) -> None:
    place = root / str(root.parent / "outside").lstrip("/")
    place.mkdir(parents=True)
    unpack(root, symlink("link", str(root.parent / "outside")), file("link/evil", b"evil"))
    assert (place / "evil").read_text() == "evil"


def test_a_link_to_nothing_in_the_way_is_refused(root: Path) -> None:
    with pytest.raises(ImageFormatError, match="'link' is a link that leads to no directory"):
        unpack(root, symlink("link", str(root.parent / "elsewhere")), file("link/evil"))


def test_links_in_a_circle_are_refused(root: Path) -> None:
    with pytest.raises(ImageFormatError, match="leads to no directory"):
        unpack(root, symlink("a", "b"), symlink("b", "a"), file("a/evil"))


def test_magic_links_are_not_followed(root: Path) -> None:
    (root / "proc").mkdir()
    fd = os.open(root.parent / "outside", os.O_RDONLY)
    try:
        with pytest.raises((ImageFormatError, StoreError)):
            unpack(root, symlink("link", f"/proc/self/fd/{fd}"), file("link/evil"))
    finally:
        os.close(fd)


def test_a_link_within_the_tree_is_followed_as_inside(root: Path) -> None:
    unpack(root, directory("usr"), directory("usr/lib"), symlink("lib", "usr/lib"))
    unpack(root, file("lib/x", b"x"), directory("lib/y", mtime=9), file("lib/y/z", b"z"))
    assert tree(root) == {
        "usr": "/",
        "usr/lib": "/",
        "usr/lib/x": "x",
        "usr/lib/y": "/",
        "usr/lib/y/z": "z",
        "lib": "-> usr/lib",
    }
    assert (root / "usr/lib/y").stat().st_mtime_ns == 9 * 10**9


def test_a_whiteout_through_a_link_stays_in_the_root(root: Path) -> None:
    (root / "outside").mkdir()
    (root / "outside" / "precious").write_text("inner")
    unpack(root, symlink("link", "../../outside"), whiteout("link/precious"))
    assert "outside/precious" not in tree(root)


@pytest.mark.parametrize(
    "target", ["../outside/precious", "/etc/passwd", "", ".", "..", "missing", "d", ".wh.x"]
)
def test_hardlinks_to_what_is_not_in_the_layer_are_refused(root: Path, target: str) -> None:
    (root / "d").mkdir()
    entry = Entry(b"evil", kinds.HARDLINK, target=target.encode() or b"./")
    with pytest.raises(ImageFormatError):
        unpack(root, entry)
    assert tree(root) == {"d": "/"}


def test_a_hardlink_to_a_link_is_to_the_link_itself(root: Path) -> None:
    unpack(root, symlink("s", "../outside/precious"), hardlink("h", "s"))
    assert tree(root) == {"s": "-> ../outside/precious", "h": "-> ../outside/precious"}


def test_a_hardlink_through_a_link_stays_in_the_root(root: Path) -> None:
    with pytest.raises(ImageFormatError):
        unpack(root, symlink("link", "../outside"), hardlink("evil", "link/precious"))


def test_a_hardlink_to_itself_changes_nothing(root: Path) -> None:
    unpack(root, file("a", b"1"), hardlink("a", "a"), hardlink("b", "a"), hardlink("b", "a"))
    assert tree(root) == {"a": "1", "b": "1"}


def test_a_file_with_files_in_it_is_refused(root: Path) -> None:
    with pytest.raises(ImageFormatError, match="'a' is not a directory, but has files in it"):
        unpack(root, file("a"), file("a/b"))


def test_a_root_that_is_no_directory_is_refused(root: Path) -> None:
    with pytest.raises(ImageFormatError, match="the root cannot be a file"):
        unpack(root, Entry(b".", kinds.FILE))


def test_a_device_that_an_overlay_takes_for_a_whiteout_is_refused(root: Path) -> None:
    with pytest.raises(ImageFormatError, match="0:0"):
        unpack(root, Entry(b"a", kinds.CHARACTER_DEVICE, device=(0, 0)))


@pytest.mark.parametrize("name", ["x" * 256, "a/" * 1001 + "b"])
def test_names_that_no_file_system_takes_are_refused(root: Path, name: str) -> None:
    with pytest.raises(ImageFormatError, match="too long"):
        unpack(root, file(name))


def test_a_path_longer_than_the_kernel_takes_is_one_clear_error(root: Path) -> None:
    with pytest.raises(StoreError, match=r"unpacking layer x: .*File name too long"):
        unpack(root, file("/".join(["d" * 200] * 30)))


def test_control_characters_do_not_reach_the_terminal(root: Path) -> None:
    with pytest.raises(ImageFormatError) as caught:
        unpack(root, file("\x1b[2J"), file("\x1b[2J/x"))
    assert str(caught.value).isprintable()


def test_a_directory_replaced_later_by_a_link_passes_nothing_on(root: Path) -> None:
    (root / "other").mkdir(mode=0o755)
    before = os.stat(root / "other")
    unpack(root, directory("d", 0o777, 1), symlink("d", "other"))
    after = os.stat(root / "other")
    assert (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)


def test_directories_without_permissions_can_still_be_filled(root: Path) -> None:
    unpack(root, directory("d", 0), directory("d/e", 0o500), file("d/e/f"))
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0
    os.chmod(root / "d", 0o700)
    assert stat.S_IMODE((root / "d/e").stat().st_mode) == 0o500


def test_bytes_that_are_no_utf_8_stay_as_they_are(root: Path) -> None:
    unpack(root, file(b"\xff\xfe", b"1"), file("\u00fc", b"2"))
    assert sorted(os.listdir(os.fsencode(root))) == ["\u00fc".encode(), b"\xff\xfe"]


def test_descriptors_are_not_lost(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    unpack(root, directory("d"), file("d/f", b"x"), hardlink("h", "d/f"), symlink("l", "d"))
    unpack(root, file("l/g"), whiteout("d/f"), opaque("d"))
    with pytest.raises(ImageFormatError):
        unpack(root, file("l/g"), hardlink("d/x", "missing"))
    with pytest.raises(ImageFormatError):
        unpack(root, symlink("a/b", "nowhere"), file("a/b/c/d"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_stream_is_read_to_its_end(root: Path) -> None:
    source = io.BytesIO(archive([file("a")]) + bytes(50_000))
    fd = os.open(root, os.O_RDONLY)
    apply_layer(source.read, fd)
    os.close(fd)
    assert source.read() == b""
