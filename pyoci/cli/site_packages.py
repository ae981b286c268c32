"""Makes installed libraries importable on the first import that needs one.

The ``pyoci`` command starts the interpreter without the site module (``-S``): reading .pth files
and listing site-packages costs more than most commands. What the command line needs five times per
container is in the standard library and in this package; this finder, the last one asked, brings
the rest in when help is drawn, a filter is compiled or a failure diagnosed.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class SitePackages:
    """A finder for ``sys.meta_path`` (importlib.abc.MetaPathFinder)."""

    def __init__(self) -> None:
        self._processed = False

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a top-level module that nothing else has found."""
        if path is not None or self._processed:
            return None
        self._processed = True
        import site
        from importlib.machinery import PathFinder

        site.main()
        return PathFinder.find_spec(name, path, target)


def install() -> None:
    """Add the finder, unless the interpreter has processed site-packages already."""
    if sys.flags.no_site:
        sys.meta_path.append(SitePackages())
