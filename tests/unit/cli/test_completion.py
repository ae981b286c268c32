"""The shells' own judgement of the scripts that complete command lines."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pyoci.cli.completion import SHELLS
from pyoci.cli.main import call
from pyoci.cli.table import COMMANDS
from pyoci.invocation import Invocation


def bash_completions(*words: str, ids: str = "") -> list[str]:
    """Complete the last word as bash would; pyoci is a function that lists the ids."""
    program = (
        f'pyoci() {{ [[ "$*" == "--root /r list --quiet" || "$*" == "list --quiet" ]] '
        f'&& echo "{ids}"; }}\n{SHELLS["bash"]()}\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pyoci; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", program, "bash", "pyoci", *words], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_come_first() -> None:
    visible = [command.name for command in COMMANDS.values() if not command.hidden]
    assert bash_completions("") == visible
    assert bash_completions("--root", "/r", "che") == ["checkpoint"]


def test_flags_are_the_commands_own() -> None:
    assert bash_completions("kill", "--") == ["--help"]
    assert bash_completions("run", "--pid") == ["--pidfd-socket", "--pid-file"]
    assert "--log-format" in bash_completions("--lo")


def test_values_that_are_words_are_offered() -> None:
    assert bash_completions("list", "--format", "") == ["table", "json"]
    assert bash_completions("explain", "-f", "t") == ["text"]
    assert bash_completions("--log-format", "j") == ["json"]


def test_ids_are_those_of_the_root_that_is_named() -> None:
    assert bash_completions("--root", "/r", "state", "w", ids="web db") == ["web"]
    assert bash_completions("kill", "", ids="web db") == ["web", "db"]


def test_files_are_left_to_the_shell() -> None:
    assert bash_completions("run", "--bundle", "", ids="web") == []
    assert bash_completions("run", "", ids="web") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_accepts_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(SHELLS[shell]())
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_and_flags(tmp_path: Path) -> None:
    script = tmp_path / "pyoci.fish"
    script.write_text(SHELLS["fish"]())
    for line, wanted in (
        ("pyoci che", "checkpoint"),
        ("pyoci run --pid-f", "--pid-file"),
        ("pyoci list --format ", "json"),
    ):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        assert wanted in [entry.split("\t")[0] for entry in done.stdout.splitlines()], done


def test_another_shell_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        status = call(
            Invocation(["completion", "ksh"], {}, stdout=out.fileno(), stderr=err.fileno())
        )
    assert status == 1
    assert "bash or zsh or fish" in (tmp_path / "err").read_text()
