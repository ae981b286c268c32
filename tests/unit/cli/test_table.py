"""The table of commands is consistent, and names what exists."""

from __future__ import annotations

import importlib

import pytest

from pyoci.cli.help import command_help, program_help
from pyoci.cli.table import BOOL, COMMANDS, GLOBAL_FLAGS, LIST, NUMBER, TEXT, Command

ROWS = list(COMMANDS.values())
ids = [row.name for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_the_module_has_the_function(row: Command) -> None:
    module = importlib.import_module(row.module)
    assert callable(module.run)


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_no_two_flags_share_a_name(row: Command) -> None:
    names = [name for flag in row.flags for name in (flag.name, flag.short) if name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("flags", [GLOBAL_FLAGS, *[row.flags for row in ROWS]])
def test_flags_with_an_argument_name_it_and_visible_ones_have_help(flags: tuple) -> None:  # type: ignore[type-arg]
    for flag in flags:
        assert flag.kind in (BOOL, TEXT, NUMBER, LIST)
        assert bool(flag.argument) == (flag.kind != BOOL), flag.name
        assert flag.help or flag.hidden, flag.name


# runc's flags, from reference texts of its commands.
RUNC = {
    "create": "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds",
    "run": "bundle b console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds "
    "detach d keep no-subreaper",
    "start": "",
    "state": "",
    "kill": "all a",
    "delete": "force f",
    "exec": "console-socket pidfd-socket cwd env e tty t user u additional-gids g process p detach "
    "d pid-file process-label apparmor no-new-privs cap c preserve-fds cgroup ignore-paused",
    "ps": "format f",
    "events": "interval stats",
    "pause": "",
    "update": "resources r blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-rt-period "
    "cpu-rt-runtime cpuset-cpus cpuset-mems cpu-idle memory memory-reservation memory-swap "
    "pids-limit kernel-memory kernel-memory-tcp l3-cache-schema mem-bw-schema",
    "resume": "",
    "list": "format f quiet q",
    "spec": "bundle b rootless",
    "features": "",
}


@pytest.mark.parametrize("name", RUNC)
def test_every_flag_of_runc_is_there(name: str) -> None:
    known = {word for flag in COMMANDS[name].flags for word in (flag.name, flag.short)}
    assert set(RUNC[name].split()) <= known


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_help_names_every_visible_flag_and_the_arguments(row: Command) -> None:
    text = command_help(row)
    first = text.splitlines()[0]
    assert first == f"Usage: pyoci {row.name} [OPTIONS] {row.arguments}".rstrip()
    assert row.summary in " ".join(text.split())
    for flag in row.flags:
        assert (f"--{flag.name}" in text) == (not flag.hidden)
        assert flag.hidden or not flag.short or f"-{flag.short}, --{flag.name}" in text


def test_program_help_lists_commands_in_the_order_of_the_table() -> None:
    text = program_help()
    listed = text[text.index("Commands:") :].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    visible = [row.name for row in ROWS if not row.hidden]
    assert names[: len(visible)] == visible
    for flag in GLOBAL_FLAGS:
        assert f"--{flag.name}" in text
