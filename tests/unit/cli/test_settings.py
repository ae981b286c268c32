"""The state root and the other global flags."""

from __future__ import annotations

import os
import posix
from typing import Any

import pytest

from pyoci.cli.settings import default_root, make_user_root, settle
from pyoci.errors import PyociError, UsageError
from pyoci.invocation import Invocation, Settings
from pyoci.plan import host


def settled(environ: dict[str, str] | None = None, **options: Any) -> Settings:
    settings = Settings()
    settle(settings, options, Invocation([], environ or {}, cwd="/srv"))
    return settings


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posix, "geteuid", lambda: 1000)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posix, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "in_user_namespace", lambda: False)


XDG = {"XDG_RUNTIME_DIR": "/run/user/1000"}


@pytest.mark.usefixtures("as_root")
def test_roots_state_is_below_run_whatever_xdg_says() -> None:
    settings = settled(XDG)
    assert (settings.root, settings.root_is_default) == ("/run/pyoci", True)


@pytest.mark.usefixtures("as_user")
def test_a_users_state_is_below_the_runtime_directory() -> None:
    assert settled(XDG).root == "/run/user/1000/pyoci"


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "relative"}])
def test_without_a_runtime_directory_it_is_below_run(environ: dict[str, str]) -> None:
    assert default_root(environ) == "/run/pyoci"


@pytest.mark.usefixtures("as_root")
def test_root_of_a_user_namespace_is_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "in_user_namespace", lambda: True)
    assert default_root({**XDG, "USER": "joe"}) == "/run/user/1000/pyoci"
    assert default_root({**XDG, "USER": "root"}) == "/run/pyoci"


def test_a_root_that_is_named_is_made_absolute() -> None:
    settings = settled(root="state/./x/../y")
    assert (settings.root, settings.root_is_default) == ("/srv/state/y", False)


@pytest.mark.parametrize("root", ["", "/", "//", "/x/..", "///"])
def test_the_file_systems_root_is_refused(root: str) -> None:
    with pytest.raises(UsageError, match="cannot be the state root"):
        settled(root=root)


def test_a_users_root_is_private_and_sticky(tmp_path: Any) -> None:
    root = f"{tmp_path}/pyoci"
    for _ in range(2):
        make_user_root(root)
    assert os.stat(root).st_mode & 0o7777 == 0o1700


def test_a_users_root_that_cannot_be_made(tmp_path: Any) -> None:
    with pytest.raises(PyociError, match="cannot make the state root"):
        make_user_root(f"{tmp_path}/missing/pyoci")


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("false", False), ("auto", None), ("", None)]
)
def test_rootless(word: str, value: bool | None) -> None:
    assert settled(rootless=word).rootless is value


@pytest.mark.parametrize("options", [{"rootless": "maybe"}, {"log_format": "xml"}])
def test_other_words_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="invalid"):
        settled(**options)


def test_a_removed_working_directory_is_said_only_where_it_matters(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    settings = Settings()
    settle(settings, {"root": "/r"}, Invocation([], {}))
    with pytest.raises(PyociError, match="the working directory has been removed"):
        settle(settings, {"root": "r"}, Invocation([], {}))
