"""What a filter from the cache loads, and that the compiler works without site-packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FORBIDDEN = """
    re typing enum dataclasses json argparse click logging subprocess socket jsonschema pathlib
    ctypes contextlib functools collections hashlib importlib.util system_calls
    pyoci.seccomp.compile pyoci.seccomp.tables pyoci.seccomp.parse pyoci.seccomp.resolve
""".split()
SCRIPT = """
import sys
sys.path.append(sys.argv[1])
profile = eval(sys.argv[2])
before = set(sys.modules)
from pyoci.seccomp import load_filter
found = load_filter(profile, cache_dir=sys.argv[3], native="x86_64")
print(len(found.program), *sorted(sys.modules))
"""


def load(profile: dict[str, Any], directory: str) -> list[str]:
    """Give the program's length, and the modules loaded, as the pyoci command would load it."""
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, ROOT, repr(profile), directory]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def profile(podman_profile: dict[str, Any]) -> dict[str, Any]:
    assert json.loads(json.dumps(podman_profile)) == podman_profile
    return podman_profile


def test_a_filter_from_the_cache_stays_inside_the_import_budget(
    profile: dict[str, Any], tmp_path: Path
) -> None:
    compiled = load(profile, str(tmp_path / "filters"))
    assert "pyoci.seccomp.compile" in compiled
    found = load(profile, str(tmp_path / "filters"))
    assert found[0] == compiled[0]
    assert not set(FORBIDDEN) & set(found)


def test_the_compiler_neither_processes_site_packages_nor_imports_the_package_of_the_tables(
    profile: dict[str, Any], tmp_path: Path
) -> None:
    loaded = load(profile, str(tmp_path / "filters"))
    assert not {"site", "system_calls", "typing", "re"} & set(loaded)
