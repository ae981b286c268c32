"""A blob from a registry into a layout: resumed where it was cut, verified, whole or not there."""

from __future__ import annotations

from builder.errors import DigestMismatchError, SizeMismatchError
from builder.registry.errors import RegistryError, UnreachableError
from builder.registry.retries import own_delay, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from builder.blob import BlobWriter
    from builder.descriptor import Descriptor
    from builder.layout import Layout
    from builder.registry.repository import Repository

_MOST_RESUMPTIONS = 100


def download(
    repository: Repository,
    blob: Descriptor,
    layout: Layout,
    progress: Callable[[int], None],
) -> None:
    """Download a blob. `progress` is told of every piece's length; what it raises stops it.

    Raises DigestMismatchError, SizeMismatchError, RegistryError, StoreError.
    """
    doing = f"pulling blob {blob.digest} of {repository.full_name}"
    with layout.writer(blob.digest.algorithm) as writer:
        if blob.data is not None:
            writer.write(blob.data)
        else:
            _fill(writer, repository, blob, doing, progress)
        if writer.size != blob.size:
            raise _wrong_size(doing, blob, writer.size)
        if writer.digest != blob.digest:
            raise DigestMismatchError(
                f"{doing}: the bytes that came have the digest {writer.digest}",
                subject=blob.digest,
                hint="the registry, or somebody between, altered the blob",
            )
        writer.commit(blob.media_type)


def _fill(
    writer: BlobWriter,
    repository: Repository,
    blob: Descriptor,
    doing: str,
    progress: Callable[[int], None],
) -> None:
    """Write the blob's bytes; a connection that breaks is resumed from there."""
    import httpx

    options = repository.connection.options
    failures = resumptions = 0
    while True:
        before = writer.size
        answer = _ask(repository, blob, before, doing)
        try:
            _take(answer, writer, blob, doing, progress)
            return
        except httpx.TransportError as error:
            resumptions += 1
            # A connection that brought something may go on like this; one that did not, not often.
            failures = 1 if writer.size > before else failures + 1
            if failures >= options.attempts or resumptions >= _MOST_RESUMPTIONS:
                why = str(error) or type(error).__name__
                raise UnreachableError(
                    f"{doing}: cut off after {writer.size} of {blob.size} bytes ({why}),"
                    f" tried {resumptions} times",
                    subject=blob.digest,
                ) from None
            wait(own_delay(failures), options)
        finally:
            answer.close()


def _ask(repository: Repository, blob: Descriptor, offset: int, doing: str) -> httpx.Response:
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    answer = repository.connection.request(
        "GET",
        repository.url(f"blobs/{blob.digest}"),
        doing,
        scopes=repository.scopes,
        expected=(200, 206, 404) if offset else (200, 404),
        headers={"Accept": "*/*", **headers},
    )
    if answer.status_code == 404:
        answer.close()
        raise RegistryError(
            f"{doing}: the registry has no such blob", status=404, subject=blob.digest
        )
    return answer


def _take(
    answer: httpx.Response,
    writer: BlobWriter,
    blob: Descriptor,
    doing: str,
    progress: Callable[[int], None],
) -> None:
    """Write what an answer brings. Raises httpx.TransportError when it is cut."""
    skip = 0
    if answer.status_code == 206:
        start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if start != str(writer.size):
            raise RegistryError(
                f"{doing}: asked for the bytes from {writer.size} on, got those from {start!r} on",
                subject=blob.digest,
            )
    else:
        # All of it again, whether that was asked for or not.
        skip = writer.size
    announced = answer.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) != blob.size - writer.size + skip:
        raise _wrong_size(doing, blob, int(announced) + writer.size - skip)
    for chunk in answer.iter_raw():
        if skip:
            passed = min(skip, len(chunk))
            chunk, skip = chunk[passed:], skip - passed
        if writer.size + len(chunk) > blob.size:
            raise _wrong_size(doing, blob, writer.size + len(chunk), is_more=True)
        if chunk:
            writer.write(chunk)
            progress(len(chunk))


def _wrong_size(
    doing: str, blob: Descriptor, size: int, *, is_more: bool = False
) -> SizeMismatchError:
    return SizeMismatchError(
        f"{doing}: {size} bytes{' or more' if is_more else ''} where the manifest says {blob.size}",
        subject=blob.digest,
        hint="the registry, or somebody between, altered the blob",
    )
