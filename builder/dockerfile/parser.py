"""From statements to typed instructions, grouped into stages.

`parse` checks everything that needs no variables: names, flags, numbers of arguments.
What may hold variables (mount options, modes, ports, stage references) is checked by `resolve`.
"""

from __future__ import annotations

import re

from builder.dockerfile import flags, golang, mounts
from builder.dockerfile import instructions as ast
from builder.dockerfile.arguments import SHAPES
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.flags import Flags
from builder.dockerfile.heredocs import parse_heredoc
from builder.dockerfile.statements import Statement, Statements, read_statements
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*\Z")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)
_NETWORKS = ("default", "none", "host")
_SECURITY = ("sandbox", "insecure")
_LEAST_INTERVAL = 1_000_000  # a millisecond


def parse(source: bytes | str, filename: str = "Dockerfile") -> ast.Dockerfile:
    """Parse a Dockerfile.

    Args:
        source: the file's content. Bytes that are not UTF-8 are kept (PEP 383).
        filename: shown in errors.

    Raises:
        DockerfileError: always with the line; with the column when one word is at fault.
    """
    if not source:
        raise DockerfileError("the Dockerfile cannot be empty", phase="lines").within(filename, ())
    read = read_statements(source, filename)
    try:
        return _group(read, filename)
    except DockerfileError as error:
        raise error.within(filename, read.lines) from None


def parse_trigger(trigger: str, of: ast.From) -> ast.Instruction:
    """Parse an ONBUILD trigger as an instruction that stands where FROM does.

    Raises DockerfileError (at FROM's lines) when it is not exactly one valid instruction.
    """
    try:
        read = read_statements(trigger, "ONBUILD")
        if len(read.statements) != 1:
            raise DockerfileError("onbuild trigger should be a single expression")
        parsed = parse_instruction(read.statements[0].replace(range=of.range))
    except DockerfileError as error:
        error.range, error.lines, error.near, error.columns = of.range, (), of.base, None
        error.phase, error.line = "conversion", of.range.start
        error.hint = f"the base image's ONBUILD trigger is: {trigger.splitlines()[0]}"
        raise error from None
    if isinstance(parsed, ast.From):
        raise DockerfileError("FROM isn't allowed as an ONBUILD trigger", of.range, near=of.base)
    return parsed


def _group(read: Statements, filename: str) -> ast.Dockerfile:
    global_args: list[ast.Arg] = []
    stages: list[tuple[ast.From, list[ast.Instruction]]] = []
    for statement in read.statements:
        instruction = parse_instruction(statement)
        if isinstance(instruction, ast.From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, ast.Arg):
            global_args.append(instruction)
        else:
            raise DockerfileError(
                "no build stage in current context",
                statement.range,
                near=statement.name,
                hint="only ARG may stand before the first FROM",
            )
    return ast.Dockerfile(
        filename,
        read.lines,
        read.directives,
        read.escape,
        tuple(global_args),
        tuple(ast.StageSource(start, tuple(body)) for start, body in stages),
        tuple(ast.EmptyContinuation(line, text) for line, text in read.empty_continuations),
    )


def parse_instruction(statement: Statement) -> ast.Instruction:
    """The typed instruction of a statement.

    Raises DockerfileError for an unknown name, wrong flags, wrong arguments.
    """
    read = _READERS.get(statement.name.lower())
    if read is None:
        names = [*(name.upper() for name in SHAPES), "ONBUILD"]
        raise DockerfileError(
            f"unknown instruction: {statement.name}",
            statement.range,
            near=statement.name,
            suggestion=did_you_mean(statement.name, sorted(names), ignore_case=True),
            phase="instruction",
        )
    common = {
        "keyword": statement.name,
        "range": statement.range,
        "text": statement.text.strip(golang.SPACE),
        "heredocs": statement.heredocs,
        "comments": statement.comments,
    }
    try:
        return read(statement, common)
    except DockerfileError as error:
        raise error.at(statement.range) from None


