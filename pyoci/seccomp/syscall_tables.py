"""Where the numbers of system calls come from: the package system-calls, table by table.

The package's own entry point is not used: it imports typing, and every name of every architecture,
for what is one dict literal per architecture. Nor is its module put into ``sys.modules``.
"""

from __future__ import annotations

import posix as os
import sys

from pyoci.errors import SeccompError
from pyoci.paths import abspath, dirname

_PACKAGE = "system_calls"
_VERSION_FILE = "linux_version.py"


def search_path() -> list[str]:
    """Give the directories in which the package may be, the likeliest first.

    pyoci runs without site-packages on its path (python3 -I -S). Installed, its own directory is
    one; in an editable checkout it is not, and then the interpreter's directories have to be
    worked out from its prefixes.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    parent = dirname(dirname(dirname(abspath(__file__))))
    places = [parent, *sys.path]
    # Without site, sys.prefix does not know of a virtual environment before Python 3.14.
    environment = dirname(dirname(abspath(sys.executable or "/")))
    for prefix in (environment, sys.prefix, sys.base_prefix):
        places += (
            f"{prefix}/lib/{version}/site-packages",
            f"{prefix}/lib64/{version}/site-packages",
            f"{prefix}/local/lib/{version}/dist-packages",
            f"{prefix}/lib/python3/dist-packages",
        )
    return places


def find_package() -> str | None:
    """Give the directory of the package system-calls; None when it is not installed."""
    for place in search_path():
        directory = f"{place}/{_PACKAGE}"
        try:
            os.stat(f"{directory}/{_VERSION_FILE}")
        except OSError:
            continue
        return directory
    return None


def fingerprint(directory: str) -> bytes:
    """Give what changes with the package: the Linux version of its tables, and their age."""
    descriptor = os.open(f"{directory}/{_VERSION_FILE}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, 256)
        return b"%d %b" % (os.fstat(descriptor).st_mtime_ns, content)
    finally:
        os.close(descriptor)


def load_table(name: str) -> dict[str, int]:
    """Give one architecture's table: system call names to numbers, with the ABI's own offset.

    Raises SeccompError when the package is missing or damaged.
    """
    from importlib.machinery import PathFinder

    directory = find_package()
    if directory is None:
        raise SeccompError(
            "/linux/seccomp: the Python package system-calls is needed, which is not installed",
            subject="/linux/seccomp",
            hint="install it beside pyoci: pip install system-calls",
        )
    spec = PathFinder.find_spec(f"{_PACKAGE}.tables.{name}", [f"{directory}/tables"])
    module = type(sys)(name)
    try:
        if spec is None or spec.loader is None:
            raise ImportError("no such table")
        module.__name__ = spec.name
        spec.loader.exec_module(module)
        table = getattr(module, f"syscalls_{name}")
    except Exception as error:
        raise SeccompError(
            f"cannot read the table of system calls {directory}/tables/{name}.py: {error}",
            subject="/linux/seccomp/architectures",
            hint="reinstall it: pip install --force-reinstall system-calls",
        ) from None
    if not isinstance(table, dict):
        raise SeccompError(
            f"the table of system calls {directory}/tables/{name}.py holds no dict",
            subject="/linux/seccomp/architectures",
            hint="reinstall it: pip install --force-reinstall system-calls",
        )
    return table
