"""RUN: the process, its mounts, its here-documents."""

from __future__ import annotations

import posixpath

from builder.dockerfile import golang
from builder.dockerfile import instructions as ast
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode
from builder.dockerfile.heredocs import parse_heredoc
from builder.dockerfile.mounts import MountOptions, parse_mount
from builder.dockerfile.steps import (
    BindMount,
    CacheMount,
    InlineFiles,
    MainContext,
    RunStep,
    Scratch,
    SecretMount,
    SshMount,
    TmpfsMount,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.dockerfile.stage_state import StageState
    from builder.dockerfile.steps import Mount, Origin

_SCRIPTS = "/dev/pipes"
"""Where a here-document with a `#!` line is put to be executed."""


def read_run(state: StageState, instruction: ast.Run) -> None:
    """Append the step of a RUN. Raises DockerfileError."""
    options = [
        parse_mount(text, lambda word: state.expand(word, instruction))
        for text in instruction.mounts
    ]
    words, inline = _command(state, instruction)
    args = words if instruction.is_json else (*state.shell(), " ".join(words))
    mounts = [*inline, *_mounts(state, instruction, options)]
    if instruction.devices:
        raise DockerfileError(
            "device feature is only supported in Dockerfile frontend 1.14.0-labs or later",
            near="--device",
        )
    if not args:
        raise DockerfileError("arguments are required", near="[]")
    env = dict(state.env)
    agent = next((mount.target for mount in mounts if isinstance(mount, SshMount)), None)
    if agent:
        env.setdefault("SSH_AUTH_SOCK", agent)
    history = state.commit(f"RUN {_history(state, args)} # buildkit", has_layer=True)
    state.steps.append(
        RunStep(
            instruction,
            history,
            _title(state, instruction, options),
            state.from_onbuild,
            args,
            tuple(f"{name}={value}" for name, value in env.items()),
            state.settings.proxy_env,
            state.cwd or "/",
            state.user,
            tuple(mounts),
            instruction.network,
            instruction.security,
        )
    )


def _command(state: StageState, instruction: ast.Run) -> tuple[tuple[str, ...], list[Mount]]:
    """What the shell (or, in exec form, the kernel) gets, and files it needs for that."""
    if not instruction.heredocs:
        return instruction.words, []
    line = instruction.words[0]
    if parse_heredoc(line) is None:
        # The shell reads the here-documents itself: give it back what was taken from the line.
        bodies = (f"\n{heredoc.body}{heredoc.name}" for heredoc in instruction.heredocs)
        return (line + "".join(bodies),), []
    first = instruction.heredocs[0]
    if not first.text.startswith("#!") or state.image.platform.os == "windows":
        return (first.text,), []
    content = first.text.encode("utf-8", "surrogateescape")
    return (f"{_SCRIPTS}/{first.name}",), [InlineFiles(_SCRIPTS, ((first.name, content, 0o755),))]


def _history(state: StageState, args: tuple[str, ...]) -> str:
    """`|2 A=1 B= /bin/sh -c cmd`: the declared ARGs with their values, then the process."""
    values: dict[str, str] = {}
    for name, value in state.build_args:
        values[name] = state.env.get(name, value or "")
    shown = [f"{name}={value}" for name, value in values.items()]
    return " ".join([f"|{len(shown)}", *shown, *args] if shown else args)


def _title(state: StageState, instruction: ast.Run, options: list[MountOptions]) -> str:
    """The line with its variables, a secret's as `****`, and how a here-document begins."""
    text = instruction.text
    if instruction.heredocs and parse_heredoc(instruction.words[0]):
        lines = instruction.heredocs[0].body.strip(golang.SPACE).replace("\r\n", "\n").split("\n")
        text += f" ({lines[0]}{'...' * (len(lines) > 1)})"
    secrets = {mount.env: "****" for mount in options if mount.type == "secret" and mount.env}
    mode = Mode(state.settings.escape, keep_quotes=True, keep_undefined=True)
    return state.title(text, mode, {**state.env, **secrets})


def _mounts(
    state: StageState, instruction: ast.Run, all_options: list[MountOptions]
) -> list[Mount]:
    mounts: list[Mount] = []
    agents = 0
    for options in all_options:
        if options.from_ and options.type in ("bind", "cache", "tmpfs"):
            origin: Origin = state.source_of(options.from_, options.target)
        else:
            origin = Scratch() if options.type == "cache" else MainContext()
        if options.type == "secret":
            mounts.append(_secret(state, instruction, options))
        elif options.type == "ssh":
            mounts.append(_ssh(state, instruction, options, agents))
            agents += 1
        else:
            mounts.append(_files(state, options, origin))
    return mounts


def _files(state: StageState, options: MountOptions, origin: Origin) -> Mount:
    target = options.target
    if not target.startswith("/"):
        target = golang.join_path("/", state.cwd, target)
    if target == "/":
        raise DockerfileError(
            'invalid mount target "/"',
            near=f"--mount=type={options.type}" if not options.target else options.target,
            hint="name a directory with target=",
        )
    source = golang.join_path("/", options.source)
    readonly = bool(options.readonly)
    if options.type == "tmpfs":
        return TmpfsMount(target, options.size, readonly)
    if options.type == "bind":
        return BindMount(target, origin, source, readonly)
    return CacheMount(
        target,
        options.id or golang.clean_path(options.target),
        options.sharing or "shared",
        readonly,
        origin,
        source,
        0o755 if options.mode is None else options.mode,
        options.uid or 0,
        options.gid or 0,
    )


def _secret(state: StageState, instruction: ast.Run, options: MountOptions) -> SecretMount:
    id_ = options.source or options.id or posixpath.basename(options.target.rstrip("/")) or "/"
    target: str | None = options.target or None
    if options.env is None and target is None:
        target = f"/run/secrets/{posixpath.basename(id_.rstrip('/')) or '/'}"
    state.secrets.setdefault(id_, (options.required, instruction.range))
    return SecretMount(
        id_,
        target,
        None if options.env is None else options.env or id_,
        options.required,
        0o400 if options.mode is None else options.mode,
        options.uid or 0,
        options.gid or 0,
    )


def _ssh(state: StageState, instruction: ast.Run, options: MountOptions, number: int) -> SshMount:
    if options.source:
        raise DockerfileError("ssh does not support source", near="source=")
    id_ = options.id or "default"
    state.ssh.setdefault(id_, (options.required, instruction.range))
    return SshMount(
        id_,
        options.target or f"/run/buildkit/ssh_agent.{number}",
        options.required,
        0o600 if options.mode is None else options.mode,
        options.uid or 0,
        options.gid or 0,
    )
