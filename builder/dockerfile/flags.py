"""Flags of instructions: `--name=value`, booleans also bare `--name`."""

from __future__ import annotations

from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOLEAN, TEXT, LIST = "boolean", "text", "list"
"""Kinds of flags; only a LIST may be given several times."""

_TRUTH = {"": True, "true": True, "false": False}


class Flags:
    """The flags of one instruction after they were checked against what it accepts."""

    def __init__(self, accepted: Mapping[str, str], written: Sequence[str]) -> None:
        """Raises DockerfileError for an unknown, repeated or malformed flag."""
        self._values: dict[str, list[str]] = {}
        for flag in written:
            spelled, equals, value = flag.partition("=")
            name = spelled[2:]
            kind = accepted.get(name)
            if kind is None:
                raise _wrong(
                    f"unknown flag: {spelled}", spelled, suggestion=did_you_mean(name, accepted)
                )
            if name in self._values and kind != LIST:
                raise _wrong(f"duplicate flag specified: {spelled}", flag)
            if (kind != BOOLEAN and not equals) or (kind == BOOLEAN and equals and not value):
                raise _wrong(f"missing a value on flag: {spelled}", spelled)
            if kind == BOOLEAN and value.lower() not in _TRUTH:
                raise _wrong(f"expecting boolean value for flag {spelled}, not: {value}", flag)
            self._values.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """The value of a TEXT flag."""
        return self._values.get(name, [default])[0]

    def list(self, name: str) -> tuple[str, ...]:
        """The values of a LIST flag, in order."""
        return tuple(self._values.get(name, ()))

    def boolean(self, name: str) -> bool | None:
        """The value of a BOOLEAN flag, None when it was not given."""
        values = self._values.get(name)
        return None if values is None else _TRUTH[values[0].lower()]


def _wrong(message: str, near: str, suggestion: str = "") -> DockerfileError:
    return DockerfileError(message, near=near, suggestion=suggestion, phase="instruction")
