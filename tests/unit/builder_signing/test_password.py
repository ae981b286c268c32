from __future__ import annotations

import os
import subprocess
import sys

import pytest

from builder.errors import KeyFileError
from builder.signing.password import password_source


def test_file_comes_before_the_environment(tmp_path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"from file\r\n")
    find = password_source({"PYOCI_BUILDER_PASSWORD": "environment"}, str(file))
    assert find() == b"from file"


def test_own_variable_comes_before_cosign_s() -> None:
    both = {"COSIGN_PASSWORD": "theirs", "PYOCI_BUILDER_PASSWORD": "ours"}
    assert password_source(both)() == b"ours"
    assert password_source({"COSIGN_PASSWORD": "theirs"})() == b"theirs"


def test_empty_variable_is_an_empty_password() -> None:
    assert password_source({"COSIGN_PASSWORD": ""})() == b""


def test_bytes_of_the_environment_are_kept() -> None:
    assert password_source({"COSIGN_PASSWORD": os.fsdecode(b"p\xff")})() == b"p\xff"


def test_password_file_that_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(KeyFileError, match="reading password file .*/nope: No such file"):
        password_source({}, str(tmp_path / "nope"))()


def test_password_file_that_is_a_device_is_not_read_for_ever() -> None:
    with pytest.raises(KeyFileError, match="longer than 4096"):
        password_source({}, "/dev/zero")()


def test_without_a_terminal_the_hint_says_what_to_set() -> None:
    program = (
        "from builder.signing.password import password_source\n"
        "try:\n    password_source({})()\nexcept Exception as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # no controlling terminal
        cwd=os.getcwd(),
    )
    assert (
        "there is no terminal (set $PYOCI_BUILDER_PASSWORD or give --password-file)" in done.stdout
    )
