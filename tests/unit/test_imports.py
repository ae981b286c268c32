"""Who may import whom, and what the commands that engines call may load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A module may import its own layer and the ones below.
LAYERS = (
    ("errors", "invocation", "module_file", "modules", "paths", "phases"),
    ("spec", "plan", "cgroup", "state", "seccomp", "console", "hooks", "diagnose", "init"),
    ("criu",),
    ("lifecycle", "runtime"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}

# What the builder may use of the runtime: the library that README.md documents.
PUBLIC = {"pyoci", "pyoci.errors", "pyoci.runtime"}
# The names that `from pyoci import …` may take; "" is `import pyoci` itself.
PUBLIC_NAMES = {"", "Container", "PyociError", "Runtime", "__version__", "errors", "runtime"}

HOT_COMMANDS = ("create", "start", "state", "kill", "delete", "exec")
FORBIDDEN = """
    re typing enum dataclasses json argparse click logging subprocess socket jsonschema pathlib
    ctypes contextlib functools collections tempfile shutil inspect importlib.metadata hashlib
    datetime random threading asyncio specs builder conformance system_calls elftools
    os posixpath stat
"""
# What these commands import when they get there.
LATER = """
    pyoci.cgroup.recorded pyoci.cgroup.frozen pyoci.cgroup.legacy pyoci.cgroup.legacy_settings
    pyoci.cgroup.unified pyoci.cgroup.unified_settings pyoci.cgroup.devices pyoci.cgroup.device_bpf
    pyoci.cgroup.freezer pyoci.cgroup.signals pyoci.lifecycle.identity pyoci.plan.memory
    pyoci.seccomp pyoci.hooks pyoci.lifecycle.report pyoci.lifecycle.foreground
"""


def sources(package: str) -> list[str]:
    found = []
    for directory, _, names in os.walk(f"{ROOT}/{package}"):
        found += [
            os.path.relpath(f"{directory}/{name}", ROOT) for name in names if name.endswith(".py")
        ]
    return sorted(found)


def imported(path: str) -> Iterator[tuple[str, str, int]]:
    """Give (module, name taken of it or "", line) of every import, also inside functions."""
    with open(f"{ROOT}/{path}", encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            for alias in node.names:
                yield node.module or "", alias.name, node.lineno


def part(module: str, name: str = "") -> str:
    """Give the part of the runtime that ``from module import name`` means."""
    pieces = [*module.split("."), name]
    return pieces[1] if len(pieces) > 1 else ""


def layer_of(path: str) -> int:
    return LAYER[path.split("/")[1].removesuffix(".py")]


RUNTIME = [path for path in sources("pyoci") if path != "pyoci/__init__.py"]


@pytest.mark.parametrize("path", RUNTIME)
def test_the_runtime_imports_downwards(path: str) -> None:
    for module, name, line in imported(path):
        if module.split(".")[0] == "pyoci" and part(module, name) not in ("", "__version__"):
            target = part(module, name)
            assert LAYER[target] <= layer_of(path), f"{path}:{line} imports {target}"


def test_the_finder_of_modules_imports_none_of_ours() -> None:
    assert not [name for name, _, _ in imported("pyoci/modules.py") if name.startswith("pyoci")]


def test_every_module_of_the_runtime_has_a_layer() -> None:
    assert {path.split("/")[1].removesuffix(".py") for path in RUNTIME} <= set(LAYER)


@pytest.mark.parametrize("path", sources("pyoci"))
def test_the_runtime_knows_neither_builder_nor_conformance(path: str) -> None:
    for module, _, line in imported(path):
        assert module.split(".")[0] not in ("builder", "conformance", "tests"), f"{path}:{line}"


@pytest.mark.parametrize("path", sources("builder"))
def test_the_builder_uses_the_runtimes_public_api(path: str) -> None:
    for module, name, line in imported(path):
        top = module.split(".")[0]
        assert top not in ("conformance", "tests"), f"{path}:{line}"
        if top == "pyoci":
            assert module in PUBLIC, f"{path}:{line} imports {module}"
            assert module != "pyoci" or name in PUBLIC_NAMES, f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", sources("conformance"))
def test_the_conformance_suite_knows_no_runtime(path: str) -> None:
    for module, _, line in imported(path):
        assert module.split(".")[0] not in ("pyoci", "builder", "tests"), f"{path}:{line}"


@pytest.mark.parametrize("path", sources("specs"))
def test_the_contract_depends_on_nothing_of_ours(path: str) -> None:
    for module, _, line in imported(path):
        top = module.split(".")[0]
        assert top not in ("pyoci", "builder", "conformance", "tests"), f"{path}:{line}"


def modules_after(code: str) -> set[str]:
    """Give the modules that an interpreter started as the launcher does has loaded after code."""
    result = subprocess.run(
        [
            sys.executable,
            *("-I", "-S", "-X", "utf8", "-c"),
            f"import sys;sys.path.append({ROOT!r})\n{code}\nprint(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("command", HOT_COMMANDS)
def test_the_import_budget(command: str) -> None:
    bare = modules_after("")
    loaded = modules_after(
        "import pyoci.cli.main, pyoci.cli.settings, pyoci.cli.log, pyoci.cli.site_packages\n"
        f"import pyoci.commands.{command}\n"
        f"import {', '.join(LATER.split())}"
    )
    assert f"pyoci.commands.{command}" in loaded
    assert sorted(loaded & set(FORBIDDEN.split()) - bare) == []


def test_a_command_that_fails_stays_within_the_budget() -> None:
    """Engines ask for containers that are gone: that answer must not be slow either."""
    loaded = modules_after(
        "import posix as os\n"
        "from pyoci.cli.main import call\n"
        "from pyoci.invocation import Invocation\n"
        "null = os.open('/dev/null', os.O_RDWR)\n"
        "argv = ['--root', '/nonexistent/state', '--log', '/dev/null', '--log-format', 'json']\n"
        "argv += ['state', 'x']\n"
        "assert call(Invocation(argv, {}, stdout=null, stderr=null)) == 1"
    )
    assert "pyoci.cli.failure" in loaded
    assert sorted(loaded & set(FORBIDDEN.split()) - modules_after("")) == []


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    assert {name for name in modules_after("import pyoci") if name.startswith("pyoci")} == {"pyoci"}
