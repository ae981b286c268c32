"""Wheel and source distribution have what they should, and installations of all kinds work."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from typing import Any

import pytest

ROOT = os.path.abspath(f"{os.path.dirname(__file__)}/../..")
PACKAGES = ("pyoci", "builder", "specs", "conformance")
VERSION = f"python3.{sys.version_info.minor}"
DEBIAN_PYTHON = "/usr/bin/python3"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(shutil.which(tool) for tool in ("cc", "make")),
        reason="building needs make and a C compiler",
    ),
]


def run(*command: str, **more: Any) -> str:
    more.setdefault("env", {**os.environ, "PIP_NO_INPUT": "1", "PYTHONDONTWRITEBYTECODE": ""})
    result = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the sources, without anything built."""
    pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    target = str(tmp_path_factory.mktemp("source") / "pyoci")
    ignored = shutil.ignore_patterns(
        *(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"),
        *("*.o", "pyoci-init", "plan_table.h", ".demo"),
    )
    shutil.copytree(ROOT, target, ignore=ignored, symlinks=True)
    launcher = f"{target}/pyoci/launcher/pyoci"
    if os.path.exists(launcher):
        os.unlink(launcher)
    return target


@pytest.fixture(scope="session")
def source_distribution(tree: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "setup.py", "-q", "sdist", "-d", str(target), cwd=tree)
    [name] = os.listdir(target)
    return f"{target}/{name}"


def build_wheel(source: str, target: Any) -> str:
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(target), source)
    [name] = os.listdir(target)
    return f"{target}/{name}"


