"""Carrying out steps: COPY and ADD as entries of a layer, RUN as a container.

Nothing here knows about caches or graphs: a step and the files it needs go in, a layer comes out.
"""

from __future__ import annotations
