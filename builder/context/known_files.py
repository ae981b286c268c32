"""Digests of large files of build contexts, kept between builds by inode, size and times.

A changed file always has another ctime, unless it changed within the same tick of the file system's
clock as the hashing: files that young are not remembered. Only ever saves work: a damaged
database is begun anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, digest TEXT,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID
"""
_TOO_YOUNG_NS = 2_000_000_000
_MOST_FILES = 200_000


class KnownFiles:
    """The digests in one file. Safe to share between threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._open()
        except sqlite3.OperationalError:
            return  # read-only or busy: hash everything
        except sqlite3.DatabaseError:
            self._begin_anew()

    def get(self, found: os.stat_result) -> str | None:
        """The digest of the file that had exactly this stat."""
        rows = self._run(
            "SELECT digest FROM files WHERE device = ? AND inode = ? AND size = ?"
            " AND mtime = ? AND ctime = ?",
            *_columns(found),
        )
        return str(rows[0][0]) if rows else None

    def put(self, found: os.stat_result, digest: str) -> None:
        """Remember the digest of a file, unless it changed too lately to be sure."""
        newest = max(found.st_mtime_ns, found.st_ctime_ns)
        if newest > time.time_ns() - _TOO_YOUNG_NS:
            return
        self._run(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", *_columns(found), digest
        )

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        with self._lock:
            if self._connection is None:
                return
            try:
                (count,) = self._connection.execute("SELECT count(*) FROM files").fetchone()
                if count > _MOST_FILES:
                    self._connection.execute("DELETE FROM files")
                self._connection.commit()
            except sqlite3.Error:
                pass
            self._connection.close()
            self._connection = None

    def _run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            if self._connection is None:
                return []
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError:
                return []
            except sqlite3.DatabaseError:
                self._begin_anew()
                return []

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=1, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_anew(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        try:
            os.unlink(self._path)
            self._connection = self._open()
        except (OSError, sqlite3.Error):
            self._connection = None


def _columns(found: os.stat_result) -> tuple[int, ...]:
    return (
        found.st_dev,
        _signed(found.st_ino),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _signed(number: int) -> int:
    """SQLite's integers are signed; inode numbers are not."""
    return number - (1 << 64) if number >= 1 << 63 else number
