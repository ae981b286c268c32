"""Where COPY puts things, over the files of a stage."""

from __future__ import annotations

import os
import stat

import pytest

from builder.context.select import select
from builder.context.tree import Tree
from builder.dockerfile import DockerfileError
from builder.dockerfile.modes import parse_mode
from builder.errors import ContextError
from builder.execute.copy import Placement, place_content, place_matches
from builder.execute.destination import Destination, Planned
from builder.layer.entry import FILE

CLOCK = 1_700_000_000


class Workbench:
    """A context to copy from and a stage to copy to."""

    def __init__(self, path):
        self.context = path / "context"
        self.stage = path / "stage"
        self.context.mkdir()
        self.stage.mkdir()
        self._trees = []

    def write(self, root, path, content="x", mode=0o644, mtime=1000):
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(content)
        full.chmod(mode)
        os.utime(full, (mtime, mtime))

    def copy(self, *sources, to, epoch=None, excludes=(), is_context=True, lower=True, **how):
        """The entries of a layer, by name."""
        source = Tree(str(self.context), "the build context", is_context=is_context)
        stage = Tree(str(self.stage), "the stage") if lower else None
        self._trees += [tree for tree in (source, stage) if tree]
        destination = Destination(stage, CLOCK)
        placement = Placement(to, **how)
        for path in sources:
            matches = select(source, path, required=True, excludes=excludes)
            place_matches(destination, matches, placement)
        return {entry.name.decode(): entry for entry in destination.entries(epoch)}

    def close(self):
        for tree in self._trees:
            tree.close()


@pytest.fixture
def bench(tmp_path):
    bench = Workbench(tmp_path)
    yield bench
    bench.close()


def test_a_file_becomes_the_destination(bench):
    bench.write(bench.context, "a", "hello", mode=0o751, mtime=1234)
    entries = bench.copy("/a", to="/b")
    assert list(entries) == ["b"]
    entry = entries["b"]
    assert (entry.kind, entry.mode, entry.size, entry.mtime) == ("file", 0o751, 5, 1234)
    number = entry.content()
    try:
        assert os.read(number, 10) == b"hello"
    finally:
        os.close(number)


def test_files_of_the_context_belong_to_root(bench):
    bench.write(bench.context, "a")
    if os.geteuid() == 0:
        os.chown(bench.context / "a", 1234, 5678)
    entry = bench.copy("/a", to="/b")["b"]
    assert (entry.uid, entry.gid) == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_files_of_stages_keep_their_owners(bench):
    bench.write(bench.context, "d/a")
    os.chown(bench.context / "d/a", 1234, 5678)
    entries = bench.copy("/d", to="/d", is_context=False)
    assert (entries["d/a"].uid, entries["d/a"].gid) == (1234, 5678)
    assert (entries["d"].uid, entries["d"].gid) == (0, 0)


def test_chown_counts_for_everything_that_is_made(bench):
    bench.write(bench.context, "d/a")
    entries = bench.copy("/d", to="/x/y/", owner=(5, 6))
    assert {(e.uid, e.gid) for e in entries.values()} == {(5, 6)}
    assert list(entries) == ["x", "x/y", "x/y/a"]


def test_a_file_goes_into_a_directory_that_is_there(bench):
    bench.write(bench.context, "a")
    (bench.stage / "dir").mkdir()
    assert list(bench.copy("/a", to="/dir")) == ["dir", "dir/a"]


def test_a_slash_makes_the_destination_a_directory(bench):
    bench.write(bench.context, "a")
    assert list(bench.copy("/a", to="/new/")) == ["new", "new/a"]


def test_missing_parents_are_made(bench):
    bench.write(bench.context, "a")
    entries = bench.copy("/a", to="/x/y/z")
    assert list(entries) == ["x", "x/y", "x/y/z"]
    assert (entries["x"].mode, entries["x"].mtime) == (0o755, CLOCK)


def test_parents_that_are_there_keep_their_attributes(bench):
    bench.write(bench.context, "a")
    (bench.stage / "tmp").mkdir()
    (bench.stage / "tmp").chmod(0o1777)
    os.utime(bench.stage / "tmp", (77, 77))
    entries = bench.copy("/a", to="/tmp/a")
    assert (entries["tmp"].mode, entries["tmp"].mtime) == (0o1777, 77)


def test_the_contents_of_a_directory_go_into_the_destination(bench):
    bench.write(bench.context, "d/a")
    bench.write(bench.context, "d/e/b")
    assert list(bench.copy("/d", to="/t")) == ["t", "t/a", "t/e", "t/e/b"]


