"""The file with all modules is used, follows the sources, and is never needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from pyoci.modules import MARK

ROOT = os.path.abspath(f"{os.path.dirname(__file__)}/../../..")
VERSION = f"python3.{sys.version_info.minor}"


class Installation:
    """A copy of the package in a prefix of its own."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.site = f"{prefix}/lib/{VERSION}/site-packages"
        self.package = f"{self.site}/pyoci"
        self.file = f"{self.package}/__pycache__/modules.{sys.implementation.cache_tag}.pyc"
        self.version = f"{self.package}/cli/version.py"

    def run(self) -> str:
        result = subprocess.run(
            [f"{self.prefix}/bin/pyoci", "--version"],
            env={},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stderr == ""
        return result.stdout.splitlines()[0]

    def content(self) -> bytes:
        with open(self.file, "rb") as file:
            return file.read()

    def edit(self, *, keep_time: bool) -> None:
        """Change the program without changing the source's size."""
        with open(self.version, encoding="utf-8") as file:
            text = file.read()
        status = os.stat(self.version)
        with open(self.version, "w", encoding="utf-8") as file:
            file.write(text.replace("pyoci version", "PYOCI VERSION"))
        times = (status.st_atime_ns, status.st_mtime_ns + (0 if keep_time else 2 * 10**9))
        os.utime(self.version, ns=times)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("building the launcher needs make and a C compiler")
    directory = tmp_path_factory.mktemp("launcher")
    shutil.copytree(f"{ROOT}/pyoci/launcher", directory, dirs_exist_ok=True)
    subprocess.run(["make", "-s", "-B", "-C", str(directory), "pyoci"], check=True)
    return f"{directory}/pyoci"


@pytest.fixture
def installation(tmp_path: Any, built: str) -> Installation:
    found = Installation(str(tmp_path))
    os.makedirs(f"{tmp_path}/bin")
    shutil.copy(built, f"{tmp_path}/bin/pyoci")
    os.symlink(os.path.realpath(sys.executable), f"{tmp_path}/bin/{VERSION}")
    shutil.copytree(
        f"{ROOT}/pyoci",
        found.package,
        ignore=shutil.ignore_patterns("__pycache__", "*.c", "*.o", "pyoci-init"),
    )
    return found


def test_the_first_start_writes_the_file(installation: Installation) -> None:
    assert installation.run().startswith("pyoci version")
    assert installation.content().endswith(MARK)


def test_the_next_start_takes_the_code_from_it(installation: Installation) -> None:
    first = installation.run()
    installation.edit(keep_time=True)
    assert installation.run() == first


def test_a_changed_source_is_noticed_and_the_file_written_anew(installation: Installation) -> None:
    installation.run()
    before = installation.content()
    installation.edit(keep_time=False)
    assert installation.run().startswith("PYOCI VERSION")
    assert installation.content() != before
    installation.edit(keep_time=True)
    assert installation.run().startswith("PYOCI VERSION")


def test_a_start_that_needs_nothing_new_leaves_the_file_alone(installation: Installation) -> None:
    installation.run()
    inode = os.stat(installation.file).st_ino
    installation.run()
    assert os.stat(installation.file).st_ino == inode


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:16],
        lambda data: data[:1000],
        lambda data: data[:-1],
        lambda data: b"\0\0\0\0" + data[4:],
        lambda data: data[:16] + bytes(len(data) - 16),
        lambda data: data[: -len(MARK) - 8] + (1 << 60).to_bytes(8, "little") + MARK,
        lambda data: data[: -len(MARK) - 8] + bytes(8) + MARK,
        lambda data: data.replace(b"subject", b"topic"),
        lambda data: data[:20000] + bytes(5000) + data[25000:],
    ],
    ids=[
        *("empty", "header", "cut", "no mark", "magic", "zeros", "far offset", "no offset"),
        *("edited", "hole"),
    ],
)
def test_a_damaged_file_is_replaced(installation: Installation, damage: Any) -> None:
    first = installation.run()
    whole = installation.content()
    with open(installation.file, "wb") as file:
        file.write(damage(whole))
    assert installation.run() == first
    # The interpreter itself cannot import a damaged .pyc: it takes a start to remove it.
    assert installation.run() == first
    assert installation.content().endswith(MARK)


def test_without_a_place_for_the_file_everything_works(installation: Installation) -> None:
    os.mkdir(f"{installation.package}/__pycache__")
    os.mkdir(installation.file)
    assert installation.run().startswith("pyoci version")


def test_it_is_a_compiled_file_like_any_other(installation: Installation) -> None:
    installation.run()
    before = installation.content()
    code = (
        f"import sys; sys.path.insert(0, {installation.site!r}); import pyoci.modules as m;"
        "print(m.__cached__, m.finder)"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [installation.file, "None"]
    assert installation.content() == before


def test_a_moved_installation_still_works(installation: Installation, tmp_path: Any) -> None:
    first = installation.run()
    moved = f"{tmp_path}/moved"
    os.mkdir(moved)
    for name in ("bin", "lib"):
        os.rename(f"{tmp_path}/{name}", f"{moved}/{name}")
    assert Installation(moved).run() == first


def test_no_temporary_file_is_left(installation: Installation) -> None:
    installation.run()
    names = os.listdir(f"{installation.package}/__pycache__")
    assert [name for name in names if not name.endswith(".pyc")] == []
