"""Why a step was not found in the cache, in words: its key's components then and now."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from typing import Any

_SHOWN = 3
_OPERATIONS = {
    "command": "the command changed",
    "directory": "the working directory changed: {before} → {after}",
    "user": "the user changed: {before} → {after}",
    "network": "the network mode changed",
    "security": "the security mode changed",
    "mounts": "the mounts changed",
    "sources": "the sources changed",
    "destination": "the destination changed: {before} → {after}",
    "owner": "the owner changed: {before} → {after}",
    "mode": "the mode changed: {before} → {after}",
    "link": "--link changed",
    "parents": "--parents changed",
    "excludes": "the excluded patterns changed",
    "path": "the directory changed: {before} → {after}",
    "hostname": "the host name changed",
}


def explain(before: Mapping[str, Any], after: Mapping[str, Any], arguments: Container[str]) -> str:
    """The first difference that a person would name.

    Args:
        before: components of the last result of the same place in the Dockerfile.
        after: components of the step now.
        arguments: names of the build arguments that the stage declares.
    """
    if before.get("kind") != after.get("kind"):
        return "the instruction changed"
    found = _environment(before.get("environment", ()), after.get("environment", ()), arguments)
    if found:
        return found
    for name, text in _OPERATIONS.items():
        if before.get(name) != after.get(name):
            return text.format(before=before.get(name) or '""', after=after.get(name) or '""')
    if before.get("epoch") != after.get("epoch"):
        return f"SOURCE_DATE_EPOCH changed: {before.get('epoch')} → {after.get('epoch')}"
    files = _files(before.get("_files"), after.get("_files"))
    if files:
        return files
    if before.get("inputs") != after.get("inputs"):
        return _inputs(before.get("_inputs", {}), after.get("_inputs", {}))
    if before.get("parent") != after.get("parent"):
        return "an earlier step changed" if after.get("_follows") else "the base image changed"
    return "its result is no longer in the store"


def _environment(before: Any, after: Any, arguments: Container[str]) -> str:
    old = dict(entry.partition("=")[::2] for entry in before)
    new = dict(entry.partition("=")[::2] for entry in after)
    for name in (*new, *old):
        if old.get(name) != new.get(name):
            kind = "build argument" if name in arguments else "environment variable"
            return f"the {kind} {name} changed"
    return ""


def _files(before: Any, after: Any) -> str:
    """Files that a step reads from the context and other places, by path."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ""
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    parts = [
        f"{_count(names)} {verb}: {_listed(names)}"
        for names, verb in ((changed, "changed"), (added, "added"), (removed, "removed"))
        if names
    ]
    return "; ".join(parts)


def _inputs(before: Any, after: Any) -> str:
    """What else a step reads: stages, images, downloads."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in after:
            if before.get(name) != after[name]:
                return f"{name} changed"
    return "the files it reads changed"


def _count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, ..." if len(names) > _SHOWN else shown