def _wrong(message: str, near: str = "", hint: str = "") -> DockerfileError:
    return DockerfileError(message, near=near, phase="instruction", hint=hint)


def _accept(statement: Statement, **accepted: str) -> Flags:
    return Flags({name.replace("_", "-"): kind for name, kind in accepted.items()}, statement.flags)


def _at_least_one(statement: Statement) -> tuple[str, ...]:
    if not statement.arguments.values:
        raise _wrong(f"{statement.name.upper()} requires at least one argument", statement.name)
    return statement.arguments.values


def _exactly_one(statement: Statement) -> str:
    if len(statement.arguments.values) != 1:
        raise _wrong(f"{statement.name.upper()} requires exactly one argument", statement.name)
    return statement.arguments.values[0]


def _description(comments: tuple[str, ...], name: str) -> str:
    """The rest of the comment line that begins with a definition's name."""
    if name:
        for comment in comments:
            if comment.startswith(name + " "):
                return comment[len(name) + 1 :]
    return ""


# One reader per instruction: the statement, and the fields all instructions share.


def _from(statement: Statement, common: Mapping[str, Any]) -> ast.From:
    words = statement.arguments.values
    name = written = as_keyword = ""
    if len(words) == 3 and words[1].lower() == "as":
        as_keyword, written = words[1:]
        name = written.lower()
        if not _STAGE_NAME.match(name):
            raise _wrong(
                f"invalid name for build stage: {golang.quote(written)},"
                " name can't start with a number or contain symbols",
                written,
            )
    elif len(words) != 1:
        raise _wrong(
            "FROM requires either one or three arguments",
            hint="write FROM image or FROM image AS name",
        )
    given = _accept(statement, platform=flags.TEXT)
    return ast.From(
        **common,
        base=words[0],
        name=name,
        platform=given.text("platform"),
        description=_description(statement.comments, name),
        as_keyword=as_keyword,
        name_as_written=written,
    )


def _arg(statement: Statement, common: Mapping[str, Any]) -> ast.Arg:
    definitions = []
    for word in _at_least_one(statement):
        name, equals, default = word.partition("=")
        if equals and not name:
            raise _wrong("ARG names can not be blank", word)
        definitions.append(
            ast.Definition(
                name, default if equals else None, _description(statement.comments, name)
            )
        )
    return ast.Arg(**common, definitions=tuple(definitions))


def _pairs(statement: Statement) -> tuple[ast.Pair, ...]:
    _accept(statement)
    values = _at_least_one(statement)
    pairs = tuple(
        ast.Pair(values[i], values[i + 1], legacy=not values[i + 2])
        for i in range(0, len(values), 3)
    )
    for pair in pairs:
        if not pair.name:
            raise _wrong(f"{statement.name.upper()} names can not be blank", f"={pair.value}")
    return pairs


def _env(statement: Statement, common: Mapping[str, Any]) -> ast.Env:
    return ast.Env(**common, pairs=_pairs(statement))


def _label(statement: Statement, common: Mapping[str, Any]) -> ast.Label:
    return ast.Label(**common, pairs=_pairs(statement))


def _maintainer(statement: Statement, common: Mapping[str, Any]) -> ast.Maintainer:
    author = _exactly_one(statement)
    _accept(statement)
    return ast.Maintainer(**common, author=author)


def _transfer(statement: Statement) -> dict[str, Any]:
    """Sources, files and destination."""
    name = statement.name.upper()
    *sources, destination = statement.arguments.values
    if _is_heredoc(destination):
        raise _wrong(f"{name} cannot accept a heredoc as a destination", destination)
    bodies = {heredoc.name: heredoc for heredoc in statement.heredocs}
    paths, files = [], []
    for source in sources:
        heredoc = _is_heredoc(source)
        if heredoc:
            body = bodies.get(heredoc.name, heredoc)
            text = heredoc.replace(body=body.body).text
            files.append(ast.InlineFile(heredoc.name, text, heredoc.expand))
        else:
            paths.append(source)
    return {"sources": tuple(paths), "files": tuple(files), "destination": destination}


