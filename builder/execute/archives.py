"""ADD of a local archive: whether a file is one, told by its content, and unpacking it."""

from __future__ import annotations

import os

from builder.dockerfile import DockerfileError
from builder.errors import ImageFormatError
from builder.layer.apply import apply_layer
from builder.layer.decompression import detecting_decompressor
from builder.layer.tar_reader import TarReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO


def extracted(file: BinaryIO, new_directory: Callable[[str], str], name: str) -> str | None:
    """Unpack an archive into a new directory; None for a file that is none.

    Archives are tar streams with at least one entry, plain or compressed by gzip, bzip2, xz or
    zstd.

    Args:
        file: at its beginning.
        new_directory: makes one.
        name: of the file, for messages.

    Raises DockerfileError for an archive that is damaged or cannot be kept exactly.
    """
    if not is_archive(file, name):
        return None
    file.seek(0)
    directory = new_directory("archive")
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        apply_layer(detecting_decompressor(file.read, name), number, overlay=False)
    except ImageFormatError as error:
        raise DockerfileError(
            f"unpacking {name}: {error.message}",
            near=os.path.basename(name),
            hint="--unpack=false copies it as it is",
        ) from None
    finally:
        os.close(number)
    return directory


def is_archive(file: BinaryIO, name: str) -> bool:
    """Whether a file begins as a tar stream does."""
    try:
        entries = TarReader(detecting_decompressor(file.read, name), name)
        return next(iter(entries), None) is not None
    except ImageFormatError:
        return False
