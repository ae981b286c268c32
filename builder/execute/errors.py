"""Errors of carrying out steps."""

from __future__ import annotations

from builder.errors import BuilderError


class ContainerError(BuilderError):
    """The runtime could not create or start the container of a step."""

    code = "container"
