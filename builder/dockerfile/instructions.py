"""The instructions of a Dockerfile as typed values, variables not yet expanded.

One class per instruction, named as it is. https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

from builder.dockerfile.errors import SourceRange
from builder.dockerfile.heredocs import Heredoc
from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.dockerfile.directives import Directive


class Instruction(Record):
    """What every instruction has.

    Attributes:
        keyword: the name as written ("RUN", "run").
        range: its lines, here-documents included.
        text: its logical line without here-documents.
        heredocs: its here-documents.
        comments: the comment lines directly above it, without `#`.
    """

    keyword: str
    range: SourceRange
    text: str
    heredocs: tuple[Heredoc, ...]
    comments: tuple[str, ...]


class Pair(Record):
    """A `name=value` of ENV or LABEL; `legacy` when it was written `ENV name value`."""

    name: str
    value: str
    legacy: bool


class Definition(Record):
    """A `name` or `name=default` of ARG; `default` is None for a bare name."""

    name: str
    default: str | None
    description: str


class From(Instruction):
    """FROM [--platform=P] base [AS name]: `name` in lower case, "" without AS."""

    base: str
    name: str
    platform: str
    description: str
    as_keyword: str
    name_as_written: str


class Arg(Instruction):
    """ARG name[=default] ..."""

    definitions: tuple[Definition, ...]


class Env(Instruction):
    """ENV name=value ..."""

    pairs: tuple[Pair, ...]


class Label(Instruction):
    """LABEL name=value ..."""

    pairs: tuple[Pair, ...]


class Maintainer(Instruction):
    """MAINTAINER name (deprecated)."""

    author: str


class InlineFile(Record):
    """A here-document as a file to copy."""

    name: str
    text: str
    expand: bool


class Transfer(Instruction):
    """What COPY and ADD share.

    Attributes:
        sources: paths, URLs or git addresses, in order, here-documents left out.
        files: here-documents.
        destination: the last argument.
        chown, chmod: values of the flags, "" when absent.
        link: `--link`.
        excludes: patterns of `--exclude`.
    """

    sources: tuple[str, ...]
    files: tuple[InlineFile, ...]
    destination: str
    chown: str
    chmod: str
    link: bool
    excludes: tuple[str, ...]


class Copy(Transfer):
    """COPY: `from_` is the stage, index, named context or image of `--from`."""

    from_: str
    parents: bool


class Add(Transfer):
    """ADD: None for `unpack` and `keep_git_dir` when the flag is absent."""

    checksum: str
    unpack: bool | None
    keep_git_dir: bool | None


class CommandLine(Instruction):
    """What RUN, CMD and ENTRYPOINT share.

    Attributes:
        words: the JSON array, or the text for the shell as the only word (none for no text).
        is_json: exec form.
    """

    words: tuple[str, ...]
    is_json: bool


class Run(CommandLine):
    """RUN: `mounts` are the texts of `--mount`, checked when variables are known."""

    mounts: tuple[str, ...]
    network: str
    security: str
    devices: tuple[str, ...]


class Cmd(CommandLine):
    """CMD."""


class Entrypoint(CommandLine):
    """ENTRYPOINT."""


class Shell(Instruction):
    """SHELL ["executable", "argument", ...]"""

    words: tuple[str, ...]


class Expose(Instruction):
    """EXPOSE port[/protocol] ..., sorted as the reference sorts them."""

    ports: tuple[str, ...]


class User(Instruction):
    """USER user[:group]."""

    user: str


class Workdir(Instruction):
    """WORKDIR path."""

    path: str


class Volume(Instruction):
    """VOLUME path ..."""

    paths: tuple[str, ...]


class Stopsignal(Instruction):
    """STOPSIGNAL name or number."""

    signal: str


class Healthcheck(Instruction):
    """HEALTHCHECK: durations in nanoseconds, 0 to inherit; `test` as in the image's config."""

    test: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int


class Onbuild(Instruction):
    """ONBUILD: `trigger` is the instruction's text, here-documents included, unchecked."""

    trigger: str


class StageSource(Record):
    """A stage as written: its FROM and the instructions up to the next one."""

    from_: From
    instructions: tuple[Instruction, ...]


class EmptyContinuation(Record):
    """A blank line inside a continuation (its statement's last line, its text)."""

    line: int
    text: str


class Dockerfile(Record):
    """A parsed file.

    Attributes:
        filename: as given to `parse`.
        lines: physical lines without their ends.
        directives: by name.
        escape: the escape character.
        global_args: the ARGs before the first FROM.
        stages: in order; may be empty when there are only ARGs.
        empty_continuations: blank lines inside continuations.
    """

    filename: str
    lines: Sequence[str]
    directives: Mapping[str, Directive]
    escape: str
    global_args: tuple[Arg, ...]
    stages: tuple[StageSource, ...]
    empty_continuations: tuple[EmptyContinuation, ...]

    @property
    def syntax(self) -> str:
        """The frontend of the `syntax` directive, or ""."""
        found = self.directives.get("syntax")
        return found.value.partition(" ")[0] if found else ""

    def source_of(self, instruction: Instruction) -> str:
        """The physical lines of an instruction, as they stand in the file."""
        return "\n".join(self.lines[instruction.range.start - 1 : instruction.range.end])
