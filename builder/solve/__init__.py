"""From a Dockerfile and a context to an image in the store.

`build` reads as the story: parse, resolve, graph, solve, image. The solver finds results in the
cache or has `builder.execute` make them.
"""

from __future__ import annotations

from builder.solve.build import build
from builder.solve.request import BuildRequest, BuildResult

__all__ = ["BuildRequest", "BuildResult", "build"]
