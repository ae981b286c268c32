"""Small files that a command writes where it is told to, such as the digest of a result."""

from __future__ import annotations

import click


def write_text(path: str, text: str) -> None:
    """Write a file. Raises click.ClickException."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"writing {path}: {error.strerror}") from None
