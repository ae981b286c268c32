"""SOURCE_DATE_EPOCH that is not a number: the newest file of a context, or a download's time."""

from __future__ import annotations

import stat as modes

from builder.context.select import select
from builder.dockerfile import (
    DockerfileError,
    EpochSource,
    HttpSource,
    MainContext,
    NamedContext,
    epoch_source,
    host_platform,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builder.dockerfile import Dockerfile
    from builder.execute.download import Downloads
    from builder.solve.files import Files
    from builder.solve.request import BuildRequest


def find_epoch(
    dockerfile: Dockerfile, request: BuildRequest, files: Files, downloads: Downloads
) -> int | None:
    """Seconds that have to be looked for; None to let the build argument be read as a number.

    Raises DockerfileError.
    """
    if request.epoch is not None:
        return request.epoch
    source = epoch_source(dockerfile, request.build_args, request.contexts)
    if source is None:
        return None
    if source.kind == "stage":
        return _of_download(source, downloads)
    origin: MainContext | NamedContext = MainContext()
    if source.kind == "named-context":
        origin = NamedContext(source.name, request.contexts[source.name], host_platform())
    newest = 0
    for match in select(files.directory(origin), "/", required=True):
        for item in match.files:
            if not modes.S_ISDIR(item.stat.st_mode):
                newest = max(newest, int(item.stat.st_mtime))
    return newest


def _of_download(source: EpochSource, downloads: Downloads) -> int:
    if not source.url.startswith(("http://", "https://")):
        raise DockerfileError(
            f"SOURCE_DATE_EPOCH={source.name}: the ADD of that stage is not of a URL",
            hint="give seconds since 1970",
        )
    found = downloads.get(HttpSource(source.url, "", "", False)).mtime
    if found is None:
        raise DockerfileError(
            f"SOURCE_DATE_EPOCH={source.name}: the server does not say when {source.url} changed"
        )
    return found
