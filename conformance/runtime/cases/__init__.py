"""The cases, one module for each chapter of runtime-spec."""

from __future__ import annotations