def test_a_new_destination_is_0755_whatever_the_source_directory_is(bench):
    bench.write(bench.context, "d/a")
    (bench.context / "d").chmod(0o700)
    os.utime(bench.context / "d", (55, 55))
    entry = bench.copy("/d", to="/t")["t"]
    assert (entry.mode, entry.mtime) == (0o755, 55)


def test_directories_below_take_the_sources_permissions(bench):
    bench.write(bench.context, "d/e/a")
    (bench.context / "d/e").chmod(0o700)
    (bench.stage / "t" / "e").mkdir(parents=True)
    assert bench.copy("/d", to="/t")["t/e"].mode == 0o700


def test_the_root_as_destination_is_no_entry(bench):
    bench.write(bench.context, "a")
    assert list(bench.copy("/", to="/")) == ["a"]
    assert list(bench.copy("/a", to="/")) == ["a"]


def test_names_are_in_the_order_of_bytes_with_parents_first(bench):
    for name in ("d/b", "d/a/x", "d/a.b", "d/a-b"):
        bench.write(bench.context, name)
    assert list(bench.copy("/d", to="/")) == ["a", "a-b", "a.b", "a/x", "b"]


def test_symlinks_of_the_stage_are_followed_inside_it(bench):
    bench.write(bench.context, "a")
    (bench.stage / "usr/lib").mkdir(parents=True)
    os.symlink("usr/lib", bench.stage / "lib")
    assert list(bench.copy("/a", to="/lib/a")) == ["usr", "usr/lib", "usr/lib/a"]


def test_an_absolute_symlink_of_the_stage_stays_inside_it(bench):
    bench.write(bench.context, "a")
    os.symlink("/etc", bench.stage / "link")
    assert list(bench.copy("/a", to="/link/pwned")) == ["etc", "etc/pwned"]


def test_a_symlink_that_climbs_stays_inside_the_stage(bench):
    bench.write(bench.context, "a")
    os.symlink("../../../../etc", bench.stage / "link")
    assert list(bench.copy("/a", to="/link/pwned")) == ["etc", "etc/pwned"]


def test_symlinks_of_the_stage_in_a_circle_are_an_error(bench):
    bench.write(bench.context, "a")
    os.symlink("two", bench.stage / "one")
    os.symlink("one", bench.stage / "two")
    with pytest.raises(ContextError, match="too many levels of symlinks"):
        bench.copy("/a", to="/one/a")


def test_a_symlink_that_one_source_brings_leads_the_next(bench):
    os.symlink("real", bench.context / "link")
    bench.write(bench.context, "a")
    (bench.context / "d").mkdir()
    os.symlink("/real", bench.context / "d" / "link")
    source = Tree(str(bench.context), "the build context", is_context=True)
    destination = Destination(None, CLOCK)
    place_matches(destination, select(source, "/d", required=True), Placement("/"))
    place_matches(destination, select(source, "/a", required=True), Placement("/link/"))
    assert [e.name for e in destination.entries(None)] == [b"link", b"real", b"real/a"]
    source.close()


def test_a_file_replaces_a_symlink_that_is_in_the_destination(bench):
    bench.write(bench.context, "d/a")
    (bench.stage / "t").mkdir()
    os.symlink("/etc/passwd", bench.stage / "t" / "a")
    entry = bench.copy("/d", to="/t")["t/a"]
    assert entry.kind == FILE


def test_a_directory_does_not_replace_a_symlink(bench):
    bench.write(bench.context, "root/lib/a")
    (bench.stage / "usr/lib").mkdir(parents=True)
    os.symlink("usr/lib", bench.stage / "lib")
    with pytest.raises(DockerfileError, match="cannot copy a directory to /lib") as caught:
        bench.copy("/root", to="/")
    assert "where /lib leads" in caught.value.hint


def test_a_file_does_not_replace_a_directory(bench):
    bench.write(bench.context, "d/a")
    (bench.stage / "t" / "a").mkdir(parents=True)
    with pytest.raises(DockerfileError, match="cannot copy a file to /t/a: it is a directory"):
        bench.copy("/d", to="/t")


def test_a_directory_does_not_go_into_a_file(bench):
    bench.write(bench.context, "d/a")
    bench.write(bench.stage, "t")
    with pytest.raises(DockerfileError, match="cannot copy a directory to /t: it is a file"):
        bench.copy("/d", to="/t")


def test_a_file_in_the_way_of_a_parent_is_an_error(bench):
    bench.write(bench.context, "a")
    bench.write(bench.stage, "t")
    with pytest.raises(ContextError, match="/t is a file"):
        bench.copy("/a", to="/t/x/y")


