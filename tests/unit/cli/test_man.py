"""The manual page has every command and flag, and formats without complaint."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pyoci.cli.man import page, pages
from pyoci.cli.table import COMMANDS, GLOBAL_FLAGS


def test_every_visible_command_and_flag_is_in_the_page() -> None:
    text = page().replace("\\-", "-")
    for row in COMMANDS.values():
        assert (f".SS pyoci {row.name} " in text) == (not row.hidden)
        for flag in (*GLOBAL_FLAGS, *row.flags):
            assert flag.hidden or f"\\fB--{flag.name}\\fR" in text, flag.name


def test_hidden_flags_are_not() -> None:
    section = page().split(".SS pyoci kill ")[1].split(".SS")[0]
    assert "all" not in section.replace("\\-", "-").split("--help")[0].split()


def test_no_line_is_taken_for_a_request_by_accident() -> None:
    requests = {".TH", ".SH", ".SS", ".TP", ".B"}
    for line in "".join(pages().values()).splitlines():
        assert line
        assert line[0] not in ".'" or line.split()[0] in requests, line


def test_every_command_has_a_page_of_its_own() -> None:
    visible = {f"pyoci-{row.name}.8" for row in COMMANDS.values() if not row.hidden}
    assert set(pages()) == {"pyoci.8", *visible}
    text = pages()["pyoci-checkpoint.8"].replace("\\-", "-")
    assert "\\fB--leave-running\\fR" in text
    assert text.startswith(".TH PYOCI-CHECKPOINT 8 ")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("name", pages())
def test_groff_has_nothing_to_complain_about(name: str) -> None:
    result = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"],
        input=pages()[name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
