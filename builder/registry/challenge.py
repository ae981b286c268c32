"""`WWW-Authenticate` (RFC 9110, 11.6.1): which kinds of authentication a registry offers.

challenges = challenge *( "," challenge )
challenge  = scheme [ 1*SP parameter *( "," parameter ) ]
parameter  = token "=" ( token / quoted-string )
"""

from __future__ import annotations

import re

from builder.dockerfile.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 16 << 10
_SEPARATORS = re.compile(r"[\s,]*")
_SCHEME = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?=\s|,|$)")
_PARAMETER = re.compile(
    r"([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*"
    r'(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))'
)


class Challenge(Record):
    """One kind of authentication: `bearer` or `basic` in small letters, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a header; what cannot be read ends the list."""
    found: list[Challenge] = []
    text, position = header[:_LONGEST], 0
    while True:
        position = _end(_SEPARATORS, text, position)
        if parameter := _PARAMETER.match(text, position):
            if not found:
                return found
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1] = found[-1].replace(parameters={**found[-1].parameters, name.lower(): value})
            position = parameter.end()
        elif scheme := _SCHEME.match(text, position):
            found.append(Challenge(scheme[1].lower(), {}))
            position = scheme.end()
        else:
            return found


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
