from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyoci.cli.main import call
from pyoci.cli.table import COMMANDS, TEXT, Command, Flag
from pyoci.invocation import Invocation

Run = Callable[..., int]


class Outcome:
    """What one invocation left behind."""

    def __init__(self, status: int, stdout: str, stderr: str) -> None:
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


class Caller:
    """Runs command lines in this process, with files as standard streams."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.environ: dict[str, str] = {}

    def __call__(self, *argv: str) -> Outcome:
        paths = [f"{self.directory}/{name}" for name in ("stdout", "stderr")]
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        out, err = (os.open(path, flags) for path in paths)
        try:
            invocation = Invocation(
                list(argv), self.environ, cwd=self.directory, stdout=out, stderr=err
            )
            status = call(invocation)
        finally:
            os.close(out)
            os.close(err)
        texts = []
        for path in paths:
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        return Outcome(status, *texts)


@pytest.fixture
def pyoci(tmp_path: Any) -> Caller:
    return Caller(str(tmp_path))


@pytest.fixture
def add_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Adds a command that does what a function does."""

    def add(name: str, run: Run, **row: Any) -> None:
        module = types.ModuleType(f"fake_{name}")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        command = Command(
            name,
            "A command for a test.",
            (Flag("text", "", TEXT, "TEXT", "A text."),),
            module=module.__name__,
            **row,
        )
        monkeypatch.setitem(COMMANDS, name, command)

    return add
