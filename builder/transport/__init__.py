"""Places that images are copied from and to: the store, registries, layouts, archives."""

from __future__ import annotations
