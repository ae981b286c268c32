"""Layers: tar streams in and out, compression, whiteouts, overlay directories.

write.py makes a blob of entries, upper.py makes entries of an overlay's upper directory, apply.py
unpacks a blob. None of them knows images or builds.
"""

from __future__ import annotations

from builder.layer.layer import Layer

__all__ = ["Layer"]
