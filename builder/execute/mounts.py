"""The mounts of RUN: files of other origins, caches, tmpfs, secrets, agents, here-documents.

Each becomes a mount of the container's config.json. What has to be prepared on the host for it
lives in the step's own directory, or in a lock that is held for as long as the step runs.
"""

from __future__ import annotations

import os
import posixpath
import stat as modes
from contextlib import ExitStack
from dataclasses import dataclass

from builder.context.select import select
from builder.dockerfile import (
    BindMount,
    CacheMount,
    DockerfileError,
    InlineFiles,
    MainContext,
    Scratch,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from builder.execute.caches import CacheDirectories
from builder.execute.sandbox import bind
from builder.execute.write_files import write_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from builder.context.tree import Tree
    from builder.dockerfile import RunStep
    from builder.dockerfile.steps import Mount, Origin
    from builder.execute.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Sources:
    """Where mounts find files.

    Attributes:
        tree: the files of an origin, to read.
        writable: a private copy of the files of a stage or image, as a path; writes are lost. The
            stack undoes it.
        caches: directories of `type=cache`.
        credentials: secrets and agents.
        in_memory: gives the path of a file to be made, in memory, for a secret.
    """

    tree: Callable[[Origin], Tree]
    writable: Callable[[Origin, ExitStack], str]
    caches: CacheDirectories
    credentials: Credentials
    in_memory: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mount that is ready: for config.json, whether it is a directory, and environment."""

    mount: dict[str, Any] | None
    is_directory: bool = True
    environment: tuple[str, ...] = ()


def prepare_mounts(
    step: RunStep, directory: str, sources: Sources, stack: ExitStack
) -> list[Prepared]:
    """Prepare every mount of a step, in order.

    Args:
        step: the RUN.
        directory: an empty directory for what has to be made.
        sources: where files are.
        stack: undoes what was done, after the step.

    Raises DockerfileError, ContextError.
    """
    prepared = []
    for number, mount in enumerate(step.mounts):
        place = f"{directory}/{number}"
        prepared.append(_prepare(mount, place, sources, stack))
    return prepared


def _prepare(mount: Mount, place: str, sources: Sources, stack: ExitStack) -> Prepared:
    if isinstance(mount, BindMount):
        return _bind(mount, place, sources, stack)
    if isinstance(mount, CacheMount):
        return _cache(mount, sources, stack)
    if isinstance(mount, TmpfsMount):
        options = ["nosuid", "nodev", "ro" if mount.readonly else "rw"]
        options += [f"size={mount.size}"] * bool(mount.size)
        return Prepared(
            {
                "destination": mount.target,
                "type": "tmpfs",
                "source": "tmpfs",
                "options": options,
            }
        )
    if isinstance(mount, SecretMount):
        return _secret(mount, sources, stack)
    if isinstance(mount, SshMount):
        return _agent(mount, sources.credentials)
    assert isinstance(mount, InlineFiles)
    os.mkdir(place, 0o755)
    for name, content, mode in mount.files:
        _write(f"{place}/{name}", content, mode)
    return Prepared(bind(place, mount.target, "ro"))


def _bind(mount: BindMount, place: str, sources: Sources, stack: ExitStack) -> Prepared:
    access = "ro" if mount.readonly else "rw"
    if isinstance(mount.origin, Scratch):
        os.mkdir(place, 0o755)
        root = place
    elif isinstance(mount.origin, MainContext) or sources.tree(mount.origin).is_context:
        # A copy: what .dockerignore leaves out must not be seen, and root must own the rest.
        os.mkdir(place, 0o755)
        matches = select(sources.tree(mount.origin), mount.source, required=True)
        return _copied(mount, place, matches[0].is_directory, matches, access)
    elif mount.readonly:
        root = sources.tree(mount.origin).path
    else:
        root = sources.writable(mount.origin, stack)
    source, is_directory = _below(sources, mount, root)
    return Prepared(bind(source, mount.target, access), is_directory)


def _copied(
    mount: BindMount, place: str, is_directory: bool, matches: list[Any], access: str
) -> Prepared:
    write_files(matches, place, "/" if is_directory else "/file")
    source = place if is_directory else f"{place}/file"
    return Prepared(bind(source, mount.target, access), is_directory)


def _below(sources: Sources, mount: BindMount | CacheMount, root: str) -> tuple[str, bool]:
    """The real path of a mount's source below root, and whether it is a directory."""
    if mount.source == "/" or isinstance(mount.origin, Scratch):
        return root, True
    tree = sources.tree(mount.origin)
    real = tree.real_path(mount.source)
    found = tree.lstat(real) if real is not None else None
    if real is None or found is None:
        raise DockerfileError(
            f'"{mount.source}" not found in {tree.what}', near=mount.source.lstrip("/")
        )
    return posixpath.join(root, real.lstrip("/")), modes.S_ISDIR(found.st_mode)


def _cache(mount: CacheMount, sources: Sources, stack: ExitStack) -> Prepared:
    def fill(directory: str) -> None:
        if isinstance(mount.origin, Scratch):
            return
        tree = sources.tree(mount.origin)
        write_files(select(tree, mount.source, required=True), directory, "/")

    directory = sources.caches.take(mount, fill, stack)
    return Prepared(bind(directory, mount.target, "ro" if mount.readonly else "rw"))


def _secret(mount: SecretMount, sources: Sources, stack: ExitStack) -> Prepared:
    content = sources.credentials.secrets.get(mount.id)
    if content is None:
        if mount.required:
            raise DockerfileError(
                f"secret {mount.id}: not found",
                near=mount.id,
                hint=f"give it with --secret id={mount.id},src=FILE",
            )
        return Prepared(None)
    environment: tuple[str, ...] = ()
    if mount.env is not None:
        environment = (f"{mount.env}={content.decode('utf-8', 'surrogateescape')}",)
    if mount.target is None:
        return Prepared(None, environment=environment)
    place = sources.in_memory()
    stack.callback(os.unlink, place)
    _write(place, content, mount.mode, (mount.uid, mount.gid))
    return Prepared(bind(place, mount.target, "ro"), False, environment)


def _agent(mount: SshMount, credentials: Credentials) -> Prepared:
    socket = credentials.agents.get(mount.id)
    if socket is None:
        if mount.required:
            raise DockerfileError(
                f"no SSH key {mount.id!r} forwarded from the client",
                near="ssh",
                hint=f"give the agent with --ssh {mount.id}",
            )
        return Prepared(None)
    return Prepared(bind(socket, mount.target), False)


def _write(path: str, content: bytes, mode: int, owner: tuple[int, int] = (0, 0)) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(number, "wb") as file:
        file.write(content)
        if owner != (0, 0):
            os.fchown(number, *owner)
        os.fchmod(number, mode)
