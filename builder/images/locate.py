"""Which image an argument of the command line means.

    NAME[:TAG]                  a name in the store
    sha256:DIGITS, DIGITS       a digest in the store, in full or its first 12 digits or more
    DIR[:TAG]  DIR@DIGEST       an image layout: ./dir, /dir, or a plain name that is one
    oci:DIR[:TAG]  oci-layout://DIR[:TAG|@DIGEST]

A plain name is looked for in the store first, so that a directory that happens to be here cannot
take an image's place.
"""

from __future__ import annotations

import os

from builder.digest import Digest
from builder.dockerfile.record import Record
from builder.errors import ImageNotFoundError, InvalidReferenceError
from builder.layout import REF_NAME, Layout, is_accessory
from builder.store.names import layout_reference, normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from builder.descriptor import Descriptor
    from builder.store import Store

_FEWEST_DIGITS = 12
_DIGITS = frozenset("0123456789abcdef")


class Located(Record):
    """An image that was found.

    Attributes:
        layout: where it is.
        descriptor: of its manifest or index, as index.json has it.
        shown: how to call it in messages.
        reference: its full name (`docker.io/library/x:latest`), None when it has none.
    """

    layout: Layout
    descriptor: Descriptor
    shown: str
    reference: str | None


def locate(argument: str, store: Callable[[], Store]) -> Located:
    """Find an image; the store is opened only when the argument is no layout's path.

    Raises ImageNotFoundError, InvalidReferenceError, StoreError, ImageFormatError.
    """
    if given := layout_reference(argument):
        return _in_layout(*given, shown=argument)
    layout = store().layout
    if (found := _in_store(argument, layout)) is not None:
        return found
    if (plain := _plain_directory(argument)) is not None:
        return _in_layout(*plain, shown=argument)
    raise ImageNotFoundError(
        f"opening image {argument}: not in the store {layout.path}, and no image layout here",
        subject=argument,
        hint="`pyoci-builder images` lists the store; write ./DIR for a directory",
    )


def images_of(entries: Iterable[Descriptor]) -> list[Descriptor]:
    """The entries of an index that are images, not the signatures of some."""
    return [entry for entry in entries if not is_accessory(entry)]


def _in_store(argument: str, layout: Layout) -> Located | None:
    entries = images_of(layout.index())
    algorithm, colon, digits = argument.rpartition(":")
    if colon and algorithm in ("sha256", "sha512"):
        return _by_digits(argument, digits, algorithm, entries, layout)
    try:
        full = normalize(argument)
    except InvalidReferenceError:
        if len(argument) == 64 and _DIGITS.issuperset(argument):
            return _by_digits(argument, argument, "", entries, layout)
        if _plain_directory(argument) is None:
            raise
        return None
    name, _, digest = full.partition("@")
    for entry in entries:
        if entry.annotations.get(REF_NAME) == full:
            return Located(layout, entry, full, full)
    if digest:
        # name@digest: the image must be there under that digest, whatever its tag is now.
        for entry in entries:
            if entry.digest == digest:
                return Located(layout, entry, full, name)
        return None
    if len(argument) >= _FEWEST_DIGITS and _DIGITS.issuperset(argument):
        return _by_digits(argument, argument, "", entries, layout)
    return None


def _by_digits(
    argument: str, digits: str, algorithm: str, entries: list[Descriptor], layout: Layout
) -> Located | None:
    """An image by its digest or the beginning of it."""
    if len(digits) < _FEWEST_DIGITS or not _DIGITS.issuperset(digits):
        raise InvalidReferenceError(
            f"image {argument!r}: a digest is given by {_FEWEST_DIGITS} or more of its digits"
            " 0-9 a-f",
            subject=argument,
        )
    found = [
        entry
        for entry in entries
        if entry.digest.hex.startswith(digits) and algorithm in ("", entry.digest.algorithm)
    ]
    distinct = {entry.digest for entry in found}
    if len(distinct) > 1:
        raise ImageNotFoundError(
            f"opening image {argument}: {len(distinct)} images begin with these digits",
            subject=argument,
            hint="give more of them",
        )
    if found:
        name = found[0].annotations.get(REF_NAME)
        return Located(layout, found[0], str(found[0].digest), name)
    if len(digits) in (64, 128) and algorithm:
        # An image inside an index has no entry of its own.
        inner = layout.resolve(Digest(argument))
        return Located(layout, inner, str(inner.digest), None)
    return None


def _in_layout(path: str, reference: str | None, shown: str) -> Located:
    layout = Layout.open(path)
    entries = images_of(layout.index())
    if reference is None:
        if len({entry.digest for entry in entries}) != 1:
            names = sorted({entry.annotations.get(REF_NAME) or entry.digest for entry in entries})
            what = f"it holds {len(names)} images" if names else "it holds no image"
            raise ImageNotFoundError(
                f"opening an image of {path}: {what}",
                subject=path,
                hint=f"name one of: {', '.join(names)}" if names else None,
            )
        found = entries[0]
    else:
        matching = [
            entry
            for entry in entries
            if entry.annotations.get(REF_NAME) == reference or entry.digest == reference
        ]
        found = matching[0] if matching else _by_tag(layout, entries, reference)
    return Located(layout, found, shown, _full_name(found.annotations.get(REF_NAME)))


def _by_tag(layout: Layout, entries: list[Descriptor], reference: str) -> Descriptor:
    """An entry with a full name (`host/repository:tag`) of which only the tag was given."""
    tagged = [
        entry
        for entry in entries
        if entry.annotations.get(REF_NAME, "").rpartition("/")[2].rpartition(":")[2] == reference
        and ":" in entry.annotations.get(REF_NAME, "")
    ]
    if len({entry.digest for entry in tagged}) == 1:
        return tagged[0]
    return layout.resolve(reference)


def _full_name(name: str | None) -> str | None:
    """A layout's name as the name of an image, when it is more than a tag."""
    if name is None or not (":" in name or "/" in name):
        return None
    try:
        return normalize(name)
    except InvalidReferenceError:
        return None


def _plain_directory(argument: str) -> tuple[str, str | None] | None:
    """`dir` or `dir:tag` without a leading ./, when the directory is an image layout."""
    for path, tag in ((argument, None), (argument.rpartition(":")[0], argument.rpartition(":")[2])):
        if path and os.path.exists(f"{path}/oci-layout"):
            return path, tag
    return None