@pytest.fixture(scope="session")
def wheel(source_distribution: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The wheel built from the source distribution, which therefore lacks nothing."""
    return build_wheel(source_distribution, tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def environment(tmp_path: Any) -> str:
    """A fresh virtual environment that finds our dependencies where this one has them."""
    prefix = f"{tmp_path}/environment"
    run(sys.executable, "-m", "venv", "--without-pip", prefix)
    with open(f"{prefix}/lib/{VERSION}/site-packages/dependencies.pth", "w") as file:
        file.write(sysconfig.get_path("purelib") + "\n")
    return prefix


def install(prefix: str, *what: str) -> None:
    run(*PIP, "--python", f"{prefix}/bin/python", "install", "--no-deps", "--no-index", *what)


def check_commands(bin_directory: str, directory: Any, **more: Any) -> None:
    """Run both commands, as an engine does: without any environment."""
    more.setdefault("env", {})
    pyoci = f"{bin_directory}/pyoci"
    assert run(pyoci, "--version", **more).startswith("pyoci version ")
    assert run(pyoci, "create", "--help", **more).startswith("Usage: pyoci create ")
    bundle = f"{directory}/bundle"
    os.makedirs(bundle, exist_ok=True)
    run(pyoci, "spec", "--bundle", bundle, **more)
    os.unlink(f"{bundle}/config.json")
    assert "Usage: pyoci-builder" in run(f"{bin_directory}/pyoci-builder", "--help", **more)


def sources(root: str, *suffixes: str) -> set[str]:
    found = set()
    for package in PACKAGES:
        for directory, _, names in os.walk(f"{root}/{package}"):
            found |= {
                os.path.relpath(f"{directory}/{name}", root)
                for name in names
                if name.endswith(suffixes)
            }
    return found


def test_the_wheel_is_for_this_machine_and_any_python(wheel: str) -> None:
    assert wheel.endswith(f"-py3-none-linux_{platform.machine()}.whl")


def test_the_wheel_has_every_module_and_data_file(wheel: str, tree: str) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert sources(tree, ".py", ".json", ".toml", "py.typed") <= names


def test_the_wheel_has_both_programs_and_no_c_of_theirs(wheel: str) -> None:
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    [launcher] = [name for name in names if name.endswith(".data/scripts/pyoci")]
    for name in (launcher, "pyoci/init/pyoci-init"):
        assert archive.read(name)[:4] == b"\x7fELF"
    assert archive.getinfo(launcher).external_attr >> 16 & 0o111
    assert not [name for name in names if name.startswith("pyoci/") and name.endswith((".c", ".h"))]
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]


def test_the_source_distribution_has_the_c_and_nothing_built(
    source_distribution: str, tree: str
) -> None:
    with tarfile.open(source_distribution) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert sources(tree, ".py", ".c", ".h", ".json", "Makefile") <= names
    assert {"setup.py", "setup.cfg", "LICENSE", "Makefile", "tox.ini"} <= names
    assert "tests/packaging/test_install.py" in names
    assert not [name for name in names if name.startswith("build/")]
    assert not names & {"pyoci/init/pyoci-init", "pyoci/launcher/pyoci", "pyoci/init/plan_table.h"}


def test_a_module_that_is_gone_is_not_packaged(tree: str, tmp_path: Any) -> None:
    copy = f"{tmp_path}/tree"
    shutil.copytree(tree, copy)
    for directory in ("build/lib/pyoci", f"build/lib.linux-{platform.machine()}/pyoci"):
        os.makedirs(f"{copy}/{directory}")
        with open(f"{copy}/{directory}/left_over.py", "w"):
            pass
    os.mkdir(tmp_path / "wheel")
    names = zipfile.ZipFile(build_wheel(copy, tmp_path / "wheel")).namelist()
    assert not [name for name in names if "left_over" in name]


def test_a_wheel_installed_in_a_virtual_environment(
    wheel: str, environment: str, tmp_path: Any
) -> None:
    install(environment, wheel)
    check_commands(f"{environment}/bin", tmp_path)
    for path in (
        "man/man8/pyoci.8",
        "man/man8/pyoci-create.8",
        "bash-completion/completions/pyoci",
        "zsh/site-functions/_pyoci",
        "fish/vendor_completions.d/pyoci.fish",
    ):
        assert os.path.getsize(f"{environment}/share/{path}"), path
    with open(f"{environment}/bin/pyoci", "rb") as file:
        assert file.read(4) == b"\x7fELF"
    assert run(f"{environment}/bin/python", "-m", "pyoci", "--version", cwd="/").startswith(
        "pyoci version"
    )


def test_an_uninstallation_leaves_nothing(wheel: str, environment: str, tmp_path: Any) -> None:
    install(environment, wheel)
    check_commands(f"{environment}/bin", tmp_path)
    run(*PIP, "--python", f"{environment}/bin/python", "uninstall", "-y", "pyoci")
    site = f"{environment}/lib/{VERSION}/site-packages"
    left = [name for name in os.listdir(site) if name.startswith(PACKAGES)]
    assert left == []
    assert not os.path.exists(f"{environment}/bin/pyoci")


def test_an_editable_installation(tree: str, environment: str, tmp_path: Any) -> None:
    copy = f"{tmp_path}/tree"
    shutil.copytree(tree, copy)
    install(environment, "--no-build-isolation", "-e", copy)
    check_commands(f"{environment}/bin", tmp_path)
    assert os.path.exists(f"{copy}/pyoci/init/pyoci-init")


def has_debian_pip() -> bool:
    command = [DEBIAN_PYTHON, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        return not subprocess.run(command, capture_output=True, check=False).returncode
    except OSError:
        return False


DEBIAN_PIP = (DEBIAN_PYTHON, "-m", "pip", "--disable-pip-version-check", "-q", "install")
OFFLINE = ("--break-system-packages", "--no-deps", "--no-index")


@pytest.mark.skipif(not has_debian_pip(), reason=f"{DEBIAN_PYTHON} has no pip")
def test_an_installation_in_a_users_home(wheel: str, tmp_path: Any) -> None:
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    run(*DEBIAN_PIP, *OFFLINE, "--user", "--no-warn-script-location", wheel, env=env)
    pyoci = f"{tmp_path}/.local/bin/pyoci"
    assert run(pyoci, "--version", env={}).startswith("pyoci version ")
    # Without the site module: the package's own directory comes last.
    assert os.listdir(f"{tmp_path}/.local/lib")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts an overlay over /usr/local: needs root")
@pytest.mark.skipif(not has_debian_pip(), reason=f"{DEBIAN_PYTHON} has no pip")
def test_an_installation_for_the_whole_system(wheel: str, tmp_path: Any) -> None:
    """In a mount namespace, so that this machine keeps its /usr/local as it is."""
    script = f"""
        set -e
        mount -t tmpfs none {tmp_path}/scratch
        mkdir {tmp_path}/scratch/upper {tmp_path}/scratch/work
        mount -t overlay none /usr/local -o \
            lowerdir=/usr/local,upperdir={tmp_path}/scratch/upper,workdir={tmp_path}/scratch/work
        {" ".join((*DEBIAN_PIP, *OFFLINE, "--root-user-action=ignore", wheel))}
        cd /
        exec env -i /usr/local/bin/pyoci --version
    """
    os.mkdir(tmp_path / "scratch")
    output = run("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    assert output.startswith("pyoci version ")
    assert not os.path.exists("/usr/local/bin/pyoci") or os.path.realpath(
        "/usr/local/bin/pyoci"
    ).startswith(ROOT)
