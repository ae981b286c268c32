"""What the command line lends to RUN steps: never in a layer, never in a cache key."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets and agents.

    Attributes:
        secrets: content by id.
        agents: path of an SSH agent's socket by id.
    """

    secrets: Mapping[str, bytes]
    agents: Mapping[str, str]
