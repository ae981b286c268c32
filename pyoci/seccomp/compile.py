"""The compiler: a profile to a program for seccomp(2). Loaded only when the cache has none.

parse ──▶ resolve (per architecture) ──▶ layout ──▶ assemble
rules     decisions by number           ranges     instructions
"""

from __future__ import annotations

import sys

from pyoci.errors import SeccompError
from pyoci.seccomp.layout import lay_out
from pyoci.seccomp.parse import parse_profile
from pyoci.seccomp.resolve import resolve
from pyoci.seccomp.tables import ARCHITECTURES, native_architecture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.seccomp.parse import Profile
    from pyoci.seccomp.tables import Architecture


class Program:
    """A compiled profile: an array of struct sock_filter, and whether a rule notifies an agent."""

    __slots__ = ("code", "notify")

    def __init__(self, code: bytes, *, notify: bool) -> None:
        self.code = code
        self.notify = notify


def compile_profile(
    profile: dict[str, Any],
    native: str,
    *,
    little_endian: bool = sys.byteorder == "little",
    wide: bool | None = None,
) -> Program:
    """Compile a ``linux.seccomp`` object for a machine, by its uname(2) name.

    ``wide`` is the width of the process that loads the filter, if it may not be the machine's.
    Raises SeccompError, with the JSON pointer of what is wrong with the profile.
    """
    parsed = parse_profile(profile)
    architectures = filtered_architectures(parsed, native, little_endian=little_endian, wide=wide)
    calls = [resolve(parsed, architecture) for architecture in architectures]
    program = lay_out(parsed.default, calls)
    order = architectures[0].little_endian
    return Program(program.encode(little_endian=order), notify=parsed.notify)


def filtered_architectures(
    profile: Profile, native: str, *, little_endian: bool, wide: bool | None = None
) -> list[Architecture]:
    """Give the architectures that a filter knows: the machine's own, then those of the profile.

    The machine's own is always one, listed or not (as in libseccomp): without it not even the
    container's program could be executed. Raises SeccompError for an unknown machine.
    """
    architecture = native_architecture(native, little_endian=little_endian, wide=wide)
    if architecture is None:
        raise SeccompError(
            f"/linux/seccomp: cannot compile a filter for the machine {native!r}",
            subject="/linux/seccomp",
            hint=f"known architectures: {', '.join(ARCHITECTURES)}",
        )
    return [architecture, *(each for each in profile.architectures if each is not architecture)]
