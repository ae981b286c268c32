"""What a step does, as JSON: the part of its cache key that does not depend on any file.

Secrets, agents and proxies are in no key: their values must not decide which files an image has,
and must not be found in the cache.
"""

from __future__ import annotations

import hashlib

from builder.dockerfile import (
    BindMount,
    CacheMount,
    CopyStep,
    GitSource,
    HttpSource,
    InlineFiles,
    InlineSource,
    PathSource,
    RunStep,
    SecretMount,
    SshMount,
    TmpfsMount,
    WorkdirStep,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from builder.dockerfile import Step
    from builder.dockerfile.steps import CopySource, Mount


def operation(step: Step) -> dict[str, Any]:
    """The components of a step that touches files."""
    if isinstance(step, RunStep):
        return {
            "kind": "run",
            "command": list(step.args),
            "environment": list(step.env),
            "directory": step.cwd,
            "user": step.user,
            "network": step.network,
            "security": step.security,
            "mounts": [_mount(mount) for mount in step.mounts],
        }
    if isinstance(step, CopyStep):
        return {
            "kind": "copy",
            "sources": [_source(source) for source in step.sources],
            "destination": step.destination,
            "owner": step.chown,
            "mode": step.chmod.text if step.chmod else "",
            "link": step.link,
            "parents": step.parents,
            "excludes": list(step.excludes),
        }
    if isinstance(step, WorkdirStep):
        return {"kind": "workdir", "path": step.path, "user": step.user}
    raise TypeError(f"{type(step).__name__} touches no files")


def _mount(mount: Mount) -> list[Any]:
    if isinstance(mount, BindMount):
        return ["bind", mount.target, mount.source, mount.readonly]
    if isinstance(mount, CacheMount):
        # What is in a cache must not matter, nor which cache it is.
        return ["cache", mount.target, mount.readonly]
    if isinstance(mount, TmpfsMount):
        return ["tmpfs", mount.target, mount.size, mount.readonly]
    if isinstance(mount, SecretMount):
        shown = [mount.id, mount.target, mount.env, mount.required]
        return ["secret", *shown, mount.mode, mount.uid, mount.gid]
    if isinstance(mount, SshMount):
        return ["ssh", mount.id, mount.target, mount.required, mount.mode, mount.uid, mount.gid]
    assert isinstance(mount, InlineFiles)
    files = [[name, _digest(content), mode] for name, content, mode in mount.files]
    return ["files", mount.target, files]


def _source(source: CopySource) -> list[Any]:
    if isinstance(source, PathSource):
        # Which files the path means is an input; a file's name counts there, its directory does
        # not.
        return ["path", source.pattern, source.unpack]
    if isinstance(source, InlineSource):
        return ["inline", source.name, _digest(source.content)]
    if isinstance(source, HttpSource):
        return ["http", source.unpack]
    assert isinstance(source, GitSource)
    return ["git", source.keep_git_dir]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
