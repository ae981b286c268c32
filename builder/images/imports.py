"""A root file system becomes a base image: a tar archive, or a directory.

Its configuration is a shell on the default PATH, changed by instructions of the Dockerfile language
(`--change`) as `docker import` does.
"""

from __future__ import annotations

import os
import time

from builder.descriptor import Descriptor
from builder.dockerfile.record import Record
from builder.errors import BuilderError
from builder.image import build_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

    from builder.dockerfile.platforms import Platform
    from builder.layer.compression import Compression
    from builder.layout import Layout

_DEFAULTS = ('CMD ["/bin/sh"]',)
_CHANGES = frozenset(
    (
        *("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL"),
        *("STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    )
)


class ImportFailedError(BuilderError):
    """What is to be imported cannot be read, or a change is not one."""

    code = "import"


class Wanted(Record):
    """What the image is to be.

    Attributes:
        platform: what its programs run on.
        changes: instructions of the Dockerfile language that change the configuration.
        message: comment of its history.
        compression: of its layer.
        epoch: SOURCE_DATE_EPOCH: its times are this or earlier; None for now.
    """

    platform: Platform
    compression: Compression
    changes: Sequence[str] = ()
    message: str = ""
    epoch: int | None = None


def import_archive(layout: Layout, file: BinaryIO, source: str, wanted: Wanted) -> Descriptor:
    """The image of a tar archive, compressed or not, read as a stream; `source` names it.

    Raises ImportFailedError, ImageFormatError, DockerfileError, StoreError.
    """
    from builder.layer.import_ import import_tarball

    config = _configuration(wanted, source)
    layer = import_tarball(layout, file, wanted.compression, epoch=wanted.epoch)
    return build_image(layout, config, [layer])


def open_archive(source: str) -> BinaryIO:
    """The archive's file, `-` for standard input. Raises ImportFailedError."""
    try:
        return open(0 if source == "-" else source, "rb", closefd=source != "-")
    except OSError as error:
        raise ImportFailedError(
            f"importing {source}: {error.strerror}",
            subject=source,
            hint="name a directory, a tar archive, or - for standard input",
        ) from None


def import_directory(layout: Layout, path: str, wanted: Wanted) -> Descriptor:
    """The image of a directory's files, with the owners, modes and attributes they have.

    Raises ImportFailedError, DockerfileError, StoreError.
    """
    from builder.images.directory import entries_of_directory
    from builder.layer.write import write_layer

    config = _configuration(wanted, path)
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ImportFailedError(f"importing {path}: {error.strerror}", subject=path) from None
    try:
        entries = entries_of_directory(root)
        layer = write_layer(layout, entries, wanted.compression, epoch=wanted.epoch)
    except OSError as error:
        where = f" {os.fsdecode(error.filename)}" if error.filename else ""
        raise ImportFailedError(
            f"importing {path}: reading{where}: {error.strerror}", subject=path
        ) from None
    finally:
        os.close(root)
    return build_image(layout, config, [layer])


def _configuration(wanted: Wanted, source: str) -> dict[str, Any]:
    """The image's config, without its layer. Before the archive is read: a typo costs no time."""
    from builder.dockerfile import Request, parse, resolve

    for change in wanted.changes:
        keyword = change.split(maxsplit=1)[0].upper() if change.split() else ""
        if keyword not in _CHANGES or "\n" in change:
            raise ImportFailedError(
                f"importing {source}: {change!r} does not change an image's configuration",
                hint=f"one of {', '.join(sorted(_CHANGES))}",
            )
    text = "\n".join(("FROM scratch", *_DEFAULTS, *wanted.changes, ""))
    resolution = resolve(
        parse(text, "--change"),
        lambda _reference, _platform: None,
        Request(target_platform=wanted.platform, epoch=wanted.epoch),
    )
    document = dict(resolution.target_stage.image)
    created = _rfc3339(time.time() if wanted.epoch is None else wanted.epoch)
    first: dict[str, Any] = {
        "created": created,
        "created_by": f"import {'standard input' if source == '-' else os.path.basename(source)}",
    }
    if wanted.message:
        first["comment"] = wanted.message
    changes = [
        {"created": created, "created_by": entry["created_by"], "empty_layer": True}
        for entry in document["history"][len(_DEFAULTS) :]
    ]
    return {"created": created, **document, "history": [first, *changes]}


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(seconds)))
