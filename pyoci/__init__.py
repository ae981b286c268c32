"""pyoci: a low-level OCI container runtime.

Importing the package costs nothing: the command line imports it five times per container, so the
public names below are loaded on first use (PEP 562).
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.errors import PyociError
    from pyoci.runtime import Container, Runtime

__all__ = ["Container", "PyociError", "Runtime", "__version__"]


def __getattr__(name: str) -> object:
    if name in ("Container", "Runtime"):
        from pyoci import runtime

        return getattr(runtime, name)
    if name == "PyociError":
        from pyoci.errors import PyociError

        return PyociError
    raise AttributeError(f"module 'pyoci' has no attribute {name!r}")
