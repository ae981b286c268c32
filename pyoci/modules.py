"""All modules that commands need, in one file: read once, instead of sixty files searched for.

The import system looks for each module in a directory, asks for the status of three files, opens
one and reads it: a tenth of a millisecond, half a hundred times. This finder, the first one asked,
takes their code from one file, and asks for the status of the source alone: size and time have to
be what they were. A module that has changed or is not in the file is imported as usual, and before
the process ends the file is written anew, with what was missing.

The file is the compiled form of this very module (PEP 3147) with an appendix::

    header, code of this module                       a .pyc like any other
    code of a module, code of another, …
    {name: (is a package, mtime in ns, size, offset, length)}
    offset of that table, MARK

so whoever uninstalls the package or compiles it again treats the file rightly, and it is trusted
exactly as far as any other .pyc. The launcher executes the code of this module before it imports
anything of the package: nothing here may import another module of ours.
"""

from __future__ import annotations

import marshal
import sys
from _frozen_importlib import ModuleSpec
from posix import fstat, pread, stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import FileIO
    from types import ModuleType

MARK = b"pyoci modules 1\n"
LARGEST_SELF = 16000  # bytes of this module's code: the launcher reads 16384 of the file
_OFFSET = 8
_TAIL = _OFFSET + len(MARK)
_HEADER = 16
_WITHOUT_DOCSTRINGS = 2

Entry = tuple[bool, int, int, int, int]


class Finder:
    """Finds and loads what is in the file (importlib.abc.MetaPathFinder and Loader).

    ``directory`` is the one with the package; ``missed`` are the modules of ours that were not in
    the file, or no longer as they were.
    """

    __slots__ = ("directory", "file", "missed", "table")

    def __init__(self, directory: str, file: FileIO) -> None:
        self.directory = directory
        self.file = file
        self.missed: list[str] = []
        end = fstat(file.fileno()).st_size - _TAIL
        tail = self.read(end, _TAIL)
        if tail[_OFFSET:] != MARK:
            raise ImportError("the file has no appendix")
        offset = int.from_bytes(tail[:_OFFSET], "little")
        self.table: dict[str, Entry] = marshal.loads(self.read(offset, end - offset))
        if type(self.table) is not dict:
            raise ImportError("the file is damaged")

    def read(self, offset: int, length: int) -> bytes:
        """Read a part of the file."""
        return pread(self.file.fileno(), length, offset)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 -- the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find a module in the file; None when it is not there or its source has changed."""
        if name[:6] not in ("pyoci", "pyoci."):
            return None
        entry = self.table.get(name)
        if entry is not None:
            package, mtime, size, offset, length = entry
            source = source_path(self.directory, name, package)
            if unchanged(source, mtime, size):
                spec = ModuleSpec(name, self, origin=source, is_package=package)  # type: ignore[arg-type]
                spec.has_location = True
                if package:
                    spec.submodule_search_locations = [source[: -len("/__init__.py")]]
                try:
                    spec.loader_state = marshal.loads(self.read(offset, length))
                    return spec
                except (EOFError, ValueError, TypeError):
                    pass
        self.missed.append(name)
        return None

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002
        """Leave the making of the module to the import system."""
        return

    def exec_module(self, module: ModuleType) -> None:
        """Execute a module's code."""
        exec(module.__spec__.loader_state, module.__dict__)  # type: ignore[union-attr]  # noqa: S102


finder: Finder | None = None


def install(directory: str, file: FileIO, header: bytes) -> None:
    """Import from the file from now on.

    Raises ImportError when it has no appendix, or was compiled from another state of this module.
    """
    global finder
    mtime = int.from_bytes(header[8:12], "little")
    size = int.from_bytes(header[12:16], "little")
    status = stat(f"{directory}/pyoci/modules.py")
    if (mtime, size) != (int(status.st_mtime), status.st_size):
        raise ImportError("the file was compiled from another source")
    finder = Finder(directory, file)
    sys.meta_path.insert(0, finder)


def remember(directory: str) -> None:
    """Write the file anew if this process had to import modules of ours in the usual way.

    Where that is not possible nothing happens: every start then takes a little longer.
    """
    if finder is not None and not any(name in sys.modules for name in finder.missed):
        return
    known = finder.table if finder else {}
    loaded = {name for name in sys.modules if name[:6] in ("pyoci", "pyoci.")}
    try:
        _write(directory, sorted({*known, *loaded}))
    except (OSError, SyntaxError, ValueError):
        return


def source_path(directory: str, name: str, package: bool) -> str:
    """Give the path of a module's source."""
    path = f"{directory}/{name.replace('.', '/')}"
    return f"{path}/__init__.py" if package else f"{path}.py"


def unchanged(source: str, mtime: int, size: int) -> bool:
    """Say whether a source is what it was."""
    try:
        status = stat(source)
    except OSError:
        return False
    return status.st_mtime_ns == mtime and status.st_size == size


def cache_path(directory: str) -> str:
    """Give the path of the file; the launcher knows it too."""
    return f"{directory}/pyoci/__pycache__/modules.{sys.implementation.cache_tag}.pyc"


def _write(directory: str, names: list[str]) -> None:
    import os

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
    import os
    from importlib.util import MAGIC_NUMBER

    mtime, size, code = _compile(source_path(directory, __name__, False))
    if len(code) > LARGEST_SELF:
        raise ValueError("the launcher would not read all of this module's code")
    seconds = mtime // 1_000_000_000 & 0xFFFFFFFF
    numbers = [number.to_bytes(4, "little") for number in (0, seconds, size)]
    parts = [MAGIC_NUMBER, *numbers, code]
    offset = _HEADER + len(code)
    table: dict[str, Entry] = {}
    for name in names:
        package = os.path.isdir(f"{directory}/{name.replace('.', '/')}")
        try:
            mtime, size, code = _compile(source_path(directory, name, package))
        except FileNotFoundError:
            continue
        table[name] = (package, mtime, size, offset, len(code))
        parts.append(code)
        offset += len(code)
    parts += [marshal.dumps(table), offset.to_bytes(_OFFSET, "little"), MARK]
    return b"".join(parts)


def _compile(source: str) -> tuple[int, int, bytes]:
    """Compile a source; gives its time in nanoseconds, its size and the marshalled code.

    Without its import of ``__future__``: that has done its work once the source is compiled, but
    would have every start read a file of the standard library.
    """
    import __future__

    import ast
    import os

    with open(source, "rb") as file:
        status = os.fstat(file.fileno())
        tree = ast.parse(file.read(), source)
    flags = 0
    for node in tree.body.copy():
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
            tree.body.remove(node)
    code = compile(
        tree, source, "exec", flags=flags, dont_inherit=True, optimize=_WITHOUT_DOCSTRINGS
    )
    return status.st_mtime_ns, status.st_size, marshal.dumps(code)
