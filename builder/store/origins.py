"""Which repositories blobs came from or went to, so that a push can have them linked from there.

One SQLite file beside the store's cache. It only ever saves transfers: what stands in it need not
be true any more, and a file that is damaged is begun anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.digest import Digest

_TABLE = (
    "CREATE TABLE IF NOT EXISTS origins (digest TEXT, host TEXT, repository TEXT, "
    "PRIMARY KEY (digest, host, repository)) WITHOUT ROWID"
)
_MOST = 4
"""Repositories of a blob that are tried."""


class Origins:
    """The repositories of blobs. Safe to share between threads."""

    def __init__(self, path: str) -> None:
        """Use the file at path, made when something is added."""
        self._path = path
        self._lock = threading.Lock()

    def add(self, host: str, repository: str, digests: Iterable[Digest]) -> None:
        """Note that a repository has blobs."""
        rows = [(digest, host, repository) for digest in digests]
        self._run("INSERT OR IGNORE INTO origins VALUES (?, ?, ?)", rows)

    def of(self, host: str, digest: Digest) -> list[str]:
        """The repositories of a host that had a blob."""
        if not os.path.exists(self._path):
            return []
        found = self._run(
            "SELECT repository FROM origins WHERE host = ? AND digest = ? LIMIT ?",
            [(host, digest, _MOST)],
        )
        return [row[0] for row in found]

    def _run(self, statement: str, rows: Sequence[tuple[object, ...]]) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        with self._lock:
            try:
                connection = sqlite3.connect(self._path, timeout=10.0)
                try:
                    with connection:
                        connection.execute(_TABLE)
                        for row in rows:
                            found += connection.execute(statement, row).fetchall()
                finally:
                    connection.close()
            except sqlite3.OperationalError:
                return []
            except sqlite3.DatabaseError:
                os.unlink(self._path)
        return found
