"""The command line `pyoci-builder`: one module per command, loaded when it is called."""

from __future__ import annotations
