"""All modules that commands need, in one file: read once, instead of sixty files searched for.

The import system looks for each module in a directory, asks for the status of three files, opens
one and reads it: a tenth of a millisecond, half a hundred times; half of that is its own
bookkeeping. `Finder.load` takes a module's code from one file, makes the module, and does the same
first for the modules that its import statements name: when they are executed, all of them find
what they want loaded already. Only the source's size and time have to be what they were. What has
changed or is not in the file is imported as usual, and before the process ends the file is written
anew, with what was missing (`pyoci.module_file`).

The file is the compiled form of this very module (PEP 3147) with an appendix::

    header, code of this module                       a .pyc like any other
    record of a module, record of another, …          (what it needs, is a package, path,
                                                       mtime in ns, size, code)
    {name: (offset, length)}
    offset of that table, MARK

so whoever uninstalls the package or compiles it again treats the file rightly, and it is trusted
exactly as far as any other .pyc. The launcher executes the code of this module before it imports
anything of the package: nothing here may import another module of ours.
"""

from __future__ import annotations

import gc
import sys
from marshal import loads
from posix import fstat, pread, stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _frozen_importlib import ModuleSpec
    from collections.abc import Sequence
    from types import CodeType, ModuleType

    # The modules to load before it, whether it is a package, its path below the directory with the
    # package, its source's time and size, its code.
    Record = tuple[tuple[str, ...], bool, str, int, int, CodeType]

MARK = b"pyoci modules 2\n"
OFFSET = 8  # bytes of the offset of the table
_TAIL = OFFSET + len(MARK)


class Finder:
    """Finds and loads what is in the file (importlib.abc.MetaPathFinder and Loader).

    ``directory`` is the one with the package; ``missed`` are the modules of ours that were not in
    the file, or no longer as they were.
    """

    __slots__ = ("directory", "file", "missed", "table")

    def __init__(self, directory: str, file: int) -> None:
        self.directory = directory
        self.file = file
        self.missed: list[str] = []
        end = fstat(file).st_size - _TAIL
        tail = pread(file, _TAIL, end)
        if tail[OFFSET:] != MARK:
            raise ImportError("the file has no appendix")
        offset = int.from_bytes(tail[:OFFSET], "little")
        self.table: dict[str, tuple[int, int]] = loads(pread(file, end - offset, offset))
        if type(self.table) is not dict:
            raise ImportError("the file is damaged")

    def load(self, name: str) -> None:
        """Load a module and all that it needs; nothing happens where the file does not serve.

        The import system then does it, and finds the module in ``sys.modules`` otherwise. Modules
        made here have no ``__spec__``: nothing but the import system asks for one, and that only
        while a module is being loaded.
        """
        record = self.record(name)
        if record is None:
            return
        modules = sys.modules
        module = modules[name] = type(sys)(name)
        names = module.__dict__
        names["__file__"] = path = f"{self.directory}/{record[2]}"
        if record[1]:
            names["__path__"] = [path[: -len("/__init__.py")]]
        try:
            for needed in record[0]:
                if needed not in modules:
                    self.load(needed)
            exec(record[5], names)  # noqa: S102
        except BaseException:
            modules.pop(name, None)
            raise
        parent, _, child = name.rpartition(".")
        if parent in modules:
            modules[parent].__dict__[child] = module

    def record(self, name: str) -> Record | None:
        """Read what the file has of a module; None when it is not there or its source changed."""
        place = self.table.get(name)
        if place is not None:
            try:
                record: Record = loads(pread(self.file, place[1], place[0]))
                status = stat(f"{self.directory}/{record[2]}")
                if status.st_mtime_ns == record[3] and status.st_size == record[4]:
                    return record
            except (OSError, EOFError, ValueError, TypeError, IndexError):
                pass
        self.missed.append(name)
        return None

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 -- the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Find a module in the file; None when it is not there or its source has changed."""
        if name[:6] not in ("pyoci", "pyoci."):
            return None
        record = self.record(name)
        if record is None:
            return None
        from _frozen_importlib import ModuleSpec

        source = f"{self.directory}/{record[2]}"
        spec = ModuleSpec(name, self, origin=source, is_package=record[1])  # type: ignore[arg-type]
        spec.has_location = True
        if record[1]:
            spec.submodule_search_locations = [source[: -len("/__init__.py")]]
        spec.loader_state = record
        return spec

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002
        """Leave the making of the module to the import system."""
        return

    def exec_module(self, module: ModuleType) -> None:
        """Load what a module needs, and execute its code."""
        record: Record = module.__spec__.loader_state  # type: ignore[union-attr]
        for needed in record[0]:
            if needed not in sys.modules:
                self.load(needed)
        exec(record[5], module.__dict__)  # noqa: S102


finder: Finder | None = None


def install(directory: str, file: int, header: bytes) -> None:
    """Import from the file from now on, beginning with the command line.

    Raises ImportError when it has no appendix, or was compiled from another state of this module.
    """
    global finder
    # A command is over before there is garbage worth collecting.
    gc.disable()
    mtime = int.from_bytes(header[8:12], "little")
    size = int.from_bytes(header[12:16], "little")
    status = stat(f"{directory}/pyoci/modules.py")
    if (mtime, size) != (int(status.st_mtime), status.st_size):
        raise ImportError("the file was compiled from another source")
    finder = Finder(directory, file)
    sys.meta_path.insert(0, finder)
    finder.load("pyoci.cli.main")
