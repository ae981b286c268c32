"""Signals by name and number (signal(7); the numbers of x86, Arm and most others)."""

from __future__ import annotations

from pyoci.errors import UsageError

SIGNALS: dict[str, int] = {
    "SIGHUP": 1,
    "SIGINT": 2,
    "SIGQUIT": 3,
    "SIGILL": 4,
    "SIGTRAP": 5,
    "SIGABRT": 6,
    "SIGIOT": 6,
    "SIGBUS": 7,
    "SIGFPE": 8,
    "SIGKILL": 9,
    "SIGUSR1": 10,
    "SIGSEGV": 11,
    "SIGUSR2": 12,
    "SIGPIPE": 13,
    "SIGALRM": 14,
    "SIGTERM": 15,
    "SIGSTKFLT": 16,
    "SIGCHLD": 17,
    "SIGCLD": 17,
    "SIGCONT": 18,
    "SIGSTOP": 19,
    "SIGTSTP": 20,
    "SIGTTIN": 21,
    "SIGTTOU": 22,
    "SIGURG": 23,
    "SIGXCPU": 24,
    "SIGXFSZ": 25,
    "SIGVTALRM": 26,
    "SIGPROF": 27,
    "SIGWINCH": 28,
    "SIGIO": 29,
    "SIGPOLL": 29,
    "SIGPWR": 30,
    "SIGSYS": 31,
}
# The C library's first: it keeps the kernel's 32 and 33 to itself.
SIGRTMIN = 34
SIGRTMAX = 64


def signal_number(text: str) -> int:
    """Give the number of a signal: ``TERM``, ``SIGTERM``, ``15``, ``RTMIN+3``, ``RTMAX-1``.

    Names in any case. 0 is the probe of kill(2).

    Raises UsageError: runc's ``unknown signal``.
    """
    if _is_number(text):
        number = int(text)
        if number <= SIGRTMAX:
            return number
        raise _unknown(text)
    name = text.upper()
    if not name.startswith("SIG"):
        name = f"SIG{name}"
    if name in SIGNALS:
        return SIGNALS[name]
    for base, first, sign in (("SIGRTMIN", SIGRTMIN, "+"), ("SIGRTMAX", SIGRTMAX, "-")):
        if name == base:
            return first
        if name.startswith(base + sign) and _is_number(name[len(base) + 1 :]):
            offset = int(name[len(base) + 1 :])
            if offset <= SIGRTMAX - SIGRTMIN:
                return first + offset if sign == "+" else first - offset
    raise _unknown(text)


def _is_number(text: str) -> bool:
    # int() alone takes "１", " 9" and "1_0" as well.
    return text.isascii() and text.isdigit() and len(text) < 4


def _unknown(text: str) -> UsageError:
    shown = "".join(c if c.isprintable() else "?" for c in text[:40])
    return UsageError(
        f'unknown signal "{shown}"',
        subject=shown,
        hint="name it as TERM, SIGTERM, RTMIN+1 or by its number",
    )