def _is_heredoc(word: str) -> Any:
    try:
        return parse_heredoc(word)
    except DockerfileError:
        return None


def _two_arguments(statement: Statement) -> None:
    if len(statement.arguments.values) < 2:
        raise _wrong(
            f"{statement.name.upper()} requires at least two arguments, but only one was provided."
            " Destination could not be determined",
            statement.name,
        )


def _copy(statement: Statement, common: Mapping[str, Any]) -> ast.Copy:
    _two_arguments(statement)
    given = _accept(
        statement,
        chown=flags.TEXT,
        **{"from": flags.TEXT},
        chmod=flags.TEXT,
        link=flags.BOOLEAN,
        exclude=flags.LIST,
        parents=flags.BOOLEAN,
    )
    return ast.Copy(
        **common,
        **_transfer(statement),
        chown=given.text("chown"),
        chmod=given.text("chmod"),
        link=bool(given.boolean("link")),
        excludes=given.list("exclude"),
        from_=given.text("from"),
        parents=bool(given.boolean("parents")),
    )


def _add(statement: Statement, common: Mapping[str, Any]) -> ast.Add:
    _two_arguments(statement)
    given = _accept(
        statement,
        chown=flags.TEXT,
        chmod=flags.TEXT,
        link=flags.BOOLEAN,
        keep_git_dir=flags.BOOLEAN,
        checksum=flags.TEXT,
        unpack=flags.BOOLEAN,
        exclude=flags.LIST,
    )
    return ast.Add(
        **common,
        **_transfer(statement),
        chown=given.text("chown"),
        chmod=given.text("chmod"),
        link=bool(given.boolean("link")),
        excludes=given.list("exclude"),
        checksum=given.text("checksum"),
        unpack=given.boolean("unpack"),
        keep_git_dir=given.boolean("keep-git-dir"),
    )


def _run(statement: Statement, common: Mapping[str, Any]) -> ast.Run:
    given = _accept(
        statement,
        mount=flags.LIST,
        network=flags.TEXT,
        security=flags.TEXT,
        device=flags.LIST,
    )
    network = given.text("network", "default")
    if network not in _NETWORKS:
        raise DockerfileError(
            f"invalid network mode {golang.quote(network)}",
            near=f"--network={network}",
            suggestion=did_you_mean(network, _NETWORKS),
            phase="instruction",
        )
    security = given.text("security", "sandbox")
    if security not in _SECURITY:
        raise DockerfileError(
            f"security {golang.quote(security)} is not valid",
            near=f"--security={security}",
            suggestion=did_you_mean(security, _SECURITY),
            phase="instruction",
        )
    for mount in given.list("mount"):
        mounts.check_before_expansion(mount)
    return ast.Run(
        **common,
        words=statement.arguments.values,
        is_json=statement.arguments.is_json,
        mounts=given.list("mount"),
        network=network,
        security=security,
        devices=given.list("device"),
    )


def _cmd(statement: Statement, common: Mapping[str, Any]) -> ast.Cmd:
    _accept(statement)
    return ast.Cmd(**common, words=statement.arguments.values, is_json=statement.arguments.is_json)


def _entrypoint(statement: Statement, common: Mapping[str, Any]) -> ast.Entrypoint:
    _accept(statement)
    return ast.Entrypoint(
        **common, words=statement.arguments.values, is_json=statement.arguments.is_json
    )


def _shell(statement: Statement, common: Mapping[str, Any]) -> ast.Shell:
    _accept(statement)
    words = _at_least_one(statement)
    if not statement.arguments.is_json:
        raise _wrong(
            "SHELL requires the arguments to be in JSON form",
            words[0],
            hint='write SHELL ["/bin/sh", "-c"]',
        )
    return ast.Shell(**common, words=words)


def _expose(statement: Statement, common: Mapping[str, Any]) -> ast.Expose:
    ports = _at_least_one(statement)
    _accept(statement)
    return ast.Expose(**common, ports=tuple(sorted(ports)))


