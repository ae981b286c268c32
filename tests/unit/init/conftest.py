"""Builds the init, and its parsers behind a command line under the sanitizers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
SOURCES = CHECKOUT / "pyoci/init"


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources that a test may build in, beside the Python it needs."""
    if shutil.which("gcc") is None or shutil.which("make") is None:
        pytest.skip("gcc and make are needed")
    top = tmp_path_factory.mktemp("checkout")
    shutil.copytree(
        SOURCES,
        top / "pyoci/init",
        ignore=shutil.ignore_patterns("build*", "pyoci-init*", "plan_table.h"),
    )
    shutil.copytree(CHECKOUT / "pyoci/plan", top / "pyoci/plan")
    for name in ("__init__.py", "errors.py"):
        shutil.copy(CHECKOUT / "pyoci" / name, top / "pyoci" / name)
    return top / "pyoci/init"


@pytest.fixture(scope="session")
def make(sources: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(
            ["make", "-C", str(sources), f"PYTHON={sys.executable}", *arguments],
            capture_output=True,
            text=True,
            env=environment,
        )

    return call


@pytest.fixture(scope="session")
def parsers(
    sources: Path,
    make: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Calls parsers.c; a sanitizer's report fails the test."""
    assert make("plan_table.h").returncode == 0
    binary = tmp_path_factory.mktemp("parsers") / "parsers"
    files = [
        path
        for path in sorted(sources.glob("*.c"))
        if path.name not in ("main.c", "freestanding.c")
    ]
    subprocess.run(
        [
            *(
                "gcc",
                "-std=c11",
                "-g",
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-fno-builtin",
                "-D_GNU_SOURCE",
            ),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{sources}"),
            *("-o", str(binary), str(Path(__file__).with_name("parsers.c")), *map(str, files)),
        ],
        check=True,
    )

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([str(binary), *map(str, arguments)], capture_output=True, text=True)
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        assert done.returncode in (0, 1), done
        return done

    return call
