"""Which files a source of COPY, ADD or a mount means.

A source is a path, perhaps with wildcards. A symlink that is named, or that a wildcard matches, is
followed; those found below a directory stay symlinks. A directory means its contents.
"""

from __future__ import annotations

import posixpath
import stat as modes
from dataclasses import dataclass, field

from builder.dockerfile import DockerfileError, IgnoreRules
from builder.dockerfile.copy_steps import has_wildcards
from builder.dockerfile.suggestions import did_you_mean
from builder.dockerfile.wildcard import BadPattern, match

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from builder.context.tree import Tree

_EVERYTHING = IgnoreRules()


@dataclass(slots=True)
class Selected:
    """A file, directory or other thing of a tree.

    Attributes:
        name: below the destination; "" for the directory itself whose contents are meant.
        path: real path in the tree.
        stat: its lstat.
    """

    name: str
    path: str
    stat: os.stat_result


@dataclass(slots=True)
class Match:
    """One thing that a source means.

    Attributes:
        tree: where it is.
        base: the last component of its path, as written or matched; "" for the tree's root.
        is_directory: whether the contents of a directory are meant.
        files: directories before what is in them; the first is the match itself.
    """

    tree: Tree
    base: str
    is_directory: bool
    files: list[Selected] = field(default_factory=list)


def select(
    tree: Tree,
    path: str,
    *,
    required: bool,
    pattern: str = "",
    excludes: Sequence[str] = (),
) -> list[Match]:
    """What a path of a source means in a tree, in the order of names.

    Args:
        tree: where to look.
        path: absolute, may hold wildcards.
        required: whether nothing found is an error.
        pattern: of `COPY --parents`: relative to path, which then is the directory from which
            names are kept.
        excludes: patterns of `--exclude`, relative to what is copied.

    Raises:
        DockerfileError: nothing is there, a pattern is wrong. TreeError for unreadable files.
    """
    try:
        rules = IgnoreRules(excludes)
        includes = IgnoreRules(["**", f"!{pattern}"]) if pattern else _EVERYTHING
        found = [_match(tree, name, rules, includes) for name in _matching(tree, path)]
    except BadPattern as error:
        raise DockerfileError(str(error), near=path.lstrip("/")) from None
    except ValueError as error:
        raise DockerfileError(str(error), near="--exclude") from None
    matches = [match for match in found if match is not None]
    if required:
        wanted = posixpath.join(path, pattern) if pattern else path
        if not matches or (pattern and not any(m.files for m in matches)):
            raise _not_found(tree, wanted)
    return matches


def _matching(tree: Tree, path: str) -> list[str]:
    """The paths that a path with wildcards matches; itself when it has none."""
    parts = [part for part in path.split("/") if part]
    fixed = 0
    while fixed < len(parts) and not has_wildcards(parts[fixed]):
        fixed += 1
    if fixed == len(parts):
        return ["/" + "/".join(parts)]
    start = tree.real_path("/" + "/".join(parts[:fixed]))
    if start is None:
        return []
    level = [start]
    for i in range(fixed, len(parts)):
        is_last = i == len(parts) - 1
        match(parts[i], "")  # a bad pattern is an error even where nothing is
        level = [
            posixpath.join(directory, name)
            for directory in level
            for name, found in tree.entries(directory)
            if match(parts[i], name) and (is_last or modes.S_ISDIR(found.st_mode))
        ]
    return level


def _match(tree: Tree, path: str, excludes: IgnoreRules, includes: IgnoreRules) -> Match | None:
    real = tree.real_path(path)
    found = tree.lstat(real) if real is not None else None
    if real is None or found is None or modes.S_ISSOCK(found.st_mode):
        return None
    base = posixpath.basename(path)
    if not modes.S_ISDIR(found.st_mode):
        if tree.is_hidden(path) or tree.is_hidden(real) or includes:
            return None
        if base and excludes.matches(base):
            return Match(tree, base, False)
        return Match(tree, base, False, [Selected("", real, found)])
    files = list(_walk(tree, real, excludes, includes))
    if not files and tree.is_hidden(path):
        return None  # left out by .dockerignore, and nothing in it brought back
    if base and excludes.matches(base):
        return Match(tree, base, True)
    top = [] if includes and not files else [Selected("", real, found)]
    return Match(tree, base, True, [*top, *files])


def _walk(
    tree: Tree, root: str, excludes: IgnoreRules, includes: IgnoreRules
) -> Iterator[Selected]:
    """What is below a directory. A directory that is only on the way to a file comes when it does.

    No recursion: a tree may be deeper than Python's stack.
    """

    def is_wanted(name: str, path: str) -> bool:
        return not (tree.is_hidden(path) or excludes.matches(name) or includes.matches(name))

    def is_worth_a_look(name: str) -> bool:
        return excludes.may_contain_included(name) and includes.may_contain_included(name)

    waiting: list[Selected] = []  # directories on the way that were not given yet
    levels: list[tuple[Selected | None, Iterator[Selected]]] = [(None, _below(tree, root, ""))]
    while levels:
        directory, rest = levels[-1]
        item = next(rest, None)
        if item is None:
            levels.pop()
            if waiting and waiting[-1] is directory:
                waiting.pop()
            continue
        wanted = is_wanted(item.name, item.path)
        if wanted:
            yield from waiting
            waiting.clear()
            yield item
        if modes.S_ISDIR(item.stat.st_mode) and (wanted or is_worth_a_look(item.name)):
            if not wanted:
                waiting.append(item)
            levels.append((item, _below(tree, item.path, item.name + "/")))


def _below(tree: Tree, directory: str, prefix: str) -> Iterator[Selected]:
    for name, found in tree.entries(directory):
        yield Selected(prefix + name, posixpath.join(directory, name), found)


def _not_found(tree: Tree, path: str) -> DockerfileError:
    """Nothing is at a path: why, and what was probably meant."""
    shown = path.lstrip("/")
    hint = suggestion = ""
    if tree.is_hidden(path):
        hint = ".dockerignore leaves it out"
    else:
        parent = tree.real_path(posixpath.dirname(path))
        found = tree.lstat(parent) if parent is not None else None
        if parent is not None and found is not None and modes.S_ISDIR(found.st_mode):
            names = [name for name, _ in tree.entries(parent)]
            near = did_you_mean(posixpath.basename(path), names)
            suggestion = posixpath.join(posixpath.dirname(shown), near) if near else ""
        if tree.is_context and not suggestion:
            hint = f"paths begin at the root of the context, {tree.path}"
    return DockerfileError(
        f'"{path}" not found in {tree.what}', near=shown, suggestion=suggestion, hint=hint
    )
