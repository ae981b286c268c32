"""Where COPY, ADD and bind mounts read: the build context and the files of stages and images.

A `Tree` reads below one directory and nowhere else, `select` decides which files a source means,
`digests` hashes them for cache keys. Everything below a tree is hostile.
"""

from __future__ import annotations

from builder.context.tree import Tree, TreeError

__all__ = ["Tree", "TreeError"]
