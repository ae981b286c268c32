"""What the tests of the plan share: a configuration to start from, a faked host, a compiler."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pyoci.plan.create import CreateRequest, compile_create
from pyoci.plan.host import Host
from pyoci.plan.operations import Operation
from pyoci.spec.check import check_config


class FakeHost(Host):
    """A host with the files it is told of, and no others."""

    __slots__ = ("files",)

    def __init__(self, files: dict[str, str] | None = None, **facts: Any) -> None:
        super().__init__(**facts)
        self.files = {
            "/proc/kcore": "file",
            "/src/dir": "directory",
            "/src/file": "file",
            "/bundle/data": "directory",
            **{f"/dev/{name}": "file" for name in ("null", "zero", "full")},
            **{f"/dev/{name}": "file" for name in ("random", "urandom", "tty")},
            **(files or {}),
        }

    def is_directory(self, path: str) -> bool | None:
        kind = self.files.get(path)
        return None if kind is None else kind == "directory"

    def exists(self, path: str) -> bool:
        return path in self.files


class Plan:
    """A compiled plan, with questions that tests ask."""

    def __init__(self, operations: list[Operation], warnings: list[str]) -> None:
        self.operations = operations
        self.warnings = warnings

    @property
    def names(self) -> list[str]:
        return [operation.name for operation in self.operations]

    def all(self, operation: str, **wanted: Any) -> list[dict[str, Any]]:
        """The arguments of every operation of a name that has the wanted ones."""
        found = [op.arguments() for op in self.operations if op.name == operation]
        return [a for a in found if all(a[key] == value for key, value in wanted.items())]

    def one(self, operation: str, **wanted: Any) -> dict[str, Any]:
        (found,) = self.all(operation, **wanted)
        return found

    def place(self, operation: str, **wanted: Any) -> int:
        """The index of the only operation of a name that has the wanted arguments."""
        (found,) = [
            index
            for index, op in enumerate(self.operations)
            if op.name == operation
            and all(op.arguments()[key] == value for key, value in wanted.items())
        ]
        return found

    def of(self, pointer: str) -> list[str]:
        """The names of all operations that come from a place of config.json."""
        return [op.name for op in self.operations if op.pointer == pointer]


BASE: dict[str, Any] = {
    "ociVersion": "1.3.0",
    "root": {"path": "rootfs"},
    "process": {"cwd": "/", "args": ["true"]},
    "linux": {
        "namespaces": [
            {"type": name} for name in ("pid", "network", "ipc", "uts", "mount", "cgroup")
        ]
    },
}


def merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(config)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


@pytest.fixture
def configuration():
    """configuration(linux={...}) gives a checked configuration with changes."""

    def make(**changes: Any) -> dict[str, Any]:
        config = merged(copy.deepcopy(BASE), copy.deepcopy(changes))
        check_config(config)
        return config

    return make


@pytest.fixture
def compiled(configuration):
    """compiled(linux={...}) gives the Plan; host= and request= change what is around it."""

    def make(
        host: Host | None = None, request: dict[str, Any] | None = None, **changes: Any
    ) -> Plan:
        warnings: list[str] = []
        settled = CreateRequest(
            **{"id": "c1", "bundle": "/bundle", "rootfs": "/bundle/rootfs", **(request or {})}
        )
        operations = compile_create(configuration(**changes), settled, host or FakeHost(), warnings)
        return Plan(operations, warnings)

    return make


@pytest.fixture
def fake_host():
    """The class of a host that is whatever a test says."""
    return FakeHost


@pytest.fixture
def plan_class():
    """The class that asks questions about a plan."""
    return Plan
