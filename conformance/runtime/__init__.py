"""Judging a runtime: its command line, bundles to give it, cases by chapter of runtime-spec."""

from __future__ import annotations
