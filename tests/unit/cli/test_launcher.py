"""The launcher finds interpreter and package from its own place, and passes everything on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

ROOT = os.path.abspath(f"{os.path.dirname(__file__)}/../../..")
SOURCES = f"{ROOT}/pyoci/launcher"
VERSION = f"python3.{sys.version_info.minor}"

# Stands for pyoci.cli.main: tells how it was started.
PACKAGE = """
import os, sys
def command(argv):
    open_streams = []
    for number in (0, 1, 2):
        try:
            os.fstat(number)
            open_streams.append(number)
        except OSError:
            pass
    answer = [sys.executable, sys.path[-1], sys.flags.no_site, sys.flags.isolated,
              sys.flags.utf8_mode, open_streams, [os.fsencode(word) for word in argv]]
    with open(os.environ["ANSWER"], "w") as file:
        file.write(repr(answer))
"""

Start = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> str:
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("building the launcher needs make and a C compiler")
    directory = tmp_path_factory.mktemp("launcher")
    for name in ("launcher.c", "syscalls.h", "Makefile"):
        shutil.copy(f"{SOURCES}/{name}", directory)
    subprocess.run(["make", "-s", "-C", str(directory), "pyoci"], check=True)
    return f"{directory}/pyoci"


@pytest.fixture
def prefix(tmp_path: Any, launcher: str) -> str:
    """A prefix with the launcher and an interpreter in bin/."""
    prefix = f"{tmp_path}/prefix"
    os.makedirs(f"{prefix}/bin")
    shutil.copy(launcher, f"{prefix}/bin/pyoci")
    for name in (VERSION, "python3"):
        os.symlink(os.path.realpath(sys.executable), f"{prefix}/bin/{name}")
    return prefix


def add_package(directory: str) -> str:
    os.makedirs(f"{directory}/pyoci/cli")
    for name in ("pyoci/__init__.py", "pyoci/cli/__init__.py"):
        with open(f"{directory}/{name}", "w", encoding="utf-8"):
            pass
    with open(f"{directory}/pyoci/cli/main.py", "w", encoding="utf-8") as file:
        file.write(PACKAGE)
    return directory


@pytest.fixture
def start(tmp_path: Any) -> Start:
    def start(
        program: str, *argv: str | bytes, env: dict[str, str] | None = None, **more: Any
    ) -> list[Any]:
        answer = f"{tmp_path}/answer"
        result = subprocess.run(
            [program, *argv],
            env={"ANSWER": answer, **(env or {})},
            capture_output=not more.get("close_fds_below_three"),
            check=False,
            preexec_fn=(lambda: os.closerange(0, 3)) if more.get("close_fds_below_three") else None,
        )
        assert result.returncode == 0, result.stderr
        with open(answer, encoding="utf-8") as file:
            found: list[Any] = eval(file.read())  # repr of constants, written just now
        return found

    return start


@pytest.mark.parametrize("library", ["lib", "lib64"])
def test_an_installed_package_is_started_without_site(
    prefix: str, start: Start, library: str
) -> None:
    site = add_package(f"{prefix}/{library}/{VERSION}/site-packages")
    assert start(f"{prefix}/bin/pyoci", "state", "x") == [
        f"{prefix}/bin/{VERSION}",
        site,
        1,
        1,
        1,
        [0, 1, 2],
        [b"state", b"x"],
    ]


@pytest.mark.skipif(
    not os.path.exists(f"/usr/bin/{VERSION}"), reason=f"there is no /usr/bin/{VERSION}"
)
@pytest.mark.parametrize("version", [VERSION, "python3"])
def test_dist_packages_belong_to_the_distributions_interpreter(
    prefix: str, start: Start, version: str
) -> None:
    packages = add_package(f"{prefix}/lib/{version}/dist-packages")
    for name in (VERSION, "python3"):
        os.unlink(f"{prefix}/bin/{name}")
    assert start(f"{prefix}/bin/pyoci")[:3] == [f"/usr/bin/{version}", packages, 1]


def test_a_link_to_the_command_is_followed(prefix: str, start: Start, tmp_path: Any) -> None:
    site = add_package(f"{prefix}/lib/{VERSION}/site-packages")
    link = tmp_path / "elsewhere"
    link.symlink_to(f"{prefix}/bin/pyoci")
    assert start(str(link))[1] == site


def test_a_checkout_is_used_as_it_is(tmp_path: Any, prefix: str, start: Start) -> None:
    add_package(str(tmp_path))
    (tmp_path / "setup.cfg").touch()
    assert start(f"{prefix}/bin/pyoci", "x")[:3] == [f"{prefix}/bin/python3", str(tmp_path), 1]


def test_an_installed_package_goes_before_a_checkout_around_it(
    tmp_path: Any, prefix: str, start: Start
) -> None:
    add_package(str(tmp_path))
    (tmp_path / "setup.cfg").touch()
    site = add_package(f"{prefix}/lib/{VERSION}/site-packages")
    assert start(f"{prefix}/bin/pyoci")[1] == site


def test_a_package_elsewhere_is_found_by_the_site_module(
    tmp_path: Any, launcher: str, start: Start
) -> None:
    prefix = f"{tmp_path}/environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    shutil.copy(launcher, f"{prefix}/bin/pyoci")
    elsewhere = add_package(f"{tmp_path}/elsewhere")
    with open(f"{prefix}/lib/{VERSION}/site-packages/x.pth", "w", encoding="utf-8") as file:
        file.write(elsewhere + "\n")
    assert start(f"{prefix}/bin/pyoci", "state", "x")[1:] == [
        elsewhere,
        0,
        1,
        1,
        [0, 1, 2],
        [b"state", b"x"],
    ]


def test_without_a_package_one_line_says_so(prefix: str) -> None:
    result = subprocess.run(
        [f"{prefix}/bin/pyoci", "list"], env={}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == (
        f"pyoci: {prefix}/bin/python3 does not find the package pyoci "
        "(install it again, for this interpreter)\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root")
def test_without_an_interpreter_and_proc_one_line_says_so(prefix: str) -> None:
    result = subprocess.run(
        ["/bin/pyoci"],
        env={},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: (os.chroot(prefix), os.chdir("/")),
    )
    assert result.returncode == 1
    assert result.stderr.startswith("pyoci: no Python interpreter: neither beside /bin/pyoci nor ")
    assert result.stderr.count("\n") == 1


def test_arguments_are_passed_on_untouched(prefix: str, start: Start) -> None:
    add_package(f"{prefix}/lib/{VERSION}/site-packages")
    argv = ["-c", "", "--", "-I", "a b\nc", b"\xff\xfe", "-m", "--help", *map(str, range(2000))]
    expected = [word if isinstance(word, bytes) else word.encode() for word in argv]
    assert start(f"{prefix}/bin/pyoci", *argv)[-1] == expected


def test_the_environment_decides_nothing(prefix: str, start: Start, tmp_path: Any) -> None:
    site = add_package(f"{prefix}/lib/{VERSION}/site-packages")
    hostile = add_package(f"{tmp_path}/hostile")
    env = {
        "PYTHONPATH": hostile,
        "PYTHONHOME": "/nonexistent",
        "PYTHONSTARTUP": f"{hostile}/x",
        "PATH": hostile,
        "HOME": hostile,
        "LANG": "C",
        "PYTHONUTF8": "0",
    }
    assert start(f"{prefix}/bin/pyoci", "x", env=env)[1:5] == [site, 1, 1, 1]


def test_the_working_directory_decides_nothing(
    prefix: str, start: Start, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = add_package(f"{prefix}/lib/{VERSION}/site-packages")
    add_package(f"{tmp_path}/cwd")
    (tmp_path / "cwd" / "os.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path / "cwd")
    assert start(f"{prefix}/bin/pyoci")[1] == site


def test_modules_beside_the_package_hide_none_of_the_standard_library(
    prefix: str, start: Start
) -> None:
    site = add_package(f"{prefix}/lib/{VERSION}/site-packages")
    for name in ("errno", "fcntl", "select", "encodings", "site"):
        with open(f"{site}/{name}.py", "w", encoding="utf-8") as file:
            file.write("raise SystemExit(9)")
    assert start(f"{prefix}/bin/pyoci")[1] == site


def test_closed_standard_streams_are_opened(prefix: str, start: Start) -> None:
    add_package(f"{prefix}/lib/{VERSION}/site-packages")
    assert start(f"{prefix}/bin/pyoci", close_fds_below_three=True)[5] == [0, 1, 2]


def test_the_binary_is_static_and_small(launcher: str) -> None:
    from elftools.elf.elffile import ELFFile

    with open(launcher, "rb") as file:
        kinds = [segment["p_type"] for segment in ELFFile(file).iter_segments()]
    assert "PT_INTERP" not in kinds
    assert os.stat(launcher).st_size < (1 << 20)
