"""USER and --chown look names up in the stage's own files, which are hostile."""

from __future__ import annotations

import os

import pytest

from builder.context.tree import Tree
from builder.dockerfile import DockerfileError
from builder.execute.accounts import Account, account, owner

PASSWD = """root:x:0:0:root:/root:/bin/sh
# comment
app:x:1000:1001:App:/home/app:/bin/sh
broken line
huge:x:99999999999:1::/:/bin/sh
nohome:x:5:6
"""
GROUP = """root:x:0:
app:x:1001:
audio:x:29:app,other
video:x:44:other,app
wheel:x:10:root
"""


@pytest.fixture
def stage(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    with Tree(str(tmp_path), "the stage") as tree:
        yield tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app", (1000, 1001)),
        ("app:audio", (1000, 29)),
        ("app:7", (1000, 7)),
        ("1234", (1234, 1234)),
        ("1234:app", (1234, 1001)),
        ("0", (0, 0)),
        ("root", (0, 0)),
        ("5:6", (5, 6)),
    ],
)
def test_owners(stage, text, expected):
    assert owner(text, stage) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Account(0, 0, (0, 10), "/root")),
        ("app", Account(1000, 1001, (1001, 29, 44), "/home/app")),
        ("1000", Account(1000, 1001, (1001, 29, 44), "/home/app")),
        ("app:audio", Account(1000, 29, (29,), "/home/app")),
        ("4321", Account(4321, 0, (0,), "/")),
        ("4321:12", Account(4321, 12, (12,), "/")),
        ("nohome", Account(5, 6, (6,), "/")),
    ],
)
def test_accounts(stage, text, expected):
    assert account(text, stage) == expected


def test_an_unknown_name_suggests_a_known_one(stage):
    with pytest.raises(DockerfileError, match=r"unable to find user apq \(did you mean app\?\)"):
        account("apq", stage)
    with pytest.raises(DockerfileError, match="unable to find group nope"):
        owner("app:nope", stage)


def test_names_need_files(stage):
    with pytest.raises(DockerfileError) as caught:
        owner("app", None)
    assert "--link" in caught.value.hint


def test_an_entry_with_an_impossible_number_is_none(stage):
    with pytest.raises(DockerfileError, match="unable to find user huge"):
        account("huge", stage)


def test_a_number_that_no_user_can_have_is_refused(stage):
    with pytest.raises(DockerfileError, match="too large"):
        owner("4294967295", stage)


def test_a_symlink_to_the_hosts_files_leads_into_the_stage(tmp_path):
    (tmp_path / "etc").mkdir()
    os.symlink("/etc/hostpasswd", tmp_path / "etc/passwd")
    (tmp_path / "etc/hostpasswd").write_text("inside:x:7:7::/:\n")
    with Tree(str(tmp_path), "the stage") as tree:
        assert owner("inside", tree) == (7, 7)


@pytest.mark.parametrize("what", ["fifo", "directory", "huge", "nothing"])
def test_strange_files_hold_no_names_and_do_not_hang(tmp_path, what):
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc/passwd"
    if what == "fifo":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    elif what == "huge":
        with open(path, "wb") as file:
            file.truncate(1 << 30)
    with Tree(str(tmp_path), "the stage") as tree, pytest.raises(DockerfileError) as caught:
        account("app", tree)
    assert "give a number" in caught.value.hint
