"""Test-suite for any OCI runtime and any image layout, judged by the specifications' requirements.

    python -m conformance --runtime /usr/sbin/runc
    python -m conformance --layout DIR

report.py    results and their forms: text, TAP, JSON; one line for each requirement of `specs`
judge.py     what a case is, and how it records what it finds
runtime/     a runtime's driver and the cases by chapter of runtime-spec
layout/      the checks of an image layout, by chapter of image-spec

Nothing here imports the programs of this project: what judges them must not share their mistakes.
"""

from __future__ import annotations
