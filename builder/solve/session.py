"""What the parts of one build share."""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import dataclass, field

from builder.execute.cancel import Cancellation
from builder.execute.credentials import Credentials
from builder.execute.tmpfs import mount_tmpfs, unmount
from builder.layer.compression import Compression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.context.known_files import KnownFiles
    from builder.dockerfile import Dockerfile
    from builder.progress import Display
    from builder.snapshot import Snapshots
    from builder.solve.files import Files
    from builder.store import Store

_MEMORY = 16 << 20


@dataclass(slots=True)
class Session:
    """One build.

    Attributes:
        store: where results go.
        open_snapshots: gives what mounts layers.
        workspace: a directory of this build's own.
        files: opens the files of origins.
        known_files: digests of large files of contexts.
        display: shows progress.
        cancellation: stops everything.
        dockerfile: what is built.
        epoch: SOURCE_DATE_EPOCH, or None.
        clock: seconds, the time of what has no time of its own.
        compression: of layers.
        no_cache: execute every step.
        credentials: secrets and agents.
        allow: entitlements.
        hostname: of RUN's containers.
        cache_namespace: of `type=cache` mounts.
        run_slots: how many RUN steps at once.
    """

    store: Store
    open_snapshots: Callable[[], Snapshots]
    workspace: str
    files: Files
    known_files: KnownFiles
    display: Display
    cancellation: Cancellation
    dockerfile: Dockerfile
    epoch: int | None
    clock: int
    compression: Compression
    no_cache: bool
    credentials: Credentials
    allow: frozenset[str]
    hostname: str
    cache_namespace: str
    run_slots: threading.Semaphore
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _memory: str = ""

    def directory(self, name: str) -> str:
        """A new empty directory in the workspace."""
        path = f"{self.workspace}/{name}-{next(self._numbers)}"
        os.mkdir(path, 0o700)
        return path

    def file_in_memory(self) -> str:
        """The path of a file to be made on a tmpfs that nobody else sees.

        It is mounted in the build's mount namespace, so it is gone with the process.
        """
        with self._lock:
            if not self._memory:
                memory = self.directory("memory")
                mount_tmpfs(memory, _MEMORY)
                self._memory = memory
        return f"{self._memory}/{next(self._numbers)}"

    def close(self) -> None:
        """Take the tmpfs away. Safe to repeat."""
        if self._memory:
            unmount(self._memory)
            self._memory = ""
