"""What an image carries and nobody can see: files that a later layer deleted or replaced."""

from __future__ import annotations

from builder.checks.checks import DELETED_LATER, Problem
from builder.progress.text import shown, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from builder.checks.file_tree import FileTree, Wasted

LEAST = 1 << 20
"""Bytes: less in one layer is not worth a word."""
_NAMED = 3
_WIDTH = 60


def waste_problems(tree: FileTree, config: Mapping[str, Any], first: int) -> list[Problem]:
    """One problem for each layer, from `first` on, that loses much to later ones."""
    by_layer: dict[int, list[Wasted]] = {}
    for lost in tree.wasted:
        if lost.layer >= first:
            by_layer.setdefault(lost.layer, []).append(lost)
    steps = _steps(config)
    problems = []
    for number, losses in sorted(by_layer.items()):
        total = sum(lost.size for lost in losses)
        if total < LEAST:
            continue
        losses.sort(key=lambda lost: (-lost.size, lost.name))
        largest = losses[:_NAMED]
        names = ", ".join(f"/{shown(lost.name)} {size(lost.size)}" for lost in largest)
        more = f" and {len(losses) - _NAMED} more" if len(losses) > _NAMED else ""
        later = sorted({lost.by for lost in losses})
        takers = ", ".join(str(n + 1) for n in later)
        problems.append(
            Problem(
                DELETED_LATER,
                f"layer {number + 1}{steps.get(number, '')} carries {size(total)} that layer"
                f" {takers} deletes or replaces: {names}{more}",
                "delete in the same RUN that made them, or copy what is needed to a later stage",
                f"layer {number + 1}",
            )
        )
    return problems


def _steps(config: Mapping[str, Any]) -> dict[int, str]:
    """What made each layer, as the history has it."""
    history = config.get("history")
    found: dict[int, str] = {}
    number = 0
    for entry in history if isinstance(history, list) else ():
        if not isinstance(entry, dict) or entry.get("empty_layer"):
            continue
        text = entry.get("created_by")
        if isinstance(text, str) and text:
            line = text.splitlines()[0]
            line = line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
            found[number] = f" ({shown(line.encode('utf-8', 'surrogateescape'))})"
        number += 1
    return found
