"""Instructions that change only the image's configuration, and WORKDIR."""

from __future__ import annotations

import re

from builder.dockerfile import golang
from builder.dockerfile import instructions as ast
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode, process_words
from builder.dockerfile.ports import parse_port
from builder.dockerfile.scopes import CONTROL_ARGS
from builder.dockerfile.steps import Declared, MetadataStep, WorkdirStep
from builder.dockerfile.stopsignals import check_stop_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from builder.dockerfile.stage_state import StageState

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


def _metadata(state: StageState, instruction: ast.Instruction, created_by: str) -> None:
    history = state.commit(created_by, has_layer=False)
    title = f"{instruction.keyword.upper()} {created_by.partition(' ')[2]}".rstrip()
    state.steps.append(MetadataStep(instruction, history, title, state.from_onbuild))


def _shown_pairs(pairs: list[tuple[str, str]]) -> str:
    return "".join(f" {name}={value}" for name, value in pairs)


def _expand_pairs(state: StageState, instruction: ast.Env | ast.Label) -> list[tuple[str, str]]:
    """Names and values; every word sees the variables as they were before the line."""
    return [
        (state.expand(pair.name, instruction), state.expand(pair.value, instruction))
        for pair in instruction.pairs
    ]


def _report_legacy(state: StageState, instruction: ast.Env | ast.Label) -> None:
    for pair in instruction.pairs:
        if pair.legacy:
            state.report("LegacyKeyValueFormat", instruction, name=instruction.keyword)


def _report_secret(state: StageState, instruction: ast.Instruction, kind: str, name: str) -> None:
    if _SECRET.search(name) and not _NOT_SECRET.search(name):
        state.report("SecretsUsedInArgOrEnv", instruction, keyword=kind, name=golang.quote(name))


def _env(state: StageState, instruction: ast.Env) -> None:
    pairs = _expand_pairs(state, instruction)
    _report_legacy(state, instruction)
    for name, value in pairs:
        _report_secret(state, instruction, "ENV", name)
        state.set_env(name, value)
        state.image.set_env(name, value)
    _metadata(state, instruction, "ENV" + _shown_pairs(pairs))


def _label(state: StageState, instruction: ast.Label) -> None:
    pairs = _expand_pairs(state, instruction)
    _report_legacy(state, instruction)
    for name, value in pairs:
        state.image.add("Labels", {name: value})
    _metadata(state, instruction, "LABEL" + _shown_pairs(pairs))


def _arg(state: StageState, instruction: ast.Arg) -> None:
    shown = []
    settings = state.settings
    for definition in instruction.definitions:
        name, value = definition.name, definition.default
        _report_secret(state, instruction, "ARG", name)
        inherited = value is None and name not in settings.build_args
        if inherited:
            value = settings.scope.values.get(name)
        elif name in settings.build_args:
            value = settings.build_args[name]
        elif value is not None:
            value = state.expand(value, instruction)
        if value is not None and name not in CONTROL_ARGS:
            state.set_env(name, value)
        outer = settings.scope.declared.get(name)
        if inherited and outer:
            state.declared[name] = Declared(name, outer.value or "", outer.description, outer.range)
        elif not inherited or value is None:
            state.declared[name] = Declared(
                name, value or "", definition.description, instruction.range
            )
        state.build_args.append((name, value))
        shown.append(name if value is None else f"{name}={value}")
    _metadata(state, instruction, "ARG " + " ".join(shown))


def _maintainer(state: StageState, instruction: ast.Maintainer) -> None:
    state.image.author = instruction.author
    _metadata(state, instruction, f"MAINTAINER {instruction.author}")


def _user(state: StageState, instruction: ast.User) -> None:
    state.user = state.expand(instruction.user, instruction)
    state.image.config["User"] = state.user
    _metadata(state, instruction, f"USER {state.user}")


def _expose(state: StageState, instruction: ast.Expose) -> None:
    mode = Mode(state.settings.escape)
    words = [word for port in instruction.ports for word in process_words(port, state.env, mode)]
    exposed: list[str] = []
    for word in words:
        spec = parse_port(word)
        if spec.protocol != spec.protocol.lower():
            state.report("ExposeProtoCasing", instruction, port=word)
        if spec.has_host:
            state.report("ExposeInvalidFormat", instruction, port=word)
        exposed += spec.ports
    state.image.add("ExposedPorts", {port: {} for port in exposed})
    _metadata(state, instruction, f"EXPOSE {golang.show_list(exposed)}")


def _volume(state: StageState, instruction: ast.Volume) -> None:
    paths = [state.expand(path, instruction) for path in instruction.paths]
    for path in paths:
        if not path:
            raise DockerfileError("VOLUME specified can not be an empty string")
        state.image.add("Volumes", {path: {}})
    _metadata(state, instruction, f"VOLUME {golang.show_list(paths)}")


