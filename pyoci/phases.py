"""How long each phase of a command takes, for ``--debug``.

`mark` names the phase that ends here; unless a command was told to record, it does nothing.
"""

from __future__ import annotations

import time

_marks: list[tuple[str, int]] | None = None


def record() -> None:
    """Begin to record; what the process did until here is the first phase, ``start-up``.

    Its length is the processor time used so far: when the process was started is known only to
    hundredths of a second.
    """
    global _marks
    _marks = [("", time.monotonic_ns() - time.process_time_ns()), ("start-up", time.monotonic_ns())]


def mark(phase: str) -> None:
    """Say that a phase ends here."""
    if _marks is not None:
        _marks.append((phase, time.monotonic_ns()))


def take() -> list[tuple[str, int]]:
    """Give the phases recorded, in order, each with its nanoseconds; and stop recording."""
    global _marks
    marks, _marks = _marks or [], None
    lengths = []
    for index in range(1, len(marks)):
        phase, moment = marks[index]
        lengths.append((phase, moment - marks[index - 1][1]))
    return lengths
