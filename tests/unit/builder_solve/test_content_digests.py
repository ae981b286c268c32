"""What changes the content hash of a source, and what does not."""

from __future__ import annotations

import os
import time

import pytest

from builder.context.digests import WORTH_KNOWING, digest_match, digest_matches
from builder.context.known_files import KnownFiles
from builder.context.select import select
from builder.context.tree import Tree, TreeError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "context"
    (root / "d").mkdir(parents=True)
    (root / "d" / "f").write_text("one")
    (root / "d" / "g").write_text("two")
    os.symlink("f", root / "d" / "l")
    return root


def digest(root, path="/d", *, is_context=True):
    with Tree(str(root), "the build context", is_context=is_context) as tree:
        return digest_matches(select(tree, path, required=True))[0]


def test_the_same_files_have_the_same_digest(root):
    assert digest(root) == digest(root)


def test_times_do_not_count(root):
    before = digest(root)
    os.utime(root / "d" / "f", (1, 1))
    os.utime(root / "d", (2, 2))
    assert digest(root) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "d" / "f").write_text("ONE"),
        lambda root: (root / "d" / "f").write_text("one "),
        lambda root: (root / "d" / "f").chmod(0o755),
        lambda root: (root / "d" / "f").rename(root / "d" / "h"),
        lambda root: (root / "d" / "new").write_text(""),
        lambda root: (root / "d" / "g").unlink(),
        lambda root: (root / "d" / "e").mkdir(),
        lambda root: ((root / "d" / "l").unlink(), os.symlink("g", root / "d" / "l")),
        lambda root: ((root / "d" / "l").unlink(), (root / "d" / "l").write_text("f")),
        lambda root: os.setxattr(root / "d" / "f", "user.a", b"1"),
    ],
    ids=[
        *("content", "length", "mode", "name", "new file", "no file", "directory", "link target"),
        *("type", "attribute"),
    ],
)
def test_everything_else_counts(root, change):
    before = digest(root)
    try:
        change(root)
    except OSError as error:
        pytest.skip(f"this file system cannot: {error}")
    assert digest(root) != before


def test_a_files_own_name_counts_but_not_that_of_a_directory_of_which_contents_are_meant(root):
    before = digest(root)
    os.rename(root / "d", root / "moved")
    assert digest(root, "/moved") == before
    file = digest(root, "/moved/f")
    os.rename(root / "moved" / "f", root / "moved" / "renamed")
    assert digest(root, "/moved/renamed") != file


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_owners_count_in_stages_and_not_in_the_context(root):
    in_context, in_stage = digest(root), digest(root, is_context=False)
    os.chown(root / "d" / "f", 1234, 1234)
    assert digest(root) == in_context
    assert digest(root, is_context=False) != in_stage


def test_single_files_are_named_for_explanations(root):
    with Tree(str(root), "the build context", is_context=True) as tree:
        (match,) = select(tree, "/d", required=True)
        assert sorted(digest_match(match)[1]) == ["d/f", "d/g", "d/l"]


def test_two_sources_do_not_run_into_each_other(root):
    (root / "a").mkdir()
    (root / "b").mkdir()
    (root / "a" / "x").write_text("")
    with Tree(str(root), "the build context", is_context=True) as tree:

        def both(*paths):
            matches = [match for path in paths for match in select(tree, path, required=True)]
            return digest_matches(matches)[0]

        assert both("/a", "/b") != both("/b", "/a")


def test_a_file_that_shrinks_while_it_is_read_is_an_error(root):
    with Tree(str(root), "the build context", is_context=True) as tree:
        (match,) = select(tree, "/d/f", required=True)
        (root / "d" / "f").write_text("")
        with pytest.raises(TreeError, match="changed while it was read"):
            digest_match(match)


class TestKnownFiles:
    @pytest.fixture
    def large(self, root):
        path = root / "d" / "large"
        path.write_bytes(bytes(WORTH_KNOWING))
        old = time.time() - 3600
        os.utime(path, (old, old))
        return path

    def test_a_digest_is_found_again_by_the_same_stat(self, tmp_path, large):
        known = KnownFiles(str(tmp_path / "known"))
        known.put(_aged(os.stat(large)), "abc")
        known.close()
        known = KnownFiles(str(tmp_path / "known"))
        assert known.get(_aged(os.stat(large))) == "abc"
        known.close()

    def test_a_file_that_changed_just_now_is_not_remembered(self, tmp_path, large):
        known = KnownFiles(str(tmp_path / "known"))
        large.write_bytes(bytes(WORTH_KNOWING))
        known.put(os.stat(large), "abc")
        assert known.get(os.stat(large)) is None
        known.close()

    @pytest.mark.parametrize("field", ["st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
    def test_any_other_stat_is_another_file(self, tmp_path, large, field):
        known = KnownFiles(str(tmp_path / "known"))
        known.put(_aged(os.stat(large)), "abc")
        other = _aged(os.stat(large))
        setattr(other, field, getattr(other, field) + 1)
        assert known.get(other) is None
        known.close()

    def test_a_damaged_database_only_costs_time(self, tmp_path, root):
        (tmp_path / "known").write_bytes(b"not a database at all" * 100)
        known = KnownFiles(str(tmp_path / "known"))
        with Tree(str(root), "the build context", is_context=True) as tree:
            matches = select(tree, "/d", required=True)
            assert digest_matches(matches, known) == digest_matches(matches)
        known.close()


class _Stat:
    """A stat that can be changed."""


def _aged(found):
    """The stat of a file whose inode was changed an hour ago: utime cannot set ctime."""
    stat = _Stat()
    for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns"):
        setattr(stat, name, getattr(found, name))
    stat.st_ctime_ns = found.st_mtime_ns
    return stat
