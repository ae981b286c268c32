"""The parser reads what engines write (Go's flag syntax) and says what is wrong with the rest."""

from __future__ import annotations

from typing import Any

import pytest

from pyoci.cli.parse import check_arguments, find_command, parse_flags
from pyoci.cli.table import COMMANDS, GLOBAL_FLAGS
from pyoci.errors import UsageError

Parsed = tuple[dict[str, Any], str, dict[str, Any], list[str]]


def parse(line: str | list[str]) -> Parsed:
    """Parse a whole command line: global options, command, its options, its arguments."""
    words = line.split() if isinstance(line, str) else line
    options, rest = parse_flags(GLOBAL_FLAGS, words, interleaved=False)
    row = find_command(rest[0])
    own, arguments = parse_flags(row.flags, rest[1:], interleaved=row.interleaved, command=row.name)
    check_arguments(row, arguments)
    return options, row.name, own, arguments


def error_of(line: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse(line)
    return caught.value


CONTAINERD = "--root /run/c/default --log /b/log.json --log-format json --systemd-cgroup"
CONTAINERD_GLOBALS = {
    "root": "/run/c/default",
    "log": "/b/log.json",
    "log_format": "json",
    "systemd_cgroup": True,
}

ENGINES = [
    # containerd's go-runc and shim
    (
        f"{CONTAINERD} create --bundle /b --pid-file /b/init.pid --console-socket /s ID",
        CONTAINERD_GLOBALS,
        "create",
        {"bundle": "/b", "pid_file": "/b/init.pid", "console_socket": "/s"},
        ["ID"],
    ),
    (
        "--root /r --debug --log /l --log-format json --rootless=true create --bundle /b --pid-file"
        " /p --pidfd-socket /s --no-pivot --no-new-keyring --detach --preserve-fds 2 ID",
        {
            "root": "/r",
            "debug": True,
            "log": "/l",
            "log_format": "json",
            "rootless": "true",
        },
        "create",
        {
            "bundle": "/b",
            "pid_file": "/p",
            "pidfd_socket": "/s",
            "no_pivot": True,
            "no_new_keyring": True,
            "detach": True,
            "preserve_fds": 2,
        },
        ["ID"],
    ),
    (f"{CONTAINERD} start ID", CONTAINERD_GLOBALS, "start", {}, ["ID"]),
    (f"{CONTAINERD} state ID", CONTAINERD_GLOBALS, "state", {}, ["ID"]),
    (
        f"{CONTAINERD} exec --process /tmp/p.json --detach --pid-file /b/e.pid ID",
        CONTAINERD_GLOBALS,
        "exec",
        {"process": "/tmp/p.json", "detach": True, "pid_file": "/b/e.pid"},
        ["ID"],
    ),
    (f"{CONTAINERD} kill --all ID 9", CONTAINERD_GLOBALS, "kill", {"all": True}, ["ID", "9"]),
    (
        f"{CONTAINERD} delete --force ID",
        CONTAINERD_GLOBALS,
        "delete",
        {"force": True},
        ["ID"],
    ),
    ("--root /r list --format=json", {"root": "/r"}, "list", {"format": "json"}, []),
    ("features", {}, "features", {}, []),
    # podman through conmon, and podman's own calls
    (
        "--log-format=json --log /l create --bundle /b --pid-file /p --preserve-fds 1 CID",
        {"log_format": "json", "log": "/l"},
        "create",
        {"bundle": "/b", "pid_file": "/p", "preserve_fds": 1},
        ["CID"],
    ),
    (
        "--systemd-cgroup --log-format=json --log /l create --bundle /b --pid-file /p --no-pivot"
        " --console-socket /s CID",
        {"systemd_cgroup": True, "log_format": "json", "log": "/l"},
        "create",
        {"bundle": "/b", "pid_file": "/p", "no_pivot": True, "console_socket": "/s"},
        ["CID"],
    ),
    (
        "--log-format=json exec --pid-file /p --process /f --detach --console-socket /s CID",
        {"log_format": "json"},
        "exec",
        {"pid_file": "/p", "process": "/f", "detach": True, "console_socket": "/s"},
        ["CID"],
    ),
    ("kill CID 15", {}, "kill", {}, ["CID", "15"]),
    # CRI-O and conmon-rs
    (
        "--root=/r --systemd-cgroup create --bundle /b --pid-file /p --console-socket=/s ID",
        {"root": "/r", "systemd_cgroup": True},
        "create",
        {"bundle": "/b", "pid_file": "/p", "console_socket": "/s"},
        ["ID"],
    ),
    ("--root /r kill -a ID 15", {"root": "/r"}, "kill", {"all": True}, ["ID", "15"]),
    ("--root /r kill ID KILL", {"root": "/r"}, "kill", {}, ["ID", "KILL"]),
    (
        "exec -d --console-socket=/s --tty --pid-file=/p ID ls -l --all",
        {},
        "exec",
        {"detach": True, "console_socket": "/s", "tty": True, "pid_file": "/p"},
        ["ID", "ls", "-l", "--all"],
    ),
    # buildah
    (
        "create --bundle /b --pid-file /p ID",
        {},
        "create",
        {"bundle": "/b", "pid_file": "/p"},
        ["ID"],
    ),
    ("kill ID", {}, "kill", {}, ["ID"]),
    # BuildKit
    (
        "--log /d/runc-log.json --log-format json run --bundle /b --no-pivot --keep ID",
        {"log": "/d/runc-log.json", "log_format": "json"},
        "run",
        {"bundle": "/b", "no_pivot": True, "keep": True},
        ["ID"],
    ),
    (
        "exec --process /f --pid-file /p ID",
        {},
        "exec",
        {"process": "/f", "pid_file": "/p"},
        ["ID"],
    ),
]


@pytest.mark.parametrize(
    ("line", "options", "name", "own", "arguments"), ENGINES, ids=[row[0] for row in ENGINES]
)
def test_an_engines_command_line(
    line: str, options: dict[str, Any], name: str, own: dict[str, Any], arguments: list[str]
) -> None:
    assert parse(line) == (options, name, own, arguments)


@pytest.mark.parametrize(
    "line",
    [
        "run --bundle /b ID",
        "run --bundle=/b ID",
        "run -bundle /b ID",
        "run -bundle=/b ID",
        "run -b /b ID",
        "run --b /b ID",
        "run ID --bundle /b",
    ],
)
def test_every_way_go_programs_write_a_flag(line: str) -> None:
    assert parse(line)[2:] == ({"bundle": "/b"}, ["ID"])


def test_single_dash_long_switch_of_go_runc() -> None:
    assert parse("run -no-subreaper --bundle /b ID")[2]["no_subreaper"] is True


@pytest.mark.parametrize("word", ["1", "t", "T", "true", "TRUE", "True"])
def test_a_switch_takes_gos_words_for_true(word: str) -> None:
    assert parse(f"delete --force={word} ID")[2] == {"force": True}


@pytest.mark.parametrize("word", ["0", "f", "F", "false", "FALSE", "False"])
def test_a_switch_takes_gos_words_for_false(word: str) -> None:
    assert parse(f"delete --force={word} ID")[2] == {"force": False}


def test_a_switch_takes_no_other_word() -> None:
    assert str(error_of("delete --force=yes ID")).startswith(
        "invalid boolean value 'yes' for --force"
    )


def test_a_switch_does_not_take_the_next_word() -> None:
    assert parse("delete --force true")[2:] == ({"force": True}, ["true"])


def test_the_last_value_of_a_flag_counts() -> None:
    assert parse("run -b /a -b /c ID")[2] == {"bundle": "/c"}


def test_repeatable_flags_keep_all_values_and_their_commas() -> None:
    options = parse(
        ["exec", "-e", "A=1,2", "--env=B=x=y", "-e", "", "--cap", "CAP_KILL", "ID", "c"]
    )[2]
    assert options == {"env": ["A=1,2", "B=x=y", ""], "cap": ["CAP_KILL"]}


def test_a_value_may_look_like_a_flag() -> None:
    assert parse("exec --cwd --tty ID ls")[2] == {"cwd": "--tty"}


def test_exec_leaves_the_programs_own_flags_alone() -> None:
    assert parse("exec ID sh -c --tty -- x")[3] == ["ID", "sh", "-c", "--tty", "--", "x"]


def test_flags_may_follow_the_id_elsewhere() -> None:
    assert parse("delete ID --force")[2:] == ({"force": True}, ["ID"])


def test_double_dash_ends_the_flags() -> None:
    assert parse("delete -- --force")[2:] == ({}, ["--force"])


def test_a_single_dash_is_an_argument() -> None:
    assert parse("delete -")[3] == ["-"]


def test_a_negative_number_is_an_argument() -> None:
    assert parse("kill ID -9")[3] == ["ID", "-9"]


def test_global_flags_come_before_the_command() -> None:
    error = error_of("list --root /r")
    assert error.hint == "--root goes before the command: pyoci --root … list"


@pytest.mark.parametrize("command", [name for name, row in COMMANDS.items() if row.minimum == 1])
def test_a_missing_id(command: str) -> None:
    exact = COMMANDS[command].maximum == 1
    rule = "exactly 1 argument(s)" if exact else "a minimum of 1 argument(s)"
    assert error_of(command).message == f'"pyoci {command}" requires {rule}'


def test_too_many_arguments() -> None:
    assert error_of("state A B").message == '"pyoci state" requires exactly 1 argument(s)'
    assert error_of("kill A B C").message == '"pyoci kill" requires a maximum of 2 argument(s)'


def test_a_flag_without_its_argument_in_the_words_podman_looks_for() -> None:
    for flag in ("--console-socket", "--preserve-fds"):
        assert error_of(f"create {flag}").message == f"flag needs an argument: {flag}"


def test_an_unknown_flag_with_the_one_it_resembles() -> None:
    error = error_of("create --consol-socket /s ID")
    assert error.message == "flag provided but not defined: --consol-socket"
    assert error.hint == "did you mean --console-socket?"


def test_an_unknown_flag_without_resemblance() -> None:
    assert error_of("create --zzz ID").hint == "pyoci create --help lists the flags"
    assert error_of("--zzz create ID").hint == "pyoci --help lists the flags"


def test_the_value_of_an_unknown_flag_is_not_repeated() -> None:
    assert error_of("create --token=secret ID").message.endswith("not defined: --token")


def test_joined_short_flags_are_explained() -> None:
    assert error_of("exec -td ID ls").hint == "write -t -d"


@pytest.mark.parametrize("word", ["---bundle", "--=x", "-="])
def test_bad_flag_syntax_is_an_unknown_flag(word: str) -> None:
    assert "flag provided but not defined" in error_of(f"run {word} ID").message


@pytest.mark.parametrize(
    "number", ["", "x", "1.5", "0x1", "1_0", " 1", "١", "99999999999999999999"]
)
def test_a_number_is_ascii_decimal(number: str) -> None:
    with pytest.raises(UsageError, match="invalid value .* for flag --preserve-fds"):
        parse(["create", "--preserve-fds", number, "ID"])


def test_an_unknown_command_with_the_one_it_resembles() -> None:
    error = error_of("creat ID")
    assert (error.message, error.hint) == ("unknown command 'creat'", "did you mean 'create'?")
    assert error_of("zzz").hint == "pyoci --help lists the commands"
