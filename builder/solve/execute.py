"""Executing one step: its files go in, a layer comes out (None when nothing changed)."""

from __future__ import annotations

import os
from contextlib import ExitStack

from builder.container_defaults import CAPABILITIES
from builder.context.tree import Tree
from builder.dockerfile import (
    CopyStep,
    DockerfileError,
    GitSource,
    HttpSource,
    InlineSource,
    PathSource,
    RunStep,
    WorkdirStep,
    host_platform,
)
from builder.errors import StepFailedError
from builder.execute import accounts
from builder.execute.archives import extracted
from builder.execute.caches import CacheDirectories
from builder.execute.container import run_container
from builder.execute.copy import Placement, place_content, place_matches
from builder.execute.destination import Destination, Planned
from builder.execute.mounts import Prepared, Sources, prepare_mounts
from builder.execute.network import network_files
from builder.execute.sandbox import Process, Sandbox, config, standard_mounts
from builder.execute.seccomp import default_filter, kernel_version
from builder.execute.stubs import MountStubs
from builder.layer.entry import FILE
from builder.layer.ownership import in_user_namespace
from builder.layer.write import write_layer
from builder.rootless import setgroups_is_denied
from builder.solve.containers import container_id, state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from builder.context.select import Match
    from builder.dockerfile.steps import Origin
    from builder.graph import Vertex
    from builder.layer import Layer
    from builder.layer.entry import Entry
    from builder.solve.reads import Reads
    from builder.solve.results import Result
    from builder.solve.session import Session

ENTITLEMENTS = {"host": "network.host", "insecure": "security.insecure"}


def execute(
    vertex: Vertex,
    parent: Result,
    reads: Reads,
    session: Session,
    output: Callable[[bytes], None],
) -> Layer | None:
    """Do what a step says.

    Args:
        vertex: the step.
        parent: the files it starts from.
        reads: what else it reads.
        session: of the build.
        output: takes what a process writes.

    Raises DockerfileError without a place, StepFailedError, ContextError, Cancelled.
    """
    step = vertex.step
    if isinstance(step, CopyStep):
        return _copy(step, parent, reads, session)
    if isinstance(step, WorkdirStep):
        return _workdir(step, parent, session)
    assert isinstance(step, RunStep)
    return _run(step, parent, reads, session, output)


def _lower(parent: Result, session: Session) -> Tree | None:
    return session.files.view(parent, "the files of the stage") if parent.layers else None


def _write(destination: Destination, session: Session) -> Layer | None:
    entries = destination.entries(session.epoch)
    if not entries:
        return None

    def checked() -> Iterator[Entry]:
        for entry in entries:
            session.cancellation.check()
            yield entry

    return write_layer(session.store.layout, checked(), session.compression)


def _workdir(step: WorkdirStep, parent: Result, session: Session) -> Layer | None:
    lower = _lower(parent, session)
    destination = Destination(lower, session.clock)
    owner = (0, 0)
    if step.user and lower is not None:
        who = accounts.account(step.user, lower)
        owner = who.uid, who.gid
    elif step.user:
        owner = accounts.owner(step.user, None)
    destination.make_directories(destination.resolve(step.path), 0o755, owner)
    return _write(destination, session)


def _copy(step: CopyStep, parent: Result, reads: Reads, session: Session) -> Layer | None:
    lower = None if step.link else _lower(parent, session)
    destination = Destination(lower, session.clock)
    owner = accounts.owner(step.chown, lower) if step.chown else None
    placement = Placement.of(step, owner)
    with ExitStack() as stack:
        for source in step.sources:
            if isinstance(source, PathSource):
                for match in reads.matches(source):
                    _place(destination, match, placement, source.unpack, session, stack)
            elif isinstance(source, InlineSource):
                planned = Planned(
                    FILE, 0o644, 0, 0, session.clock, len(source.content), content=source.content
                )
                place_content(destination, source.name, planned, placement)
            elif isinstance(source, HttpSource):
                _place_download(destination, source, placement, reads, session, stack)
            else:
                assert isinstance(source, GitSource)
                raise DockerfileError(
                    "ADD of a git repository is not supported by this version",
                    near=source.git.remote,
                    hint="clone it into the build context, or in a RUN",
                )
        return _write(destination, session)


def _place(
    destination: Destination,
    match: Match,
    placement: Placement,
    unpack: bool,
    session: Session,
    stack: ExitStack,
) -> None:
    if unpack and not match.is_directory and match.files:
        item = match.files[0]
        number = match.tree.open(item.path) if item.stat.st_size else -1
        if number >= 0:
            with open(number, "rb") as file:
                where = extracted(file, session.directory, item.path)
            if where is not None:
                _place_archive(destination, where, placement, stack)
                return
    place_matches(destination, [match], placement)


