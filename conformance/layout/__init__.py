"""Judging an image layout: its files, documents and layers, by chapter of image-spec."""

from __future__ import annotations
