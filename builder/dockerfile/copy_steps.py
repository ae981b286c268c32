"""COPY and ADD: sources by kind, destination, flags."""

from __future__ import annotations

import posixpath

from builder.dockerfile import golang
from builder.dockerfile import instructions as ast
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.expansion import Mode
from builder.dockerfile.gitrefs import GitRef, parse_git_ref
from builder.dockerfile.modes import parse_mode
from builder.dockerfile.references import check_digest
from builder.dockerfile.steps import (
    CopyStep,
    GitSource,
    HttpSource,
    InlineSource,
    MainContext,
    PathSource,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.dockerfile.stage_state import StageState
    from builder.dockerfile.steps import CopySource, Origin

_WHOLE_CONTEXT = ("*", "**", "**/*")


def read_copy(state: StageState, instruction: ast.Copy | ast.Add) -> None:
    """Append the step of a COPY or ADD. Raises DockerfileError."""
    chown = state.expand(instruction.chown, instruction)
    chmod = state.expand(instruction.chmod, instruction)
    if isinstance(instruction, ast.Add):
        instruction = instruction.replace(checksum=state.expand(instruction.checksum, instruction))
    words = [state.expand(source, instruction) for source in instruction.sources]
    destination = state.expand(instruction.destination, instruction)
    bodies = [
        state.expand_in(file.text, instruction, Mode(quotes_are_text=True))
        if file.expand
        else file.text
        for file in instruction.files
    ]
    mode = parse_mode(chmod) if chmod else None
    if isinstance(instruction, ast.Add) and instruction.checksum:
        _check_checksum(words)
    origin: Origin = MainContext()
    if isinstance(instruction, ast.Copy) and instruction.from_:
        origin = state.source_of(instruction.from_, "")
    sources: list[CopySource] = [_source(state, instruction, word, origin) for word in words]
    for file, body in zip(instruction.files, bodies):
        sources.append(InlineSource(file.name, body.encode("utf-8", "surrogateescape")))

    history = state.commit(_history(instruction, chown, chmod, words, destination), has_layer=True)
    state.steps.append(
        CopyStep(
            instruction,
            history,
            state.title(instruction.text, Mode(state.settings.escape)),
            state.from_onbuild,
            tuple(sources),
            _absolute(state, destination),
            chown,
            mode,
            # A mode is applied to what the layers below hold too: no layer of its own then.
            instruction.link and mode is None,
            isinstance(instruction, ast.Copy) and instruction.parents,
            instruction.excludes,
        )
    )


def _history(
    instruction: ast.Transfer, chown: str, chmod: str, words: list[str], destination: str
) -> str:
    shown = ["COPY" if isinstance(instruction, ast.Copy) else "ADD"]
    if isinstance(instruction, ast.Copy) and instruction.parents:
        shown.append("--parents")
    shown += [f"--chown={chown}"] * bool(chown) + [f"--chmod={chmod}"] * bool(chmod)
    files = [f"<<{file.name}" for file in instruction.files]
    return " ".join([*shown, *words, *files, destination, "# buildkit"])


def _absolute(state: StageState, destination: str) -> str:
    """The destination from the root; a "/" at its end stays, and "/." means the same."""
    if destination in ("", "."):
        destination = "./"
    path = golang.join_path("/", "" if destination.startswith("/") else state.cwd, destination)
    is_directory = destination.endswith(("/", "/."))
    return f"{path}/" if is_directory and path != "/" else path


def _check_checksum(words: list[str]) -> None:
    if len(words) != 1:
        raise DockerfileError("checksum can't be specified for multiple sources", near="--checksum")
    if not (_is_http(words[0]) or parse_git_ref(words[0])):
        raise DockerfileError("checksum requires HTTP(S) or Git sources", near="--checksum")


def _is_http(word: str) -> bool:
    return word.startswith(("http://", "https://"))


def _source(
    state: StageState, instruction: ast.Copy | ast.Add, word: str, origin: Origin
) -> CopySource:
    git = parse_git_ref(word)
    if isinstance(instruction, ast.Copy):
        if git:
            raise DockerfileError("source can't be a git ref for COPY", near=word, hint="use ADD")
        if _is_http(word):
            raise DockerfileError("source can't be a URL for COPY", near=word, hint="use ADD")
        return _path(state, instruction, word, origin)
    if git:
        return _git(instruction, git)
    if _is_http(word):
        return _http(instruction, word)
    return _path(state, instruction, word, origin)


def _git(instruction: ast.Add, git: GitRef) -> GitSource:
    keep = instruction.keep_git_dir
    if keep is not None and git.keep_git_dir not in (None, keep):
        raise DockerfileError("inconsistent keep-git-dir configuration", near="--keep-git-dir")
    checksum = instruction.checksum
    if checksum and git.checksum and checksum != git.checksum:
        raise DockerfileError(
            f"checksum mismatch {golang.quote(checksum)} != {golang.quote(git.checksum)}",
            near=git.checksum,
        )
    return GitSource(git, bool(keep or git.keep_git_dir), checksum or git.checksum)


def _http(instruction: ast.Add, url: str) -> HttpSource:
    if instruction.checksum:
        try:
            check_digest(instruction.checksum)
        except ValueError as why:
            raise DockerfileError(str(why), near=instruction.checksum) from None
    from urllib.parse import unquote, urlsplit

    try:
        name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    except ValueError as why:
        raise DockerfileError(f"source is no valid URL: {why}", near=url) from None
    return HttpSource(
        url, "" if name in (".", "..") else name, instruction.checksum, bool(instruction.unpack)
    )


def _path(
    state: StageState, instruction: ast.Copy | ast.Add, word: str, origin: Origin
) -> PathSource:
    if isinstance(origin, MainContext):
        _report_ignored(state, instruction, word)
    unpack = False
    if isinstance(instruction, ast.Add):
        unpack = instruction.unpack is not False
    elif instruction.parents:
        # "/./" marks where the part of the path begins that is kept.
        base, pivot, kept = word.partition("/./")
        if not pivot:
            base, kept = "/", word
        return PathSource(
            origin,
            golang.join_path("/", base),
            golang.join_path("/", kept).lstrip("/"),
            not (has_wildcards(base) or has_wildcards(kept)),
            unpack,
        )
    path = golang.join_path("/", word)
    return PathSource(origin, path, "", not has_wildcards(path), unpack)


def has_wildcards(path: str) -> bool:
    """Whether a path holds an unescaped `*`, `?` or `[`."""
    position = 0
    while position < len(path):
        if path[position] in "*?[":
            return True
        position += 2 if path[position] == "\\" else 1
    return False


def _report_ignored(state: StageState, instruction: ast.Copy | ast.Add, word: str) -> None:
    rules = state.settings.ignore
    # With a "!" pattern below, only the files themselves can tell what is left out.
    if rules is None or rules.has_exceptions:
        return
    path = golang.clean_path(word)
    if path in (".", "/") and not any(p in _WHOLE_CONTEXT for p in rules.patterns):
        return
    if rules.matches(path):
        name = "Add" if isinstance(instruction, ast.Add) else "Copy"
        state.report("CopyIgnoredFile", instruction, name=name, path=golang.quote(path))
