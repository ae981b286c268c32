"""Why CRIU failed: the line that says it, out of the many that it logs."""

from __future__ import annotations

from pyoci.state.store import read_file

_MARK = "Error ("
# What it says at the end of every failure, and what it goes on after.
_SAYS_NOTHING = (
    "Dumping FAILED",
    "Pre-dumping FAILED",
    "Restoring FAILED",
    "Can't setup RLIMIT_NOFILE",
    "Unable to create tun",
)


def failure_reason(path: str, output: bytes = b"") -> str:
    """Give CRIU's own reason from its log file, else from what it wrote to standard error.

    One error brings others, each vaguer than the one before: the reason is the first. Empty when
    there is none.
    """
    try:
        log = read_file(path)
    except OSError:
        log = b""
    return _reason(log) or _reason(output)


def _reason(log: bytes) -> str:
    for line in log.decode("utf-8", "replace").splitlines():
        start = line.find(_MARK)
        if start < 0 or any(words in line for words in _SAYS_NOTHING):
            continue
        # "(00.012) [pid: ]Error (file.c:line): what": the place in CRIU's source stays out.
        found = line[start:].partition("): ")[2].strip()
        if found:
            return "".join(character if character.isprintable() else "?" for character in found)
    return ""
