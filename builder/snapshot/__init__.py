"""Layers as directories: unpacked once, put together by an overlay, changes turned into a layer."""

from __future__ import annotations

from builder.snapshot.snapshots import Mounted, Snapshots

__all__ = ["Mounted", "Snapshots"]
