"""What a mistyped command or flag may have meant. Loaded only when one is mistyped."""

from __future__ import annotations

import difflib

from pyoci.cli.table import BOOL, GLOBAL_FLAGS, Flag


def nearest(word: str, names: list[str]) -> str | None:
    """Give the name that a word resembles most, None when it resembles none."""
    found = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return found[0] if found else None


def flag_hint(flags: tuple[Flag, ...], name: str, command: str | None) -> str:
    """Give the hint for a flag that does not exist; ``command`` is None for a global one."""
    meant = nearest(name, [flag.name for flag in flags])
    if meant:
        return f"did you mean --{meant}?"
    if command is not None and any(name in (flag.name, flag.short) for flag in GLOBAL_FLAGS):
        return f"--{name} goes before the command: pyoci --{name} … {command}"
    shorts = {flag.short for flag in flags if flag.short and flag.kind == BOOL}
    if len(name) > 1 and shorts.issuperset(name):
        return f"write {' '.join('-' + letter for letter in name)}"
    return f"pyoci {command} --help lists the flags" if command else "pyoci --help lists the flags"
