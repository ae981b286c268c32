"""Which files a source of COPY means."""

from __future__ import annotations

import os
import socket

import pytest

from builder.context.select import select
from builder.context.tree import Tree, TreeError
from builder.dockerfile import DockerfileError, IgnoreRules
from builder.store.remove import remove_tree


def make(root, files):
    """Files by path: text, None for a directory, ("->", target) for a symlink."""
    for path, content in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if content is None:
            os.makedirs(full, exist_ok=True)
        elif isinstance(content, tuple):
            os.symlink(content[1], full)
        else:
            with open(full, "w", encoding="utf-8") as file:
                file.write(content)


@pytest.fixture
def context(tmp_path):
    trees = []

    def build(files, ignore=""):
        root = tmp_path / "context"
        root.mkdir(exist_ok=True)
        make(root, files)
        rules = IgnoreRules.parse(ignore)
        tree = Tree(str(root), "the build context", rules=rules, is_context=True)
        trees.append(tree)
        return tree

    yield build
    for tree in trees:
        tree.close()


def names(matches):
    """Every selected file as `base:name`."""
    return [f"{match.base}:{item.name}" for match in matches for item in match.files]


def test_a_file_means_itself(context):
    tree = context({"a": "1", "b": "2"})
    assert names(select(tree, "/a", required=True)) == ["a:"]


def test_a_directory_means_its_contents_parents_first(context):
    tree = context({"d/x": "1", "d/e/y": "2"})
    (match,) = select(tree, "/d", required=True)
    assert match.is_directory
    assert names([match]) == ["d:", "d:e", "d:e/y", "d:x"]


def test_the_root_means_everything(context):
    tree = context({"a": "1", "d/x": "2"})
    assert names(select(tree, "/", required=True)) == [":", ":a", ":d", ":d/x"]


def test_names_come_in_the_order_of_their_bytes(context):
    tree = context({"d/é": "", "d/z": "", "d/Z": "", "d/a.b": "", "d/a/x": ""})
    assert names(select(tree, "/d", required=True))[1:] == [
        "d:Z",
        "d:a",
        "d:a/x",
        "d:a.b",
        "d:z",
        "d:é",
    ]


def test_a_named_symlink_is_followed(context):
    tree = context({"real/f": "1", "link": ("->", "real"), "file": ("->", "real/f")})
    (match,) = select(tree, "/link", required=True)
    assert (match.base, match.is_directory, names([match])) == ("link", True, ["link:", "link:f"])
    (match,) = select(tree, "/file", required=True)
    assert (match.base, match.files[0].path) == ("file", "/real/f")


def test_a_symlink_in_the_path_is_followed(context):
    tree = context({"real/sub/f": "1", "link": ("->", "real/sub")})
    assert select(tree, "/link/f", required=True)[0].files[0].path == "/real/sub/f"


def test_a_symlink_below_a_directory_stays_one(context):
    tree = context({"d/l": ("->", "/etc/passwd")})
    (match,) = select(tree, "/d", required=True)
    assert os.path.islink(tree.path + match.files[1].path)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd", "/../etc"])
def test_a_symlink_out_of_the_context_leads_into_it(context, target):
    tree = context({"link": ("->", target)})
    with pytest.raises(DockerfileError, match="not found"):
        select(tree, "/link", required=True)


def test_an_absolute_symlink_begins_at_the_context(context):
    tree = context({"a/f": "1", "link": ("->", "/a/f")})
    assert select(tree, "/link", required=True)[0].files[0].path == "/a/f"


def test_symlinks_in_a_circle_are_not_found(context):
    tree = context({"a": ("->", "b"), "b": ("->", "a")})
    with pytest.raises(DockerfileError, match='"/a" not found in the build context'):
        select(tree, "/a", required=True)


def test_a_proc_magic_link_is_not_followed(context, tmp_path):
    (tmp_path / "secret").write_text("x")
    tree = context({"l": ("->", f"/proc/self/root{tmp_path}/secret")})
    with pytest.raises(DockerfileError, match="not found"):
        select(tree, "/l", required=True)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/*.py", ["a.py:", "b.py:"]),
        ("/?.py", ["a.py:", "b.py:"]),
        ("/[a].py", ["a.py:"]),
        ("/d*/x", ["x:", "x:"]),
        ("/d1/*", ["x:", "y:"]),
        ("/nothing*", []),
        ("/*/x", ["x:", "x:"]),
    ],
)
def test_wildcards(context, pattern, expected):
    tree = context({"a.py": "", "b.py": "", "c.txt": "", "d1/x": "", "d1/y": "", "d2/x": ""})
    assert names(select(tree, pattern, required=False)) == expected


def test_a_wildcard_matches_directories_and_takes_their_contents(context):
    tree = context({"d1/x": "", "d2/y": ""})
    assert names(select(tree, "/d*", required=False)) == ["d1:", "d1:x", "d2:", "d2:y"]