def test_octal_modes_count_for_everything(bench):
    bench.write(bench.context, "d/a")
    bench.write(bench.context, "d/e/b")
    entries = bench.copy("/d", to="/t/", mode=parse_mode("0640"))
    assert {entry.mode for entry in entries.values()} == {0o640}


def test_symbolic_modes_change_what_is_there(bench):
    bench.write(bench.context, "d/a", mode=0o600)
    bench.write(bench.context, "d/run", mode=0o700)
    entries = bench.copy("/d", to="/t", mode=parse_mode("go=u,go-w"))
    assert (entries["t/a"].mode, entries["t/run"].mode) == (0o644, 0o755)


def test_modes_leave_symlinks_alone(bench):
    (bench.context / "d").mkdir()
    os.symlink("x", bench.context / "d" / "l")
    assert bench.copy("/d", to="/t", mode=parse_mode("0600"))["t/l"].mode == 0o777


def test_hard_links_stay_hard_links(bench):
    bench.write(bench.context, "d/b", "same")
    os.link(bench.context / "d/b", bench.context / "d/a")
    os.link(bench.context / "d/b", bench.context / "outside")
    entries = bench.copy("/d", to="/t")
    assert entries["t/a"].kind == FILE
    assert (entries["t/b"].kind, entries["t/b"].target) == ("hardlink", b"t/a")
    assert entries["t/b"].size == 0


def test_fifos_are_copied_without_opening_them(bench):
    (bench.context / "d").mkdir()
    os.mkfifo(bench.context / "d" / "pipe")
    assert bench.copy("/d", to="/t")["t/pipe"].kind == "fifo"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make devices")
def test_devices_are_copied_as_devices(bench):
    (bench.context / "d").mkdir()
    os.mknod(bench.context / "d" / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    entry = bench.copy("/d", to="/t")["t/null"]
    assert (entry.kind, entry.device) == ("character device", (1, 3))


def test_extended_attributes_are_kept(bench):
    bench.write(bench.context, "a")
    os.setxattr(bench.context / "a", "user.note", b"hi")
    assert bench.copy("/a", to="/b")["b"].xattrs == {b"user.note": b"hi"}


def test_times_are_clamped_to_the_epoch(bench):
    bench.write(bench.context, "d/old", mtime=100)
    bench.write(bench.context, "d/new", mtime=5000)
    entries = bench.copy("/d", to="/t/", epoch=1000)
    assert {name: e.mtime for name, e in entries.items()} == {
        "t": 1000,
        "t/new": 1000,
        "t/old": 100,
    }


def test_a_later_source_wins(bench):
    bench.write(bench.context, "one/f", "1")
    bench.write(bench.context, "two/f", "22")
    assert bench.copy("/one", "/two", to="/t/")["t/f"].size == 2


def test_names_that_delete_files_in_layers_are_refused(bench):
    bench.write(bench.context, "d/.wh.passwd")
    with pytest.raises(DockerfileError, match="delete files") as caught:
        bench.copy("/d", to="/etc")
    assert "--exclude" in caught.value.hint


def test_names_that_are_not_utf8_are_kept(bench):
    os.mkdir(bench.context / "d")
    with open(os.fsencode(bench.context / "d") + b"/\xff\xfe", "wb"):
        pass
    source = Tree(str(bench.context), "the build context", is_context=True)
    destination = Destination(None, CLOCK)
    place_matches(destination, select(source, "/d", required=True), Placement("/"))
    assert [e.name for e in destination.entries(None)] == [b"\xff\xfe"]
    source.close()


def test_a_here_document_takes_owner_and_mode(bench):
    destination = Destination(None, CLOCK)
    planned = Planned(FILE, 0o644, 0, 0, CLOCK, 2, content=b"hi")
    place_content(destination, "name", planned, Placement("/d/", (1, 2), parse_mode("u+x")))
    directory, entry = destination.entries(None)
    assert (entry.name, entry.mode, entry.uid, entry.gid) == (b"d/name", 0o744, 1, 2)
    assert directory.name == b"d"


def test_a_file_that_changed_since_its_digest_was_taken_is_an_error(bench):
    bench.write(bench.context, "a", "one")
    entry = bench.copy("/a", to="/b")["b"]
    bench.write(bench.context, "a", "two")
    with pytest.raises(ContextError, match="changed while it was read"):
        entry.content()


def test_an_archive_may_replace_what_is_in_its_way(bench):
    bench.write(bench.context, "root/lib/a")
    os.symlink("usr/lib", bench.stage / "lib")
    entries = bench.copy("/root", to="/", replaces=True)
    assert (entries["lib"].kind, entries["lib/a"].kind) == ("directory", "file")
