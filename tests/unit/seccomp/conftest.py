"""Makes the interpreter, the oracle and the generators of this folder importable."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "data", "seccomp")
sys.path.insert(0, HERE)


def _read(name: str) -> dict[str, Any]:
    with open(os.path.join(DATA, name), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="session")
def podman_profile() -> dict[str, Any]:
    """linux.seccomp as a real podman handed it to its runtime."""
    return _read("podman-oci.json")


@pytest.fixture(scope="session", params=["docker", "podman"])
def engine_template(request: pytest.FixtureRequest) -> dict[str, Any]:
    """An engine's default profile before capabilities and architecture are worked into it."""
    return _read(f"{request.param}-default.json")
