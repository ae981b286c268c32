"""A blob from a layout to a registry (distribution-spec "Pushing a blob").

POST …/uploads/?mount=…&from=…  ──201──▶ mounted from another repository, nothing to send
     │ 202 Location
PATCH Location  (all of it, or pieces)  ──202──▶ Location
     │ cut off: GET Location ──204, Range──▶ go on from there, or begin anew
PUT Location?digest=…  ──201──▶ there
"""

from __future__ import annotations

from builder.blob import CHUNK
from builder.registry.authentication import Scope
from builder.registry.errors import AuthenticationError, RegistryError, UnreachableError
from builder.registry.retries import PASSING, own_delay, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx

    from builder.descriptor import Descriptor
    from builder.layout import Layout
    from builder.registry.repository import Repository

_TYPE = "application/octet-stream"


def mount(repository: Repository, blob: Descriptor, sources: Sequence[str]) -> bool:
    """Have a blob of other repositories of the same registry linked into this one.

    Whether that worked with one of them; a registry may refuse for any reason.
    """
    for source in sources:
        if source == repository.name:
            continue
        try:
            answer = _start(repository, blob, source)
        except (AuthenticationError, UnreachableError):
            return False
        except RegistryError:
            continue
        if answer.status_code == 201:
            return True
        # It has begun an upload instead, which nobody will finish.
        _abandon(repository, repository.connection.target(answer, "mounting"))
    return False


def upload(
    repository: Repository,
    blob: Descriptor,
    layout: Layout,
    progress: Callable[[int], None],
) -> None:
    """Upload a blob that the registry does not have.

    `progress` is told of every piece's length, negative when pieces have to be sent again; what it
    raises stops the upload. Raises RegistryError, and for a damaged blob what reading it raises.
    """
    _Upload(repository, blob, layout, progress).run()


class _Upload:
    def __init__(
        self,
        repository: Repository,
        blob: Descriptor,
        layout: Layout,
        progress: Callable[[int], None],
    ) -> None:
        self._repository = repository
        self._connection = repository.connection
        self._blob = blob
        self._layout = layout
        self._progress = progress
        self._doing = f"pushing blob {blob.digest} to {repository.full_name}"
        self._failures = 0
        self._told = 0
        self._piece = self._connection.options.chunk_size
        self._location: httpx.URL | None = None

    def run(self) -> None:
        try:
            while True:
                try:
                    if self._location is None:
                        self._begin()
                    self._send_all()
                    self._finish()
                    return
                except RegistryError as error:
                    if self._is_over(error):
                        return
        except BaseException:
            if self._location is not None:
                _abandon(self._repository, self._location)
            raise

    def _begin(self) -> None:
        answer = _start(self._repository, self._blob, attempts=1)
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        if self._piece and least.isdigit():
            self._piece = max(self._piece, int(least))
        self._location = self._connection.target(answer, self._doing)
        self._tell(0)

    def _send_all(self) -> None:
        offset = self._told
        while offset < self._blob.size:
            length = self._blob.size - offset
            if self._piece:
                length = min(length, self._piece)
            self._patch(offset, length)
            offset += length
            self._tell(offset)

    def _patch(self, offset: int, length: int) -> None:
        assert self._location is not None
        headers = {"Content-Type": _TYPE, "Content-Length": str(length)}
        if length < self._blob.size:
            headers["Content-Range"] = f"{offset}-{offset + length - 1}"

        def content() -> Iterator[bytes]:
            self._tell(offset)
            for chunk in _pieces(self._layout, self._blob, offset, length):
                yield chunk
                self._tell(self._told + len(chunk))

        answer = self._connection.request(
            "PATCH",
            self._location,
            self._doing,
            scopes=self._repository.scopes,
            expected=(202, 201, 204),
            headers=headers,
            content=content,
            attempts=1,
        )
        answer.close()
        if "Location" in answer.headers:
            self._location = self._connection.target(answer, self._doing)

    def _finish(self) -> None:
        assert self._location is not None
        answer = self._connection.request(
            "PUT",
            self._location.copy_add_param("digest", self._blob.digest),
            self._doing,
            scopes=self._repository.scopes,
            expected=(201, 204, 202, 200),
            headers={"Content-Type": _TYPE, "Content-Length": "0"},
            attempts=1,
        )
        answer.close()
        self._location = None

    def _is_over(self, error: RegistryError) -> bool:
        """After a failure: whether the blob is there all the same, else how far it came.

        Raises the error when there is no sense in going on.
        """
        is_lost = error.status in (404, 416)
        if isinstance(error, AuthenticationError) or not (
            isinstance(error, UnreachableError) or is_lost or error.status in PASSING
        ):
            raise error
        self._failures += 1
        if self._failures >= self._connection.options.attempts:
            raise error
        wait(own_delay(self._failures), self._connection.options)
        if self._repository.has_blob(self._blob.digest):
            # The answer to the last request was lost, not the request.
            self._tell(self._blob.size)
            return True
        offset = None if is_lost or self._location is None else self._stored()
        if offset is None:
            self._location = None
        else:
            self._tell(offset)
        return False

    def _stored(self) -> int | None:
        """How many bytes the registry has of this upload, None when it does not say."""
        assert self._location is not None
        try:
            answer = self._connection.request(
                "GET",
                self._location,
                self._doing,
                scopes=self._repository.scopes,
                expected=(204, 200),
            )
        except RegistryError:
            return None
        answer.close()
        if "Location" in answer.headers:
            self._location = self._connection.target(answer, self._doing)
        first, dash, last = answer.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if first != "0" or not dash or not last.isdigit() or int(last) >= self._blob.size:
            return None
        # "0-0" is what registries say of an upload without any byte, too.
        return int(last) + 1 if int(last) else None

    def _tell(self, offset: int) -> None:
        if offset != self._told:
            change, self._told = offset - self._told, offset
            self._progress(change)


def _start(
    repository: Repository, blob: Descriptor, source: str | None = None, *, attempts: int = 0
) -> httpx.Response:
    doing = f"pushing blob {blob.digest} to {repository.full_name}"
    url = repository.url("blobs/uploads/")
    scopes: tuple[Scope, ...] = repository.scopes
    if source is not None:
        url = url.copy_add_param("mount", blob.digest).copy_add_param("from", source)
        scopes = (*scopes, Scope(source))
    answer = repository.connection.request(
        "POST",
        url,
        doing,
        scopes=scopes,
        expected=(201, 202) if source else (202,),
        headers={"Content-Length": "0"},
        attempts=attempts,
    )
    answer.close()
    return answer


def _pieces(layout: Layout, blob: Descriptor, offset: int, length: int) -> Iterator[bytes]:
    """The bytes of a part of a blob; the last part only when the whole is right."""
    with layout.open_blob(blob) as reader:
        while offset:
            offset -= len(reader.read(min(offset, CHUNK)))
        while length:
            chunk = reader.read(min(length, CHUNK))
            length -= len(chunk)
            yield chunk


def _abandon(repository: Repository, location: httpx.URL) -> None:
    """Tell the registry that an upload is over; it would find out by itself, in a week or so."""
    try:
        repository.connection.request(
            "DELETE",
            location,
            "ending an upload",
            scopes=repository.scopes,
            expected=range(200, 500),
            attempts=1,
        ).close()
    except Exception:
        pass
