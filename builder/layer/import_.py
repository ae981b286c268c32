"""A tar archive that somebody made (a root file system, say) as a layer in this builder's own form.

    archive ──decompress──▶ entries ──names, owners, times checked and made plain──▶ write_layer

Streamed: the order stays the archive's. What is normalised: names without `./` and leading slashes,
no names of users, whole seconds, missing parent directories added, attributes that belong to the
host dropped. So the same files give the same layer whichever program wrote and compressed the
archive.
"""

from __future__ import annotations

from dataclasses import replace

from builder.errors import ImageFormatError
from builder.layer.attributes import is_kept
from builder.layer.compression import Compression
from builder.layer.decompression import detecting_decompressor
from builder.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry
from builder.layer.names import below, hidden_name, is_whiteout, shown
from builder.layer.tar_reader import TarReader
from builder.layer.write import write_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.layer.entry import Readable
    from builder.layer.layer import Layer
    from builder.layout import Layout

_SYMLINK_MODE = 0o777


def import_tarball(
    layout: Layout,
    file: Readable,
    compression: Compression = Compression(),  # noqa: B008
    *,
    epoch: int | None = None,
    what: str = "the archive",
) -> Layer:
    """Write an archive as a layer.

    Args:
        layout: takes the blob.
        file: the archive, at its beginning; plain or compressed by gzip, zstd, bzip2 or xz.
        compression: of the layer.
        epoch: no mtime is later than this; None for no limit.
        what: names the archive in errors.

    Raises ImageFormatError for an archive that is damaged, empty, hostile or that a layer cannot
    hold, StoreError, and what file.read raises.
    """
    tar = TarReader(detecting_decompressor(file.read, what), what)
    layer = write_layer(layout, _normalised(tar, what), compression, epoch=epoch)
    tar.drain()
    return layer


def _normalised(tar: TarReader, what: str) -> Iterator[Entry]:
    directories: set[bytes] = set()
    others: set[bytes] = set()
    for entry in tar:
        name = below(entry.name, what)
        if not name:
            if entry.kind != DIRECTORY:
                raise ImageFormatError(f"importing {what}: its root is a {entry.kind}")
            name = b"."
        parent, _, last = name.rpartition(b"/")
        if is_whiteout(last) and hidden_name(last, what) is None:
            continue
        for missing in _missing(parent, directories, others, what):
            yield Entry(missing, DIRECTORY, mode=0o755)
        target = entry.target
        if entry.kind == HARDLINK:
            target = below(target, what)
            if target not in others:
                raise ImageFormatError(
                    f"importing {what}: {shown(name)} is a link to {shown(entry.target)}, which"
                    " does not come before it"
                )
            if target == name:
                continue
        if entry.kind == DIRECTORY:
            directories.add(name)
            others.discard(name)
        else:
            others.add(name)
            directories.discard(name)
        yield replace(
            entry,
            name=name,
            target=target,
            # Some programs write the umask into it; the kernel knows no other.
            mode=_SYMLINK_MODE if entry.kind == SYMLINK else entry.mode,
            xattrs={key: value for key, value in entry.xattrs.items() if is_kept(key)},
            content=(lambda: tar) if entry.kind == FILE else b"",
        )
    if not directories and not others:
        raise ImageFormatError(f"importing {what}: there is nothing in it", subject=what)


def _missing(parent: bytes, directories: set[bytes], others: set[bytes], what: str) -> list[bytes]:
    """The directories above an entry that the archive did not have, outermost first."""
    missing = []
    while parent and parent not in directories:
        if parent in others:
            # A link or a file: what is below it would go elsewhere or nowhere.
            raise ImageFormatError(
                f"importing {what}: {shown(parent)} is not a directory, but has files in it"
            )
        directories.add(parent)
        missing.append(parent)
        parent = parent.rpartition(b"/")[0]
    return missing[::-1]
