"""`pyoci-builder`: finding commands, options of build, errors on one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from builder.cli import build, main


@pytest.fixture
def run(capfd):
    """Run a command line in this process: status, standard output, standard error."""

    def run_it(*arguments):
        status = main.run(arguments)
        out, err = capfd.readouterr()
        return status, out, err

    return run_it


def modules_after(*arguments):
    """The modules that are loaded when a command line has run in a fresh interpreter."""
    code = (
        "import sys; from builder.cli.main import run; status = run(sys.argv[1:]);"
        " sys.stderr.write('\\n' + ' '.join(sys.modules)); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    return set(done.stderr.rpartition("\n")[2].split())


def test_every_command_can_be_loaded_and_has_the_help_of_the_list():
    group = main.cli
    for name, (module, text) in main.COMMANDS.items():
        command = group.get_command(None, name)
        assert command is not None, module
        assert command.name == name
        assert text.endswith(".") and len(text) < 70


def test_help_lists_the_commands_without_loading_them():
    loaded = modules_after("--help")
    assert "builder.cli.main" in loaded
    assert not {module for module, _ in main.COMMANDS.values()} & loaded


def test_a_command_loads_nothing_that_others_need():
    loaded = modules_after("images", "--help")
    heavy = {"builder.dockerfile.resolver", "cryptography", "zstandard", "httpx", "jsonschema"}
    assert not heavy & loaded


def test_version(run):
    status, out, err = run("--version")
    assert status == 0 and err == ""
    assert out.startswith("pyoci-builder version ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("biuld",), "no such command 'biuld' (did you mean build?) (see pyoci-builder --help)"),
        (("build",), "Missing argument 'CONTEXT'. (see pyoci-builder build --help)"),
        (("build", "--tga", "x", "."), "No such option '--tga'"),
        (("build", "--compression", "lzma", "."), "'lzma' is not one of"),
        (("build", "--compression-level", "99", "."), "compression gzip has no level 99"),
        (("build", "--label", "x", "."), "--label 'x' must be of the form NAME=VALUE"),
        (("build", "--build-arg", "=x", "."), "--build-arg '=x' has no name"),
        (("build", "--platform", "a/b/c/d", "."), "--platform:"),
        (("build", "--secret", "src=x", "."), "--secret 'src=x' has no id="),
        (("build", "--secret", "id=x,foo=y", "."), "unexpected 'foo=y'"),
        (("build", "--secret", "id=x,src=/nope", "."), "/nope: No such file or directory"),
        (("build", "-t", "UPPER", "."), "must be lowercase"),
        (("build", "https://example.com/x.git"), "is no directory of this machine"),
    ],
)
def test_mistakes_are_one_line(run, arguments, message):
    status, out, err = run(*arguments)
    assert status in (1, 2)
    assert out == ""
    assert err.startswith("pyoci-builder: ") and err.count("\n") == 1
    assert message in err


def test_errors_in_json(run):
    status, _, err = run("--log-format", "json", "build", "--label", "x", ".")
    assert status == 2
    told = json.loads(err)
    assert (told["level"], told["code"]) == ("error", "usage")
    assert told["msg"] == "--label 'x' must be of the form NAME=VALUE"


def test_a_dockerfile_error_in_json_says_where(capfd):
    from builder.dockerfile import DockerfileError, parse

    with pytest.raises(DockerfileError) as caught:
        parse("FROM a\nFOO x")
    settings = main.Settings("json", debug=False)
    assert main._failed(caught.value, settings) == 1
    assert json.loads(capfd.readouterr().err) == {
        "level": "error",
        "code": "dockerfile",
        "msg": "unknown instruction: FOO (did you mean FROM?)",
        "file": "Dockerfile",
        "line": 2,
        "column": 1,
    }


def test_an_unexpected_error_is_one_line(run, monkeypatch, capfd):
    def broken(**options):
        raise RuntimeError("something\nwith lines")

    monkeypatch.setattr(build, "_request", broken)
    status, _, err = run("build", ".")
    assert status == 1
    assert err == "pyoci-builder: something (this is a bug; --debug shows where)\n"
    status, _, err = run("--debug", "build", ".")
    assert "Traceback" in err and "RuntimeError" in err


def test_an_interrupt_has_its_own_status(run, monkeypatch):
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "_request", interrupted)
    status, _, err = run("build", ".")
    assert status == 130
    assert err.splitlines()[-1] == "pyoci-builder: interrupted"


class TestOptions:
    @pytest.fixture
    def request_of(self, monkeypatch):
        """The build that a command line asks for."""

        def requested(*arguments):
            found = []
            real = build._request

            def remember(**options):
                found.append(real(**options))
                raise KeyboardInterrupt

            monkeypatch.setattr(build, "_request", remember)
            main.run(("build", *arguments, "."))
            monkeypatch.setattr(build, "_request", real)
            return found[0]

        return requested

    def test_build_arguments_may_come_from_the_environment(self, request_of, monkeypatch):
        monkeypatch.setenv("SET", "outside")
        monkeypatch.delenv("UNSET", raising=False)
        options = ("--build-arg", "A=1", "--build-arg", "SET", "--build-arg", "UNSET")
        assert request_of(*options).build_args == {"A": "1", "SET": "outside"}

    def test_the_epoch_comes_from_the_environment_unless_an_argument_says_it(
        self, request_of, monkeypatch
    ):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "123")
        assert request_of().epoch == 123
        request = request_of("--build-arg", "SOURCE_DATE_EPOCH=5")
        assert (request.epoch, request.build_args) == (None, {"SOURCE_DATE_EPOCH": "5"})

    def test_an_epoch_that_is_no_number_is_an_error(self, run, monkeypatch):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
        status, _, err = run("build", ".")
        assert status == 2 and "is not a number of seconds since 1970" in err

    def test_secrets_of_files_and_variables(self, request_of, monkeypatch, tmp_path):
        (tmp_path / "file").write_bytes(b"from file\n")
        monkeypatch.setenv("VARIABLE", "from variable")
        monkeypatch.setenv("named", "like the id")
        request = request_of(
            *("--secret", f"id=f,src={tmp_path}/file"),
            *("--secret", "id=v,env=VARIABLE"),
            *("--secret", "id=named"),
        )
        assert request.secrets == {
            "f": b"from file\n",
            "v": b"from variable",
            "named": b"like the id",
        }

    def test_secrets_are_not_in_the_text_of_a_request(self, request_of, monkeypatch):
        monkeypatch.setenv("named", "hunter2")
        assert "hunter2" not in repr(request_of("--secret", "id=named"))

    def test_agents(self, request_of, monkeypatch):
        monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
        request = request_of("--ssh", "default", "--ssh", "other=/run/other")
        assert request.agents == {"default": "/run/agent", "other": "/run/other"}

    def test_the_rest(self, request_of):
        request = request_of(
            *("-t", "a", "-t", "b:1", "--target", "x", "--label", "l=1=2", "--no-cache"),
            *("--build-context", "c=./dir", "--platform", "arm64", "--compression", "zstd"),
            *("--compression-level", "9", "--allow", "network.host", "--parallel", "3"),
        )
        assert request.names == ("a", "b:1")
        assert request.target == "x"
        assert request.labels == {"l": "1=2"}
        assert request.contexts == {"c": "./dir"}
        assert str(request.platform) == "linux/arm64"
        assert (request.compression.kind, request.compression.level) == ("zstd", 9)
        assert request.no_cache and request.parallel == 3
        assert request.allow == {"network.host"}