def _stopsignal(state: StageState, instruction: ast.Stopsignal) -> None:
    signal = state.expand(instruction.signal, instruction)
    check_stop_signal(signal)
    state.image.config["StopSignal"] = signal
    _metadata(state, instruction, f"STOPSIGNAL {signal}")


def _shell(state: StageState, instruction: ast.Shell) -> None:
    state.image.config["Shell"] = list(instruction.words)
    _metadata(state, instruction, f"SHELL {golang.show_list(instruction.words)}")


def _report_repeated(state: StageState, instruction: ast.Instruction, kind: str) -> None:
    """Only the last CMD, ENTRYPOINT and HEALTHCHECK counts: report the one before."""
    earlier = state.seen.get(kind)
    if earlier:
        state.report(
            "MultipleInstructionsDisallowed", instruction, at=earlier, name=instruction.keyword
        )
    state.seen[kind] = instruction.range


def _process(state: StageState, instruction: ast.CommandLine) -> list[str]:
    if instruction.is_json:
        return list(instruction.words)
    if not state.image.words("Shell"):
        state.report("JSONArgsRecommended", instruction, name=instruction.keyword)
    return [*state.shell(), " ".join(instruction.words)]


def _cmd(state: StageState, instruction: ast.Cmd) -> None:
    _report_repeated(state, instruction, "CMD")
    args = _process(state, instruction)
    state.image.config["Cmd"] = args
    # Deprecated in image-spec, but Docker on Windows reads it, and BuildKit writes it always.
    state.image.config["ArgsEscaped"] = True
    _metadata(state, instruction, f"CMD {golang.quote_list(args)}")


def _entrypoint(state: StageState, instruction: ast.Entrypoint) -> None:
    _report_repeated(state, instruction, "ENTRYPOINT")
    args = _process(state, instruction)
    state.image.config["Entrypoint"] = args
    if "CMD" not in state.seen:  # an inherited CMD was meant for the inherited ENTRYPOINT
        state.image.config.pop("Cmd", None)
    _metadata(state, instruction, f"ENTRYPOINT {golang.quote_list(args)}")


def _healthcheck(state: StageState, instruction: ast.Healthcheck) -> None:
    _report_repeated(state, instruction, "HEALTHCHECK")
    durations = {
        "Interval": instruction.interval,
        "Timeout": instruction.timeout,
        "StartPeriod": instruction.start_period,
        "StartInterval": instruction.start_interval,
    }
    config = {"Test": list(instruction.test), **durations, "Retries": instruction.retries}
    state.image.config["Healthcheck"] = {name: value for name, value in config.items() if value}
    shown = "".join(f" {name}:{golang.show_duration(value)}" for name, value in durations.items())
    test = golang.show_list(instruction.test)
    _metadata(
        state, instruction, f"HEALTHCHECK {{Test:{test}{shown} Retries:{instruction.retries}}}"
    )


def _onbuild(state: StageState, instruction: ast.Onbuild) -> None:
    state.image.config["OnBuild"] = [*state.image.words("OnBuild"), instruction.trigger]
    title = f"ONBUILD {instruction.trigger}"
    state.steps.append(MetadataStep(instruction, None, title, state.from_onbuild))


def _workdir(state: StageState, instruction: ast.Workdir) -> None:
    path = state.expand(instruction.path, instruction)
    if not state.workdir_was_set and not path.startswith("/"):
        state.report("WorkdirRelativePath", instruction, path=golang.quote(path))
    state.workdir_was_set = True
    change_directory(state, path)
    has_layer = state.cwd != "/"
    history = state.commit(f"WORKDIR {state.cwd}", has_layer=has_layer)
    title = state.title(instruction.text, Mode(state.settings.escape))
    if has_layer:
        state.steps.append(
            WorkdirStep(
                instruction,
                history,
                title,
                state.from_onbuild,
                golang.clean_path(state.cwd),
                state.user,
            )
        )
    else:
        state.steps.append(MetadataStep(instruction, history, title, state.from_onbuild))


def change_directory(state: StageState, path: str) -> None:
    """Set the working directory; a relative path starts at the current one.

    An absolute path is taken as it is written: the reference does not clean it.
    """
    current = golang.join_path("/", state.image.text("WorkingDir"))
    state.cwd = path if path.startswith("/") else golang.join_path(current, path)
    state.image.config["WorkingDir"] = state.cwd


READERS: Mapping[type[ast.Instruction], Callable[[StageState, Any], None]] = {
    ast.Arg: _arg,
    ast.Cmd: _cmd,
    ast.Entrypoint: _entrypoint,
    ast.Env: _env,
    ast.Expose: _expose,
    ast.Healthcheck: _healthcheck,
    ast.Label: _label,
    ast.Maintainer: _maintainer,
    ast.Onbuild: _onbuild,
    ast.Shell: _shell,
    ast.Stopsignal: _stopsignal,
    ast.User: _user,
    ast.Volume: _volume,
    ast.Workdir: _workdir,
}
"""The reader of every instruction that has no file contents to deal with."""
