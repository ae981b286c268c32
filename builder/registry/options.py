"""How registries are spoken to: what the command line and the environment say about it."""

from __future__ import annotations

import os

from builder.dockerfile.record import Record
from builder.execute.cancel import Cancellation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.registry.credential_program import Credentials


class Options(Record):
    """Of one command.

    Attributes:
        environ: where credentials and certificates are looked for.
        authfile: the file of credentials, None for the usual places.
        credentials: used for every registry instead of what is kept anywhere.
        plain_http: speak HTTP without TLS.
        tls_verify: check certificates.
        cert_dir: certificates beside those of certs.d.
        jobs: blobs at once.
        chunk_size: bytes of a piece of an upload, 0 for all in one.
        attempts: how often a request is tried before it counts as failed.
        cancellation: stops everything when thrown.
        warn: told in one line of what is odd.
    """

    environ: Mapping[str, str] = os.environ
    authfile: str | None = None
    credentials: Credentials | None = None
    plain_http: bool = False
    tls_verify: bool = True
    cert_dir: str | None = None
    jobs: int = 4
    chunk_size: int = 0
    attempts: int = 6
    cancellation: Cancellation | None = None
    warn: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        # The environment holds secrets.
        return f"Options(jobs={self.jobs}, plain_http={self.plain_http})"

    def check(self) -> None:
        """Raises Cancelled when the command is being stopped."""
        if self.cancellation is not None:
            self.cancellation.check()
