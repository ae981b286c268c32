"""What a Dockerfile means: stages made of steps, every variable expanded.

These values are what the solver works from. Everything is immutable and free of I/O; two equal
steps with equal inputs give the same files. Stages are named by their index in the file.
"""

from __future__ import annotations

from builder.dockerfile.errors import SourceRange
from builder.dockerfile.gitrefs import GitRef
from builder.dockerfile.instructions import From, Instruction
from builder.dockerfile.modes import FileMode
from builder.dockerfile.platforms import Platform
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# Where files come from.


class Scratch(Record):
    """The empty file system."""


class MainContext(Record):
    """The build context given on the command line."""


class StageOrigin(Record):
    """The files at the end of another stage of this file."""

    stage: int


class ImageOrigin(Record):
    """An image.

    Attributes:
        name: as written, after expansion.
        reference: the full form (`docker.io/library/alpine:latest`); for the path of a layout
            (`./dir`, `/dir`, `oci-layout://...`) the same as name.
        platform: which of a multi-platform image is wanted.
        suggestion: a stage or well-known image whose name is close, for when there is no such
            image; or "".
    """

    name: str
    reference: str
    platform: Platform
    suggestion: str = ""


class NamedContext(Record):
    """A context of `--build-context name=value`; `value` as given on the command line."""

    name: str
    value: str
    platform: Platform


if TYPE_CHECKING:
    Origin = Scratch | MainContext | StageOrigin | ImageOrigin | NamedContext

# Mounts of RUN.


class BindMount(Record):
    """Files of an origin, below `source`, at `target`. Writes are thrown away."""

    target: str
    origin: Origin
    source: str
    readonly: bool


class CacheMount(Record):
    """A directory that outlives the build.

    Attributes:
        target: where it is mounted.
        id: names the directory in the cache.
        sharing: "shared", "private" or "locked".
        readonly: whether the step may write.
        origin, source: initial content.
        mode, uid, gid: of the directory when it is made.
    """

    target: str
    id: str
    sharing: str
    readonly: bool
    origin: Origin
    source: str
    mode: int
    uid: int
    gid: int


class TmpfsMount(Record):
    """A tmpfs; `size` in bytes, 0 for the kernel's default."""

    target: str
    size: int
    readonly: bool


class SecretMount(Record):
    """A secret as a file, in an environment variable, or both. Never part of a cache key.

    Attributes:
        id: which secret.
        target: path of the file; None for none.
        env: name of the variable; None for none.
        required: whether the build fails when the secret was not given.
        mode, uid, gid: of the file.
    """

    id: str
    target: str | None
    env: str | None
    required: bool
    mode: int
    uid: int
    gid: int


class SshMount(Record):
    """The socket of an SSH agent. Never part of a cache key."""

    id: str
    target: str
    required: bool
    mode: int
    uid: int
    gid: int


class InlineFiles(Record):
    """Here-documents as read-only files (name, content, mode) in the directory `target`."""

    target: str
    files: tuple[tuple[str, bytes, int], ...]


if TYPE_CHECKING:
    Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount | InlineFiles

# Sources of COPY and ADD.


class PathSource(Record):
    """Files of an origin.

    Attributes:
        origin: where they are.
        path: absolute in the origin, may hold wildcards (`builder.dockerfile.wildcard.match`).
            With `parents`, the directory from which paths are kept ("/" without `/./`).
        pattern: with `--parents`, what is copied, relative to path, may hold `**`; else "".
        required: whether it is an error that nothing is there (false with wildcards).
        unpack: ADD of a local archive extracts it.
    """

    origin: Origin
    path: str
    pattern: str
    required: bool
    unpack: bool


class InlineSource(Record):
    """A here-document: a file with mode 0644."""

    name: str
    content: bytes


class HttpSource(Record):
    """A download.

    Attributes:
        url: http or https.
        filename: from the URL's path, "" when it has none.
        checksum: digest the content must have, or "".
        unpack: extract an archive.
    """

    url: str
    filename: str
    checksum: str
    unpack: bool


