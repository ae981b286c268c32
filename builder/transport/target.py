"""Putting an image where it should go, with its signatures."""

from __future__ import annotations

import os

from builder import contents
from builder.archives import write_archive
from builder.errors import StoreError
from builder.layout import FULL_NAME, KIND, REF_NAME, Layout, annotation_of
from builder.registry.store_images import push_local
from builder.signing.storage import copy_signatures
from builder.transport.place import DOCKER_ARCHIVE, LAYOUT, REGISTRY, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    from builder.descriptor import Descriptor
    from builder.progress import Display
    from builder.registry.options import Options
    from builder.store import Store
    from builder.transport.source import Opened


def put(
    source: Opened,
    place: Place,
    store: Callable[[], Store],
    options: Options,
    display: Display,
    *,
    signatures: bool = True,
) -> None:
    """Put an image to a place. Raises what pushing, writing and reading raises."""
    if place.kind == REGISTRY:
        assert place.reference is not None
        push_local(
            source.layout,
            source.descriptor,
            place.reference,
            options,
            display,
            signatures=signatures,
        )
    elif place.kind == LAYOUT:
        _to_layout(source, place, signatures=signatures)
    elif place.kind.endswith("archive"):
        name = place.name or source.name
        names = [name] if name else []
        with archive_sink(place.path) as file:
            write_archive(
                file.write,
                source.layout,
                [(source.descriptor, names)],
                docker=place.kind == DOCKER_ARCHIVE,
            )
    else:
        contents.take_over(source.layout, store().layout, source.descriptor)
        store().tag(place.name or "", unmarked(source.descriptor))
        if signatures:
            copy_signatures(source.layout, store().layout, source.descriptor)


class archive_sink:  # noqa: N801 -- reads like the function it is
    """A file to write an archive to, there when it is whole; `-` for standard output."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fresh = f"{path}.{os.urandom(6).hex()}"
        self._file: BinaryIO | None = None

    def __enter__(self) -> BinaryIO:
        try:
            if self._path == "-" or not _is_ordinary(self._path):
                self._fresh = ""
                place: int | str = 1 if self._path == "-" else self._path
                self._file = open(place, "wb", closefd=self._path != "-")
            else:
                self._file = open(self._fresh, "xb")
        except OSError as error:
            raise self._failed(error) from None
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self._file is not None
        try:
            self._file.close()
            if self._fresh and kind is None:
                os.rename(self._fresh, self._path)
        except OSError as error:
            raise self._failed(error) from None
        finally:
            if self._fresh and os.path.exists(self._fresh):
                os.unlink(self._fresh)

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(f"writing archive {self._path}: {error.strerror}", subject=self._path)


def _is_ordinary(path: str) -> bool:
    """Whether a file at path may be replaced: not a device or a FIFO, which are written to."""
    return not os.path.exists(path) or os.path.isfile(path)


def unmarked(descriptor: Descriptor) -> Descriptor:
    """Without the marks that it has in the layout it comes from."""
    marks = (KIND, REF_NAME, FULL_NAME)
    kept = {k: v for k, v in descriptor.annotations.items() if k not in marks}
    return descriptor.replace(annotations=kept, data=None)


def _to_layout(source: Opened, place: Place, *, signatures: bool) -> None:
    layout = Layout.create(place.path)
    contents.take_over(source.layout, layout, source.descriptor)
    entry = unmarked(source.descriptor)
    annotations = dict(entry.annotations)
    if source.name:
        annotations[FULL_NAME] = source.name
    tag = place.name or (source.name or "").partition("@")[0].rpartition("/")[2].partition(":")[2]
    if tag and ":" not in tag:
        annotations[REF_NAME] = tag
    entry = entry.replace(annotations=annotations)

    def edit(index: dict[str, Any]) -> None:
        kept = [one for one in index["manifests"] if annotation_of(one, REF_NAME) != (tag or None)]
        index["manifests"] = [*kept, entry.to_json()]

    layout.edit_index(edit)
    if signatures:
        copy_signatures(source.layout, layout, source.descriptor)
    layout.tidy()
