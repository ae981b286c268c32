"""Names that STOPSIGNAL accepts."""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.suggestions import did_you_mean

NAMES = frozenset(
    [
        "ABRT",
        "ALRM",
        "BUS",
        "CHLD",
        "CLD",
        "CONT",
        "FPE",
        "HUP",
        "ILL",
        "INT",
        "IO",
        "IOT",
        "KILL",
        "PIPE",
        "POLL",
        "PROF",
        "PWR",
        "QUIT",
        "SEGV",
        "STKFLT",
        "STOP",
        "SYS",
        "TERM",
        "TRAP",
        "TSTP",
        "TTIN",
        "TTOU",
        "URG",
        "USR1",
        "USR2",
        "VTALRM",
        "WINCH",
        "XCPU",
        "XFSZ",
        "RTMIN",
        "RTMAX",
    ]
    + [f"RTMIN+{n}" for n in range(1, 16)]
    + [f"RTMAX-{n}" for n in range(1, 15)]
)
"""Linux signals (signal(7)) without the prefix SIG."""


def check_stop_signal(text: str) -> None:
    """Raises DockerfileError unless text is a number other than 0 or a signal's name.

    The number is not held against a range: real-time signals differ between architectures.
    """
    number = golang.parse_int(text)
    if number is not None and number != 0:
        return
    name = text.upper().removeprefix("SIG")
    if number == 0 or name not in NAMES:
        closest = did_you_mean(name, sorted(NAMES))
        raise DockerfileError(
            f"invalid signal: {text}",
            near=text,
            hint=f"did you mean SIG{closest}?" if closest else "",
        )
