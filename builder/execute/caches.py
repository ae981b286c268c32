"""Directories of `RUN --mount=type=cache`: they outlive builds and are in no layer.

    cache-mounts/<digest of the id>/<number>/files      lock: cache-mounts/<digest>/<number>/lock

"shared" uses number 0 together with others, "locked" waits until nobody else uses it, "private"
takes the first number that nobody else uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import os

from builder.errors import StoreError
from builder.execute.cancel import Cancellation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from builder.dockerfile import CacheMount

_WAIT_SECONDS = 0.2


class CacheDirectories:
    """The directories below `path`; each namespace (BUILDKIT_CACHE_MOUNT_NS) has its own ids."""

    def __init__(self, path: str, namespace: str, cancellation: Cancellation) -> None:
        self._path = path
        self._namespace = namespace
        self._cancellation = cancellation

    def take(self, mount: CacheMount, fill: Callable[[str], None], stack: ExitStack) -> str:
        """The directory of a mount, held until the stack is closed.

        fill puts the initial content into a new one. Raises StoreError.
        """
        name = hashlib.sha256(f"{self._namespace}/{mount.id}".encode()).hexdigest()[:32]
        try:
            number = 0
            while True:
                place = f"{self._path}/{name}/{number}"
                os.makedirs(place, 0o700, exist_ok=True)
                lock = os.open(f"{place}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if self._lock(lock, mount.sharing):
                    break
                os.close(lock)
                number += 1
            stack.callback(os.close, lock)
            return self._made(place, mount, fill)
        except OSError as error:
            raise StoreError(
                f"taking the cache directory {mount.id}: {error.strerror}", subject=mount.id
            ) from None

    def _lock(self, lock: int, sharing: str) -> bool:
        if sharing == "shared":
            fcntl.flock(lock, fcntl.LOCK_SH)
            return True
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if sharing == "private":
                    return False
            # Waiting in flock itself would not hear of a cancelled build.
            self._cancellation.wait(_WAIT_SECONDS)
            self._cancellation.check()

    def _made(self, place: str, mount: CacheMount, fill: Callable[[str], None]) -> str:
        """Make the directory in one step, so that a killed build leaves none half filled."""
        final, fresh = f"{place}/files", f"{place}/new-{os.getpid()}-{os.urandom(4).hex()}"
        if os.path.isdir(final):
            return final
        os.mkdir(fresh, 0o700)
        fill(fresh)
        os.chown(fresh, mount.uid, mount.gid)
        os.chmod(fresh, mount.mode)
        try:
            os.rename(fresh, final)
        except OSError:
            if not os.path.isdir(final):
                raise
            from builder.store.remove import remove_tree

            remove_tree(fresh)  # another build was quicker
        return final
