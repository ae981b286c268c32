"""pyoci.paths gives what os.path and os give."""

from __future__ import annotations

import os
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyoci import paths

TEXTS = st.text(alphabet="/./ab é", max_size=12)


@given(TEXTS)
def test_paths_are_taken_apart_as_by_the_standard_library(path: str) -> None:
    assert paths.dirname(path) == posixpath.dirname(path)
    assert paths.basename(path) == posixpath.basename(path)
    assert paths.normpath(path) == posixpath.normpath(path)
    assert paths.abspath(path) == posixpath.abspath(path)


@pytest.fixture
def places(tmp_path):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("directory")
    (tmp_path / "dangling").symlink_to("nothing")
    names = ("directory", "file", "link", "dangling", "missing", "file/inside", "a\0b")
    return [f"{tmp_path}/{name}" for name in names]


@pytest.mark.parametrize("function", ["isdir", "exists", "lexists"])
def test_questions_are_answered_as_by_the_standard_library(places, function):
    answers = [getattr(paths, function)(path) for path in places]
    assert answers == [getattr(posixpath, function)(path) for path in places]


def test_missing_directories_are_made_and_the_mode_is_the_last_ones(tmp_path):
    before = os.umask(0o022)
    try:
        paths.makedirs(f"{tmp_path}/a/b/c", 0o711)
    finally:
        os.umask(before)
    modes = [os.stat(tmp_path / place).st_mode & 0o777 for place in ("a", "a/b", "a/b/c")]
    assert modes == [0o755, 0o755, 0o711]


def test_a_directory_that_is_there_is_no_error(tmp_path):
    paths.makedirs(str(tmp_path), 0o700)
    paths.makedirs("/", 0o700)


@pytest.mark.parametrize("path", ["file", "file/below", "dangling"])
def test_what_is_no_directory_is_an_error(tmp_path, path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nothing/at/all")
    with pytest.raises(OSError):
        paths.makedirs(f"{tmp_path}/{path}", 0o700)


def test_an_empty_path_is_an_error():
    with pytest.raises(FileNotFoundError):
        paths.makedirs("", 0o700)