def _user(statement: Statement, common: Mapping[str, Any]) -> ast.User:
    user = _exactly_one(statement)
    _accept(statement)
    return ast.User(**common, user=user)


def _workdir(statement: Statement, common: Mapping[str, Any]) -> ast.Workdir:
    path = _exactly_one(statement)
    _accept(statement)
    return ast.Workdir(**common, path=path)


def _volume(statement: Statement, common: Mapping[str, Any]) -> ast.Volume:
    values = _at_least_one(statement)
    _accept(statement)
    paths = tuple(path.strip(golang.SPACE) for path in values)
    if "" in paths:
        raise _wrong("VOLUME specified can not be an empty string", '""')
    return ast.Volume(**common, paths=paths)


def _stopsignal(statement: Statement, common: Mapping[str, Any]) -> ast.Stopsignal:
    signal = _exactly_one(statement)
    return ast.Stopsignal(**common, signal=signal)


def _healthcheck(statement: Statement, common: Mapping[str, Any]) -> ast.Healthcheck:
    written, *words = _at_least_one(statement)
    kind = written.upper()
    if kind == "NONE":
        if words:
            raise _wrong("HEALTHCHECK NONE takes no arguments", words[0])
        return ast.Healthcheck(
            **common,
            test=("NONE",),
            interval=0,
            timeout=0,
            start_period=0,
            start_interval=0,
            retries=0,
        )
    given = _accept(
        statement,
        interval=flags.TEXT,
        timeout=flags.TEXT,
        start_period=flags.TEXT,
        start_interval=flags.TEXT,
        retries=flags.TEXT,
    )
    if kind != "CMD":
        raise _wrong(f"Unknown type {golang.quote(kind)} in HEALTHCHECK (try CMD)", written)
    if not words:
        raise _wrong("Missing command after HEALTHCHECK CMD", written)
    return ast.Healthcheck(
        **common,
        test=("CMD" if statement.arguments.is_json else "CMD-SHELL", *words),
        interval=_interval(given, "interval"),
        timeout=_interval(given, "timeout"),
        start_period=_interval(given, "start-period"),
        start_interval=_interval(given, "start-interval"),
        retries=_retries(given.text("retries")),
    )


def _interval(given: Flags, name: str) -> int:
    text = given.text(name)
    if not text:
        return 0
    try:
        value = golang.parse_duration(text)
    except ValueError as why:
        raise _wrong(str(why), f"--{name}={text}", hint="write a duration like 1m30s") from None
    if value and value < _LEAST_INTERVAL:
        raise _wrong(f'Interval "{name}" cannot be less than 1ms', f"--{name}={text}")
    return value


def _retries(text: str) -> int:
    if not text:
        return 0
    value = golang.parse_int(text)
    near = f"--retries={text}"
    if value is None:
        raise _wrong(f"strconv.ParseInt: parsing {golang.quote(text)}: invalid syntax", near)
    if value < 0:
        raise _wrong(f"--retries cannot be negative ({value})", near)
    if value >= 2**31:
        raise _wrong(f"strconv.ParseInt: parsing {golang.quote(text)}: value out of range", near)
    return value


def _onbuild(statement: Statement, common: Mapping[str, Any]) -> ast.Onbuild:
    if statement.nested is None:
        raise _wrong("ONBUILD requires at least one argument", statement.name)
    _accept(statement)
    trigger = statement.nested.name.upper()
    if trigger == "ONBUILD":
        raise _wrong("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", statement.nested.name)
    if trigger in ("MAINTAINER", "FROM"):
        raise _wrong(f"{trigger} isn't allowed as an ONBUILD trigger", statement.nested.name)
    text = _ONBUILD.sub("", statement.text, count=1)
    for heredoc in statement.heredocs:
        text += f"\n{heredoc.body}{heredoc.name}"
    return ast.Onbuild(**common, trigger=text)


_READERS: Mapping[str, Callable[[Statement, Mapping[str, Any]], ast.Instruction]] = {
    "add": _add,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stopsignal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