def test_a_wildcard_does_not_go_through_symlinked_directories(context):
    tree = context({"real/x": "", "link": ("->", "real")})
    assert names(select(tree, "/*/x", required=False)) == ["x:"]


def test_a_wrong_pattern_is_an_error_even_where_nothing_is(context):
    with pytest.raises(DockerfileError, match="syntax error in pattern"):
        select(context({"a": ""}), "/[", required=False)


def test_a_missing_file_suggests_one_that_is_there(context):
    tree = context({"src/main.py": ""})
    with pytest.raises(DockerfileError, match=r"did you mean src/main\.py\?"):
        select(tree, "/src/mian.py", required=True)


def test_an_ignored_file_is_said_to_be_ignored(context):
    tree = context({"secret": ""}, ignore="secret")
    with pytest.raises(DockerfileError) as caught:
        select(tree, "/secret", required=True)
    assert caught.value.hint == ".dockerignore leaves it out"


def test_ignored_files_are_left_out(context):
    tree = context({"a": "", "b.o": "", "d/c.o": "", "d/e": ""}, ignore="**/*.o")
    assert names(select(tree, "/", required=True)) == [":", ":a", ":d", ":d/e"]


def test_a_file_that_is_brought_back_brings_its_directories(context):
    tree = context({"d/e/keep": "", "d/e/drop": "", "d/f/x": ""}, ignore="d\n!d/e/keep")
    assert names(select(tree, "/", required=True)) == [":", ":d", ":d/e", ":d/e/keep"]


def test_an_ignored_directory_is_not_found(context):
    tree = context({"d/x": ""}, ignore="d")
    with pytest.raises(DockerfileError, match="not found"):
        select(tree, "/d", required=True)


def test_a_symlink_to_an_ignored_file_is_not_found(context):
    tree = context({"secret": "", "link": ("->", "secret")}, ignore="secret")
    with pytest.raises(DockerfileError, match="not found"):
        select(tree, "/link", required=True)


def test_a_wildcard_does_not_find_ignored_files(context):
    tree = context({"a.py": "", "b.py": ""}, ignore="b.py")
    assert names(select(tree, "/*.py", required=False)) == ["a.py:"]


def test_excludes_are_relative_to_what_is_copied(context):
    tree = context({"d/a.md": "", "d/b.py": "", "d/e/c.md": ""})
    assert names(select(tree, "/d", required=True, excludes=["*.md"])) == [
        "d:",
        "d:b.py",
        "d:e",
        "d:e/c.md",
    ]
    assert names(select(tree, "/d", required=True, excludes=["**/*.md"])) == [
        "d:",
        "d:b.py",
        "d:e",
    ]


def test_excludes_leave_out_what_a_wildcard_matches(context):
    tree = context({"home.txt": "", "home.md": "", "hom/x.txt": ""})
    found = select(tree, "/hom*", required=False, excludes=["*.txt"])
    assert names(found) == ["hom:", "home.md:"]


def test_parents_keep_the_path(context):
    tree = context({"a/b/c": "", "a/b/d": "", "a/x": ""})
    (match,) = select(tree, "/", required=True, pattern="a/b/c")
    assert names([match]) == [":", ":a", ":a/b", ":a/b/c"]


def test_parents_with_wildcards_at_any_depth(context):
    tree = context({"a/b/c.py": "", "a/d.py": "", "e.py": "", "a/f/g": ""})
    found = select(tree, "/", required=False, pattern="**/*.py")
    assert names(found) == [":", ":a", ":a/b", ":a/b/c.py", ":a/d.py", ":e.py"]


def test_parents_of_nothing_is_an_error_when_required(context):
    tree = context({"a/b": ""})
    with pytest.raises(DockerfileError, match=r'"/a/x" not found'):
        select(tree, "/", required=True, pattern="a/x")


def test_sockets_are_left_out_and_fifos_kept(context, tmp_path):
    tree = context({"d/f": ""})
    os.mkfifo(f"{tree.path}/d/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(f"{tree.path}/d")  # the name of a socket must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    assert names(select(tree, "/d", required=True)) == ["d:", "d:f", "d:pipe"]


def test_a_directory_as_deep_as_paths_allow_needs_no_recursion(context):
    depth = 1200
    tree = context({})
    here = os.open(tree.path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        assert len(select(tree, "/", required=True)[0].files) == depth + 1
    finally:
        remove_tree(tree.path)  # deeper than pytest can clear away


def test_a_file_that_became_a_fifo_does_not_hang(context):
    tree = context({"f": "1"})
    os.unlink(f"{tree.path}/f")
    os.mkfifo(f"{tree.path}/f")
    with pytest.raises(TreeError, match="a moment ago"):
        tree.open("/f")


def test_a_file_that_became_a_symlink_is_not_followed(context):
    tree = context({"f": "1"})
    os.unlink(f"{tree.path}/f")
    os.symlink("/etc/passwd", f"{tree.path}/f")
    with pytest.raises(TreeError, match="symbolic links"):
        tree.open("/f")
