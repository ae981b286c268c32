"""Users and groups by the image's own files, which may be hostile."""

from __future__ import annotations

import os

import pytest

from builder.images.accounts import Account, AccountError, resolve_user

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
app:x:1000:1001:The app:/home/app:/bin/sh
# comment:x:5:5:::
broken line
bad:x:notanumber:0::/:
huge:x:99999999999:0::/:
12:x:0:0:a name of digits:/:/bin/sh
"""
GROUP = """\
root:x:0:
app:x:1001:
audio:x:29:app,other
video:x:44:other, app
broken
"""


@pytest.fixture
def root(tmp_path):
    os.mkdir(tmp_path / "etc")
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("", Account(0, 0, (), "/root")),
        ("root", Account(0, 0, (), "/root")),
        ("0", Account(0, 0, (), "/root")),
        ("app", Account(1000, 1001, (29, 44), "/home/app")),
        ("1000", Account(1000, 1001, (29, 44), "/home/app")),
        ("app:audio", Account(1000, 29, (), "/home/app")),
        ("app:5", Account(1000, 5, (), "/home/app")),
        ("app:", Account(1000, 1001, (29, 44), "/home/app")),
        (":audio", Account(0, 29, (), "/root")),
        ("7", Account(7, 0)),
        ("7:8", Account(7, 8)),
        ("7:audio", Account(7, 29)),
        ("4294967294", Account(4294967294, 0)),
        ("12", Account(12, 0)),
    ],
)
def test_user_is_resolved(root, user, account) -> None:
    assert resolve_user(root, user) == account


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody", "user 'nobody': not in the image's /etc/passwd"),
        ("app:nobody", "group 'nobody': not in the image's /etc/group"),
        ("broken line", "not in the image's"),
        ("bad", "not in the image's"),
        ("huge", "not in the image's"),
        ("# comment", "not in the image's"),
        ("-1", "not in the image's"),
        ("4294967295", "4294967295 is no user ID"),
        ("0:4294967295", "4294967295 is no group ID"),
        ("0:-1", "not in the image's"),
    ],
)
def test_user_that_is_none_is_refused(root, user, message) -> None:
    with pytest.raises(AccountError, match=message):
        resolve_user(root, user)


def test_name_of_digits_is_never_looked_up_as_a_name(root) -> None:
    assert resolve_user(root, "12").uid == 12


def test_numbers_need_no_files(tmp_path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    assert resolve_user(fd, "5:6") == Account(5, 6)
    assert resolve_user(fd, "") == Account(0, 0)
    os.close(fd)


def test_symlinked_passwd_does_not_lead_out_of_the_image(root, tmp_path) -> None:
    outside = tmp_path.parent / "outside-passwd"
    outside.write_text("app:x:0:0::/:\n")
    os.unlink(tmp_path / "etc/passwd")
    os.symlink(outside, tmp_path / "etc/passwd")
    with pytest.raises(AccountError, match="not in the image's"):
        resolve_user(root, "app")


def test_symlink_is_followed_inside_the_image(root, tmp_path) -> None:
    os.rename(tmp_path / "etc/passwd", tmp_path / "users")
    os.symlink("/../../users", tmp_path / "etc/passwd")
    assert resolve_user(root, "app").uid == 1000


def test_fifo_in_the_file_s_place_is_not_waited_for(root, tmp_path) -> None:
    os.unlink(tmp_path / "etc/passwd")
    os.mkfifo(tmp_path / "etc/passwd")
    with pytest.raises(AccountError, match="not in the image's"):
        resolve_user(root, "app")


def test_directory_in_the_file_s_place_is_no_file(root, tmp_path) -> None:
    os.unlink(tmp_path / "etc/passwd")
    os.mkdir(tmp_path / "etc/passwd")
    assert resolve_user(root, "0") == Account(0, 0)


def test_file_of_gigabytes_is_not_read(root, tmp_path) -> None:
    os.truncate(tmp_path / "etc/passwd", 5 << 30)
    with pytest.raises(AccountError, match="more than"):
        resolve_user(root, "app")


def test_bytes_that_are_no_text_do_no_harm(root, tmp_path) -> None:
    (tmp_path / "etc/passwd").write_bytes(b"\xff\xfe:x:1:1::/:\n\0\0\napp:x:9:9::/\xff:/bin/sh\n")
    assert resolve_user(root, "app").home == os.fsdecode(b"/\xff")
