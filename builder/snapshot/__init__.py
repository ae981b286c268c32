"""Layers as directories: unpacked once, put together by an overlay, changes turned into a layer.

The public names are loaded on first use (PEP 562): a build that is cached from end to end needs
only `builder.snapshot.mounting`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.snapshot.snapshots import Mounted, Snapshots

__all__ = ["Mounted", "Snapshots"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from builder.snapshot import snapshots

        return getattr(snapshots, name)
    raise AttributeError(f"module 'builder.snapshot' has no attribute {name!r}")
