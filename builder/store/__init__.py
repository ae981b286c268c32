"""The builder's store: an OCI image layout with named images, a build cache and unpacked layers."""

from __future__ import annotations

from builder.store.cache import Cache, Record
from builder.store.store import Store, default_root

__all__ = ["Cache", "Record", "Store", "default_root"]
