"""`--platform` of a command line."""

from __future__ import annotations

from builder.dockerfile.platforms import Platform, parse_platform
from builder.errors import BuilderError


class PlatformError(BuilderError):
    """What was given as a platform is none."""

    code = "platform"


def chosen_platform(text: str | None) -> Platform | None:
    """The platform of a command line, None when none was given. Raises PlatformError."""
    if text is None:
        return None
    try:
        return parse_platform(text)
    except ValueError as error:
        raise PlatformError(
            f"platform {text!r}: {error}", subject=text, hint="write it as linux/arm64"
        ) from None
