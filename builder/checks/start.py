"""Whether what the image's configuration starts is there, and its user."""

from __future__ import annotations

import os
import posixpath
import tempfile

from builder.checks.checks import PROGRAM_NOT_EXECUTABLE, PROGRAM_NOT_FOUND, UNKNOWN_USER, Problem
from builder.dockerfile.image_config import DEFAULT_PATH
from builder.images.accounts import AccountError, resolve_user
from builder.layer import entry as kinds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.checks.file_tree import FileTree
    from builder.checks.layer_index import Item


def user_problems(tree: FileTree, config: Mapping[str, Any]) -> list[Problem]:
    """Whether the user and the group of the configuration are in the image's files."""
    user = config.get("User")
    if not isinstance(user, str) or not user:
        return []
    with tempfile.TemporaryDirectory(prefix="pyoci-builder-check-") as place:
        os.mkdir(f"{place}/etc")
        for name in ("passwd", "group"):
            found = tree.find(f"/etc/{name}")
            if found is not None:
                with open(f"{place}/etc/{name}", "wb") as file:
                    file.write(found[1].content)
        root = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            resolve_user(root, user)
        except AccountError as error:
            hint = "create it with useradd or adduser in a RUN before USER, or use a number"
            return [Problem(UNKNOWN_USER, error.message, hint, user)]
        finally:
            os.close(root)
    return []


def started_program(tree: FileTree, config: Mapping[str, Any]) -> tuple[str, Item] | None:
    """What the image starts: its path with links followed, and the file; None for nothing."""
    path = _first_word(config)
    return _look_up(tree, config, path) if path else None


def program_problems(tree: FileTree, config: Mapping[str, Any]) -> list[Problem]:
    """Whether what ENTRYPOINT or CMD names can be executed."""
    word = _first_word(config)
    if not word:
        return []
    instruction = "ENTRYPOINT" if _words(config, "Entrypoint") else "CMD"
    found = _look_up(tree, config, word)
    if found is None:
        where = "" if "/" in word else f" in any directory of PATH ({_path(config)})"
        return [
            Problem(
                PROGRAM_NOT_FOUND,
                f"{instruction} starts {word}, which is not in the image{where}",
                "correct the name, or copy or install the program",
                word,
            )
        ]
    at, item = found
    if item.kind != kinds.FILE:
        return [
            Problem(
                PROGRAM_NOT_EXECUTABLE,
                f"{instruction} starts {at}, which is a {item.kind}",
                "name the program itself",
                word,
            )
        ]
    if not item.mode & 0o111:
        return [
            Problem(
                PROGRAM_NOT_EXECUTABLE,
                f"{instruction} starts {at}, which nobody may execute (mode {item.mode:04o})",
                f"COPY --chmod=0755, or RUN chmod +x {at}",
                word,
            )
        ]
    return []


def _look_up(tree: FileTree, config: Mapping[str, Any], word: str) -> tuple[str, Item] | None:
    directory = config.get("WorkingDir")
    directory = directory if isinstance(directory, str) and directory else "/"
    if "/" in word:
        return _found(tree, posixpath.join(directory, word))
    for place in search_path(config):
        found = _found(tree, posixpath.join(directory, place or ".", word))
        if found is not None and found[1].kind == kinds.FILE:
            return found
    return None


def _found(tree: FileTree, path: str) -> tuple[str, Item] | None:
    found = tree.find(path)
    return None if found is None else ("/" + found[0].decode("utf-8", "surrogateescape"), found[1])


def _first_word(config: Mapping[str, Any]) -> str:
    words = _words(config, "Entrypoint") or _words(config, "Cmd")
    return words[0] if words else ""


def _words(config: Mapping[str, Any], name: str) -> list[str]:
    words = config.get(name)
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def search_path(config: Mapping[str, Any]) -> list[str]:
    """The directories of the image's PATH."""
    return _path(config).split(":")


def _path(config: Mapping[str, Any]) -> str:
    values = [text for text in _words(config, "Env") if text.startswith("PATH=")]
    return values[-1].removeprefix("PATH=") if values else DEFAULT_PATH
