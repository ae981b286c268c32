"""ps: which lines of ps(1) are a container's."""

from __future__ import annotations

import pytest

from pyoci.commands.ps import filter_lines
from pyoci.errors import PyociError


def test_lines_are_chosen_by_the_pid_column_wherever_it_is() -> None:
    lines = [
        "USER     PPID   PID CMD",
        "root        7    70 sleep 7",
        "root       70   700 cat 7",
        "root        1     7 init",
    ]
    assert filter_lines(lines, [7]) == [lines[3]]
    assert filter_lines(lines, [70, 700]) == lines[1:3]
    assert filter_lines(lines, []) == []


def test_lines_shorter_than_the_header_are_nobodys() -> None:
    assert filter_lines(["COMM PID", "", "one", "one 7"], [7]) == ["one 7"]


@pytest.mark.parametrize("lines", [[], ["COMMAND", "sleep"], ["PPID CMD", "1 sleep"]])
def test_output_without_a_pid_column_is_refused(lines: list[str]) -> None:
    with pytest.raises(PyociError, match="PID field"):
        filter_lines(lines, [1])