def _place_archive(
    destination: Destination, where: str, placement: Placement, stack: ExitStack
) -> None:
    """Place the contents of an unpacked archive: they keep their permissions, and may replace."""
    from builder.context.select import select

    tree = stack.enter_context(Tree(where, "the archive"))
    directory = placement.destination.rstrip("/") + "/"
    unpacked = Placement(directory, placement.owner, None, replaces=True)
    place_matches(destination, select(tree, "/", required=True), unpacked)


def _place_download(
    destination: Destination,
    source: HttpSource,
    placement: Placement,
    reads: Reads,
    session: Session,
    stack: ExitStack,
) -> None:
    download = reads.download(source)
    if source.unpack:
        with open(download.path, "rb") as file:
            where = extracted(file, session.directory, source.url)
        if where is not None:
            _place_archive(destination, where, placement, stack)
            return
    planned = Planned(
        FILE,
        0o600,
        0,
        0,
        session.clock if download.mtime is None else download.mtime,
        download.size,
        content=lambda: os.open(download.path, os.O_RDONLY | os.O_CLOEXEC),
    )
    place_content(destination, download.name, planned, placement)


def _check_entitled(step: RunStep, session: Session) -> None:
    for value in (step.network, step.security):
        entitlement = ENTITLEMENTS.get(value)
        if entitlement and entitlement not in session.allow:
            kind = entitlement.partition(".")[0]
            raise DockerfileError(
                f"{entitlement} is not allowed",
                near=f"--{kind}={value}",
                hint=f"build with --allow {entitlement}",
            )


def _run(
    step: RunStep,
    parent: Result,
    reads: Reads,
    session: Session,
    output: Callable[[bytes], None],
) -> Layer | None:
    _check_entitled(step, session)

    def writable(origin: Origin, stack: ExitStack) -> str:
        mounted = stack.enter_context(session.open_snapshots().mount(reads.result(origin).layers))
        return mounted.path

    caches = CacheDirectories(
        f"{session.store.root}/cache-mounts", session.cache_namespace, session.cancellation
    )
    sources = Sources(reads.tree, writable, caches, session.credentials, session.file_in_memory)
    directory = session.directory("run")
    with session.run_slots, ExitStack() as stack:
        session.cancellation.check()
        root = stack.enter_context(session.open_snapshots().mount(parent.layers))
        prepared = prepare_mounts(step, directory, sources, stack)
        with Tree(root.path, "the files of the stage") as tree:
            account = accounts.account(step.user, tree)
        mounts = [*network_files(step.network, session.hostname, directory), *prepared]
        sandbox = Sandbox(
            root.path,
            [item.mount for item in mounts if item.mount is not None],
            session.hostname,
            isolated_network=step.network == "none",
            insecure=step.security == "insecure",
            in_user_namespace=in_user_namespace(),
            keeps_groups=setgroups_is_denied(),
            seccomp=_filter(),
        )
        process = Process(step.args, _environment(step, account, prepared), step.cwd, account)
        bundle = session.directory("bundle")
        with MountStubs(root.path, _targets(sandbox, mounts)):
            status = run_container(
                state_root(session.store.root),
                container_id(),
                bundle,
                config(process, sandbox),
                output,
                session.cancellation,
            )
        if status != 0:
            raise StepFailedError(
                f"process {_quoted(step)} did not complete successfully: exit code: {status}",
                status=status,
                hint="killed: was there enough memory?" if status == 137 else None,
            )
        return root.commit(session.compression, session.epoch)


def _filter() -> dict[str, Any] | None:
    kernel = kernel_version(os.uname().release)
    return default_filter(host_platform().architecture, CAPABILITIES, kernel)


def _quoted(step: RunStep) -> str:
    """The command as one quoted word, for messages."""
    from builder.dockerfile.golang import quote

    return quote(" ".join(step.args))


def _environment(
    step: RunStep, account: accounts.Account, prepared: list[Prepared]
) -> tuple[str, ...]:
    """The step's variables, those of proxies and secrets, and HOME unless the image sets it."""
    env = [*step.env]
    names = {entry.partition("=")[0] for entry in env}
    env += [entry for entry in step.proxy_env if entry.partition("=")[0] not in names]
    for item in prepared:
        env += item.environment
    if "HOME" not in names:
        env.append(f"HOME={account.home}")
    return tuple(env)


def _targets(sandbox: Sandbox, mounts: list[Prepared]) -> list[tuple[str, bool]]:
    """Where something is mounted, and whether that is a directory."""
    standard = [(str(mount["destination"]), True) for mount in standard_mounts(sandbox)]
    return standard + [
        (str(item.mount["destination"]), item.is_directory) for item in mounts if item.mount
    ]
