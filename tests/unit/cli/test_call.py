"""What a caller sees of a command that succeeds, warns, fails or goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pyoci.cli.failure import Interrupted
from pyoci.cli.main import call, main
from pyoci.errors import CommandError, ContainerNotFoundError, PyociError
from pyoci.invocation import Invocation

AddCommand = Callable[..., None]


def failing(error: BaseException) -> Callable[..., int]:
    def run(*_: Any) -> int:
        raise error

    return run


def records(path: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


NOT_FOUND = ContainerNotFoundError("container does not exist", subject="x", hint="look at the list")


def test_the_commands_status_is_the_programs(pyoci: Any, add_command: AddCommand) -> None:
    add_command("do", lambda *_: 42)
    assert pyoci("do").status == 42


def test_a_command_gets_its_options_and_arguments(pyoci: Any, add_command: AddCommand) -> None:
    seen: list[Any] = []

    def run(_: Any, settings: Any, options: dict[str, Any], arguments: list[str]) -> int:
        seen.extend([settings.root, options, arguments])
        return 0

    add_command("do", run, maximum=1)
    pyoci("--root", "state", "do", "--text", "t", "a")
    assert seen == [f"{pyoci.directory}/state", {"text": "t"}, ["a"]]


def test_a_failure_is_one_json_record_and_one_line_on_stderr(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    add_command("do", failing(NOT_FOUND))
    outcome = pyoci("--log", "log", "--log-format", "json", "do")
    assert (outcome.status, outcome.stdout) == (1, "")
    assert outcome.stderr == "pyoci: container does not exist (look at the list)\n"
    # podman reads the whole file as one JSON value.
    record = json.loads((tmp_path / "log").read_text())
    assert datetime.fromisoformat(record.pop("time")[:26]).year >= 2024
    assert record == {
        "level": "error",
        "msg": "container does not exist (look at the list)",
        "code": "container-not-found",
        "subject": "x",
        "hint": "look at the list",
    }


def test_the_time_of_a_record_is_rfc_3339_in_utc(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    add_command("do", failing(NOT_FOUND))
    pyoci("--log", "log", "--log-format", "json", "do")
    time = records(tmp_path / "log")[0]["time"]
    date, _, rest = time.partition("T")
    clock, _, fraction = rest.partition(".")
    assert datetime.fromisoformat(f"{date}T{clock}+00:00")
    assert fraction.endswith("Z")
    assert fraction[:-1].isdigit()


def test_a_text_log_has_runcs_form(pyoci: Any, add_command: AddCommand, tmp_path: Any) -> None:
    add_command("do", failing(PyociError('cannot read "x"', subject="/a b")))
    pyoci("--log", "log", "do")
    line = (tmp_path / "log").read_text()
    assert line.startswith('time="20')
    assert line.endswith('" level=error msg="cannot read \\"x\\"" code=error subject="/a b"\n')


def test_without_a_log_file_json_goes_to_stderr_once(pyoci: Any, add_command: AddCommand) -> None:
    add_command("do", failing(NOT_FOUND))
    outcome = pyoci("--log-format", "json", "do")
    assert json.loads(outcome.stderr)["code"] == "container-not-found"


def test_the_log_is_appended_to(pyoci: Any, add_command: AddCommand, tmp_path: Any) -> None:
    add_command("do", failing(NOT_FOUND))
    for _ in range(2):
        pyoci("--log", "log", "--log-format", "json", "do")
    assert len(records(tmp_path / "log")) == 2


def test_a_message_is_one_line_without_control_characters(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    add_command("do", failing(PyociError("a\nb\x1b[31m\udc80", subject="s\n", hint="h\r\ni")))
    outcome = pyoci("--log", "log", "--log-format", "json", "do")
    assert outcome.stderr == "pyoci: a b\\x1b[31m\\udc80 (h i)\n"
    record = records(tmp_path / "log")[0]
    assert (record["msg"], record["hint"]) == ("a b\\x1b[31m\\udc80 (h i)", "h i")


def test_errno_is_named_in_the_record(pyoci: Any, add_command: AddCommand, tmp_path: Any) -> None:
    add_command("do", failing(CommandError("no", errno=2)))
    pyoci("--log", "log", "--log-format", "json", "do")
    assert records(tmp_path / "log")[0]["errno"] == "ENOENT"


def test_execs_own_failures_have_their_own_status(pyoci: Any) -> None:
    outcome = pyoci("--root", "state", "exec", "x", "ls")
    assert (outcome.status, outcome.stdout) == (255, "")
    assert outcome.stderr.startswith("pyoci: container does not exist")


def test_a_wrong_command_line_is_an_error_in_the_log_too(pyoci: Any, tmp_path: Any) -> None:
    outcome = pyoci("--log", "log", "--log-format", "json", "start", "--bogus", "x")
    assert outcome.status == 1
    assert outcome.stdout == ""
    assert records(tmp_path / "log")[0]["code"] == "usage"


def test_an_unexpected_exception_is_one_line_that_asks_for_a_report(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    add_command("do", failing(ValueError("bad thing")))
    outcome = pyoci("--log", "log", "--log-format", "json", "do")
    assert outcome.status == 1
    assert outcome.stderr.startswith("pyoci: internal error in pyoci do: ValueError: bad thing (")
    assert "report" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert [record["level"] for record in records(tmp_path / "log")] == ["error"]


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError(2, "No such file or directory", "/x"), PermissionError(13, "", "/x")],
)
def test_an_unexpected_os_error_has_no_words_that_engines_take_for_the_users_command(
    pyoci: Any, add_command: AddCommand, error: OSError
) -> None:
    add_command("do", failing(error))
    line = pyoci("do").stderr.lower()
    assert "no such file" not in line
    assert "permission denied" not in line
    assert "'/x'" in line


def test_debug_shows_where_an_unexpected_exception_came_from_in_the_log_alone(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    add_command("do", failing(ValueError("bad thing")))
    outcome = pyoci("--debug", "--log", "log", "--log-format", "json", "do")
    assert outcome.stderr.count("\n") == 1
    log = records(tmp_path / "log")
    assert [record["level"] for record in log].count("error") == 1
    assert log[-1]["level"] == "error"
    assert any(__file__ in record["msg"] and record["level"] == "debug" for record in log)


def test_a_missing_library_is_named(pyoci: Any, add_command: AddCommand) -> None:
    add_command("do", failing(ModuleNotFoundError("No module named 'click'", name="click")))
    assert pyoci("do").stderr.startswith(
        "pyoci: pyoci do needs the Python library click, which is not installed"
    )


def test_a_missing_module_of_ours_is_an_internal_error(pyoci: Any, add_command: AddCommand) -> None:
    add_command("do", failing(ModuleNotFoundError("No module", name="pyoci.lost")))
    assert "internal error" in pyoci("do").stderr


def test_a_reader_that_has_gone_is_silence(pyoci: Any, add_command: AddCommand) -> None:
    add_command("do", failing(BrokenPipeError(32, "Broken pipe")))
    outcome = pyoci("do")
    assert (outcome.status, outcome.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 128 + signal.SIGINT), (Interrupted(15), 128 + signal.SIGTERM)],
)
def test_an_interruption_gives_the_status_of_the_signal(
    pyoci: Any, add_command: AddCommand, error: BaseException, status: int
) -> None:
    add_command("do", failing(error))
    outcome = pyoci("do")
    assert outcome.status == status
    assert outcome.stderr.count("\n") == 1


def warning(_: Any, settings: Any, *__: Any) -> int:
    settings.warn("something\nis odd")
    return 0


def test_a_warning_goes_to_the_log_file_and_nowhere_else(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    add_command("do", warning)
    outcome = pyoci("--log", "log", "--log-format", "json", "do")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "")
    record = records(tmp_path / "log")[0]
    assert (record["level"], record["msg"]) == ("warning", "something is odd")


def test_a_warning_without_a_log_goes_to_stderr(pyoci: Any, add_command: AddCommand) -> None:
    add_command("do", warning)
    assert pyoci("do").stderr == "pyoci: warning: something is odd\n"


def test_a_warning_is_never_written_where_the_containers_output_goes(
    pyoci: Any, add_command: AddCommand
) -> None:
    add_command("do", warning, hands_on_streams=True)
    outcome = pyoci("do")
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_a_failure_after_a_warning_is_still_one_record(
    pyoci: Any, add_command: AddCommand, tmp_path: Any
) -> None:
    def run(_: Any, settings: Any, *__: Any) -> int:
        settings.warn("odd")
        raise NOT_FOUND

    add_command("do", run)
    pyoci("--log", "log", "--log-format", "json", "do")
    assert json.loads((tmp_path / "log").read_text())["level"] == "error"


def test_debug_logs_the_phases(pyoci: Any, add_command: AddCommand, tmp_path: Any) -> None:
    def run(*_: Any) -> int:
        from pyoci import phases

        phases.mark("plan")
        return 0

    add_command("do", run)
    outcome = pyoci("--debug", "--log", "log", "--log-format", "json", "do")
    assert outcome.stderr == ""
    log = records(tmp_path / "log")
    assert [record["phase"] for record in log] == ["start-up", "plan", "end"]
    assert all(record["milliseconds"] >= 0 and record["level"] == "debug" for record in log)


def test_a_log_that_cannot_be_opened(pyoci: Any) -> None:
    outcome = pyoci("--log", "missing/log", "list")
    assert outcome.status == 1
    assert outcome.stderr.startswith(
        f"pyoci: cannot open the log file {pyoci.directory}/missing/log: "
    )


def test_a_full_disk_does_not_hide_the_commands_own_failure(
    pyoci: Any, add_command: AddCommand
) -> None:
    add_command("do", failing(NOT_FOUND))
    outcome = pyoci("--log", "/dev/full", "do")
    assert (outcome.status, outcome.stderr.count("\n")) == (1, 1)


def test_output_that_cannot_be_written_is_a_failure(tmp_path: Any) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    errors = os.open(tmp_path / "err", os.O_WRONLY | os.O_CREAT)
    try:
        assert call(Invocation(["--version"], {}, stdout=full, stderr=errors)) == 1
    finally:
        os.close(full)
        os.close(errors)
    assert "cannot write to standard output: no space left" in (tmp_path / "err").read_text()


def test_the_version_in_the_form_docker_reads(pyoci: Any) -> None:
    outcome = pyoci("--version")
    lines = outcome.stdout.splitlines()
    assert lines[0].split()[:2] == ["pyoci", "version"]
    assert [line for line in lines if "version" in line] == lines[:1]
    assert lines[-1].startswith("spec: 1.")
    assert outcome.stderr == ""
    assert pyoci("-v").stdout == pyoci("version").stdout == outcome.stdout


@pytest.mark.parametrize("argv", [(), ("--help",), ("-h",), ("help",)])
def test_the_programs_help(pyoci: Any, argv: tuple[str, ...]) -> None:
    outcome = pyoci(*argv)
    assert outcome.status == 0
    assert outcome.stdout.startswith("Usage: pyoci [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    "argv", [("exec", "--help"), ("exec", "-h"), ("help", "exec"), ("exec", "-t", "--help")]
)
def test_a_commands_help_needs_no_arguments(pyoci: Any, argv: tuple[str, ...]) -> None:
    outcome = pyoci(*argv)
    assert outcome.status == 0
    assert outcome.stdout.startswith("Usage: pyoci exec [OPTIONS] ID")


def test_help_after_execs_id_is_the_programs(pyoci: Any) -> None:
    assert pyoci("--root", "state", "exec", "x", "ls", "--help").status == 255


def test_main_gives_a_status(capfd: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)]
    try:
        assert main(["--version"]) == 0
    finally:
        for number, handler in zip((signal.SIGHUP, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)
    assert capfd.readouterr().out.startswith("pyoci version ")


def test_python_m_pyoci_is_the_same_program() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyoci", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__)))),
    )
    assert result.stdout.startswith("pyoci version ")
    assert result.stderr == ""
