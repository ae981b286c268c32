"""Reading the Dockerfile and its ignore rules: a hostile context must not lead elsewhere."""

from __future__ import annotations

import os
import stat as modes

from builder.context.beneath import open_in_root
from builder.context.tree import Tree
from builder.dockerfile import IgnoreRules, parse
from builder.dockerfile.instructions import Arg
from builder.dockerfile.scopes import is_predefined
from builder.dockerfile.suggestions import did_you_mean
from builder.errors import ContextError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.dockerfile import Dockerfile

_LARGEST_DOCKERFILE = 16 << 20
_LARGEST_IGNORE_FILE = 4 << 20
NAME = "Dockerfile"


def read_dockerfile(context: Tree, path: str, text: bytes | None) -> Dockerfile:
    """Parse a Dockerfile: the text, the file at path, or `Dockerfile` of the context for "".

    A file of the context is looked up inside it, whatever symlinks it holds. Raises
    DockerfileError, ContextError.
    """
    if text is not None:
        return parse(text, path or NAME)
    if not path:
        text = _read_inside(context, NAME, _LARGEST_DOCKERFILE)
        if text is None:
            raise ContextError(
                f"reading {NAME}: there is none in the build context {context.path}",
                subject=NAME,
                hint="name the file with -f",
            )
        return parse(text, NAME)
    inside = _inside(context, path)
    if inside is not None:
        text = _read_inside(context, inside, _LARGEST_DOCKERFILE)
    else:
        text = _read(os.open, path, _LARGEST_DOCKERFILE)
    if text is None:
        raise ContextError(f"reading {path}: no such file", subject=path)
    return parse(text, path)


def read_ignore_rules(context: Tree, dockerfile: str) -> IgnoreRules:
    """The rules of `<Dockerfile>.dockerignore` beside the Dockerfile, else of `.dockerignore`.

    Raises ContextError for a pattern that cannot be understood.
    """
    names = [".dockerignore"]
    data = None
    if dockerfile:
        beside = f"{dockerfile}.dockerignore"
        inside = _inside(context, beside)
        if inside is not None:
            names.insert(0, inside)
        else:
            data = _read(os.open, beside, _LARGEST_IGNORE_FILE)
    else:
        names.insert(0, f"{NAME}.dockerignore")
    name = f"{dockerfile}.dockerignore"
    while data is None and names:
        name = names.pop(0)
        data = _read_inside(context, name, _LARGEST_IGNORE_FILE)
    try:
        return IgnoreRules.parse(data or b"")
    except ValueError as error:
        raise ContextError(f"reading {name}: {error}", subject=name) from None


def _inside(context: Tree, path: str) -> str | None:
    """A path of the working directory as one of the context; None when it is elsewhere."""
    directory, name = os.path.split(os.path.abspath(path))
    real = os.path.realpath(directory)
    root = context.path.rstrip("/")
    if real != context.path and not real.startswith(root + "/"):
        return None
    return f"{real[len(root) :]}/{name}"


def _read_inside(context: Tree, path: str, limit: int) -> bytes | None:
    def opened(name: str, flags: int) -> int:
        return open_in_root(context.descriptor, name, flags)

    return _read(opened, path, limit)


def _read(opened: Callable[[str, int], int], path: str, limit: int) -> bytes | None:
    try:
        number = opened(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ContextError(f"reading {path}: {error.strerror}", subject=path) from None
    found = os.fstat(number)
    if not modes.S_ISREG(found.st_mode):
        os.close(number)
        kind = "a directory" if modes.S_ISDIR(found.st_mode) else "no regular file"
        raise ContextError(f"reading {path}: it is {kind}", subject=path)
    with open(number, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ContextError(f"reading {path}: more than {limit} bytes", subject=path)
    return data


def syntax_note(dockerfile: Dockerfile) -> str | None:
    """What to say about a `# syntax=` directive that asks for another frontend."""
    name = dockerfile.syntax
    known = ("docker/dockerfile", "docker.io/docker/dockerfile")
    if not name or name.partition("@")[0].partition(":")[0] in known:
        return None
    return f"# syntax={name}: read as an ordinary Dockerfile, other frontends are not executed"


def unused_args_note(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> str | None:
    """What to say about build arguments that no ARG declares: misspelled, most likely."""
    instructions = [
        *dockerfile.global_args,
        *(instruction for stage in dockerfile.stages for instruction in stage.instructions),
    ]
    declared = {
        definition.name
        for instruction in instructions
        if isinstance(instruction, Arg)
        for definition in instruction.definitions
    }
    unused = [name for name in build_args if not (name in declared or is_predefined(name))]
    if not unused:
        return None
    meant = did_you_mean(unused[0], declared)
    more = f" (did you mean {meant}?)" if meant else ""
    return f"no ARG declares the build argument {', '.join(sorted(unused))}{more}"
