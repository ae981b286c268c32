"""Writes the file from which `pyoci.modules` loads: its format is described there."""

from __future__ import annotations
import __future__

import ast
import marshal
import os
import sys
from importlib.util import MAGIC_NUMBER

from pyoci import modules
from pyoci.modules import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

LARGEST_SELF = 16000  # bytes of the code of pyoci.modules: the launcher reads 16384 of the file
_HEADER = 16
_WITHOUT_DOCSTRINGS = 2


def remember(directory: str) -> None:
    """Write the file anew, with the modules that are in it and those that this process has loaded.

    Where that is not possible nothing happens: every start then takes a little longer.
    """
    known = modules.finder.table if modules.finder else {}
    loaded = {name for name in sys.modules if name[:6] in ("pyoci", "pyoci.")}
    # The launcher executes it, and writing is not what commands are for.
    loaded -= {"pyoci.modules", __name__}
    try:
        _write(directory, sorted({*known, *loaded}))
    except (OSError, SyntaxError, ValueError):
        return


def cache_path(directory: str) -> str:
    """Give the path of the file; the launcher knows it too."""
    return f"{directory}/pyoci/__pycache__/modules.{sys.implementation.cache_tag}.pyc"


def _write(directory: str, names: list[str]) -> None:
    target = cache_path(directory)
    if sys.dont_write_bytecode or not os.access(os.path.dirname(target), os.W_OK):
        return
    temporary = f"{target}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(descriptor, "wb") as file:
            file.write(_content(directory, names))
        os.rename(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _content(directory: str, names: list[str]) -> bytes:
    own = _Source(directory, "pyoci/modules.py")
    code = marshal.dumps(own.code)
    if len(code) > LARGEST_SELF:
        raise ValueError("the launcher would not read all of that module's code")
    seconds = own.mtime // 1_000_000_000 & 0xFFFFFFFF
    numbers = [number.to_bytes(4, "little") for number in (0, seconds, own.size)]
    parts = [MAGIC_NUMBER, *numbers, code]
    offset = _HEADER + len(code)
    table: dict[str, tuple[int, int]] = {}
    for name in names:
        path = name.replace(".", "/")
        package = os.path.isdir(f"{directory}/{path}")
        path += "/__init__.py" if package else ".py"
        try:
            source = _Source(directory, path)
        except FileNotFoundError:
            continue
        mentioned = dict.fromkeys(_needed(name, source.tree))
        needed = tuple(other for other in mentioned if other in names)
        record = (needed, package, path, source.mtime, source.size, source.code)
        data = marshal.dumps(record)
        table[name] = (offset, len(data))
        parts.append(data)
        offset += len(data)
    parts += [marshal.dumps(table), offset.to_bytes(modules.OFFSET, "little"), MARK]
    return b"".join(parts)


class _Source:
    """A module's source: its syntax tree, code, time in nanoseconds and size.

    The code is without docstrings, and without the import of ``__future__``: that has done its work
    once the source is compiled, but would have every start read a file of the standard library.
    """

    __slots__ = ("code", "mtime", "size", "tree")

    def __init__(self, directory: str, path: str) -> None:
        with open(f"{directory}/{path}", "rb") as file:
            status = os.fstat(file.fileno())
            self.tree = ast.parse(file.read(), f"{directory}/{path}")
        self.mtime = status.st_mtime_ns
        self.size = status.st_size
        flags = 0
        for node in self.tree.body.copy():
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                for alias in node.names:
                    flags |= getattr(__future__, alias.name).compiler_flag
                self.tree.body.remove(node)
        self.code: CodeType = compile(
            self.tree,
            f"{directory}/{path}",
            "exec",
            flags=flags,
            dont_inherit=True,
            optimize=_WITHOUT_DOCSTRINGS,
        )


def _needed(name: str, tree: ast.Module) -> Iterator[str]:
    """Give what may be modules that a module imports when it is executed; its package first."""
    if "." in name:
        yield name.rpartition(".")[0]
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