class GitSource(Record):
    """A git checkout; `.git` stays when `keep_git_dir`."""

    git: GitRef
    keep_git_dir: bool
    checksum: str


if TYPE_CHECKING:
    CopySource = PathSource | InlineSource | HttpSource | GitSource

# Steps.


class Step(Record):
    """What every step has.

    Attributes:
        instruction: the node it comes from.
        history: the entry of the image's history (`created_by`, `comment`, `empty_layer`,
            `created` with a source date epoch); None when the instruction leaves none (ONBUILD).
        title: the instruction with its variables expanded, for progress.
        from_onbuild: whether a trigger of the base image put it here.
    """

    instruction: Instruction
    history: Mapping[str, Any] | None
    title: str
    from_onbuild: bool


class RunStep(Step):
    """RUN.

    Attributes:
        args: the process's arguments, shell included.
        env: `name=value`, in order.
        proxy_env: proxy variables of the command line: given to the process, left out of the
            image, the history and the cache key.
        cwd: absolute.
        user: as USER says, "" for root.
        mounts: in order.
        network: "default", "none" or "host".
        security: "sandbox" or "insecure".
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    proxy_env: tuple[str, ...]
    cwd: str
    user: str
    mounts: tuple[Mount, ...]
    network: str
    security: str


class CopyStep(Step):
    """COPY and ADD.

    Attributes:
        sources: in order, here-documents last.
        destination: absolute; ends in "/" when it must be a directory.
        chown: `user[:group]` to look up in the stage's files, "" for 0:0.
        chmod: None to keep the modes.
        link: an own layer whatever lies below (never together with chmod).
        parents: keep the source's directories.
        excludes: patterns of files to leave out, as in .dockerignore.
    """

    sources: tuple[CopySource, ...]
    destination: str
    chown: str
    chmod: FileMode | None
    link: bool
    parents: bool
    excludes: tuple[str, ...]


class WorkdirStep(Step):
    """WORKDIR: make the directory `path` with its parents, 0755, owned by `user`."""

    path: str
    user: str


class MetadataStep(Step):
    """An instruction that changes only the image's configuration."""


class Declared(Record):
    """An ARG as `outline` shows it."""

    name: str
    value: str
    description: str
    range: SourceRange


class ResolvedStage(Record):
    """A stage.

    Attributes:
        index: its place in the file.
        name: in lower case, "" when it has none.
        from_: its FROM.
        base: what it starts from.
        platform: of its files.
        steps: in order, ONBUILD triggers of the base first.
        image: the image's configuration after the last step (image-spec config.md), base layers'
            diff_ids and history included. Do not change it.
        dependencies: indices of stages it needs, its base included.
        args: ARGs it declares or inherits the value of, by name.
    """

    index: int
    name: str
    from_: From
    base: Origin
    platform: Platform
    steps: tuple[Step, ...]
    image: Mapping[str, Any]
    dependencies: frozenset[int]
    args: Mapping[str, Declared]

    @property
    def display_name(self) -> str:
        """The name, or `stage-N`."""
        return self.name or f"stage-{self.index}"


class Resolution(Record):
    """A Dockerfile with its variables, ready to be built.

    Attributes:
        stages: those the target needs, in an order in which they can be built.
        target: index of the stage that is asked for.
        epoch: SOURCE_DATE_EPOCH in seconds, or None.
    """

    stages: Sequence[ResolvedStage]
    target: int
    epoch: int | None

    def stage(self, index: int) -> ResolvedStage:
        """A needed stage. Raises KeyError for one the target does not need."""
        for stage in self.stages:
            if stage.index == index:
                return stage
        raise KeyError(index)

    @property
    def target_stage(self) -> ResolvedStage:
        """The stage that is asked for."""
        return self.stage(self.target)
