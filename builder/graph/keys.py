"""Cache keys: the digest of everything a result depends on.

A key is made of named components, so that two keys of one step can be compared in words
(`builder.graph.difference`).

    definition key = operation + ChainID of the parent + ChainIDs of what is read
    content key    = operation + ChainID of the parent + digests of the very files that are read

A ChainID names files by content: a step that was executed again and came to the same files leaves
the keys of what follows as they were.
"""

from __future__ import annotations

import hashlib
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
"""Changes when the same step comes to other bytes than before."""


def digest_of(value: Any) -> str:
    """A digest of a JSON value, the same whatever the order of an object's members."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def key_of(components: dict[str, Any]) -> str:
    """The cache key of components; those whose name begins with "_" only serve to explain."""
    counted = {name: value for name, value in components.items() if name[0] != "_"}
    return digest_of([FORMAT, counted])
