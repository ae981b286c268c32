"""Removing trees: deep, without permissions, full of links; and nothing beside them."""

from __future__ import annotations

import os
from pathlib import Path

from builder.store.remove import remove_any, remove_tree


def _as_ordinary_user(directory: Path, owned: list[str]) -> None:
    """Remove `top` as a user for whom permissions mean something."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.chdir(directory)
            for path in [".", *owned]:
                os.chown(path, 65534, 65534)
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            remove_tree("top")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    os.chown(directory, 0, 0)


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "top")
    fd = os.open(tmp_path / "top", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("directory", dir_fd=fd)
        os.close(os.open("file", os.O_CREAT, dir_fd=fd))
        inner = os.open("directory", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    remove_tree(str(tmp_path / "top"))
    assert os.listdir(tmp_path) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("x")
    (tmp_path / "top" / "a").mkdir(parents=True)
    os.symlink(tmp_path / "outside", tmp_path / "top" / "link")
    os.symlink("../../outside", tmp_path / "top" / "a" / "link")
    os.symlink("missing", tmp_path / "top" / "dangling")
    remove_tree(str(tmp_path / "top"))
    assert (tmp_path / "outside" / "precious").read_text() == "x"
    assert not (tmp_path / "top").exists()


def test_a_link_in_place_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("x")
    os.symlink("outside", tmp_path / "link")
    try:
        remove_tree(str(tmp_path / "link"))
    except OSError:
        pass
    assert (tmp_path / "outside" / "precious").exists()


def test_directories_without_permissions_are_removed(tmp_path: Path) -> None:
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    (tmp_path / "top" / "a" / "b" / "file").write_text("")
    for path in (tmp_path / "top" / "a" / "b", tmp_path / "top" / "a", tmp_path / "top"):
        path.chmod(0)
    if os.geteuid() == 0:
        _as_ordinary_user(tmp_path, ["top", "top/a", "top/a/b"])
    else:
        remove_tree(str(tmp_path / "top"))
    assert not (tmp_path / "top").exists()


def test_names_are_bytes(tmp_path: Path) -> None:
    top = os.fsencode(tmp_path) + b"/top"
    os.makedirs(top + b"/\xff\n/x")
    remove_tree(top)
    assert not os.path.exists(top)


def test_what_is_missing_is_no_error(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "missing"))
    remove_any(str(tmp_path / "missing"))


def test_any_kind_of_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / "directory" / "inner").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    os.symlink("directory", tmp_path / "link")
    fd = os.open(tmp_path, os.O_RDONLY)
    for name in ("link", "directory", "file", "fifo"):
        remove_any(name, dir_fd=fd)
    os.close(fd)
    assert os.listdir(tmp_path) == []
