"""The build cache: what each step came to, by the digest of everything it depends on.

One SQLite file. It only ever saves work: a file that is damaged, or of another version, is set
aside and begun anew, and a record whose layer is no longer in the store is the caller's to ignore.
Several processes may use it at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import time
from dataclasses import dataclass, field

from builder.descriptor import Descriptor
from builder.digest import DiffID, Digest
from builder.errors import BuilderError, StoreError
from builder.layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS records (
    key        TEXT PRIMARY KEY,
    step_id    TEXT NOT NULL,
    kind       TEXT NOT NULL,
    layer      TEXT,
    diff_id    TEXT,
    size       INTEGER,
    components TEXT NOT NULL,
    value      TEXT NOT NULL,
    created    INTEGER NOT NULL,
    last_used  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_step ON records (step_id, last_used);
"""
_COLUMNS = "key, step_id, kind, layer, diff_id, size, components, value, created, last_used"
_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Record:
    """The result of a step.

    Attributes:
        key: digest of everything the step depends on.
        step_id: names the step across builds (Dockerfile, stage, place), to say what changed.
        kind: what the step is ("run", "copy", ...).
        layer: the layer it made; None when it changed no file.
        components: what the key was made of, by name.
        value: anything else the caller wants back; JSON.
        created, last_used: seconds since 1970; set by the cache.
    """

    key: str
    step_id: str
    kind: str
    layer: Layer | None = None
    components: dict[str, Any] = field(default_factory=dict, hash=False)
    value: dict[str, Any] = field(default_factory=dict, hash=False)
    created: int = 0
    last_used: int = 0


class Cache:
    """The cache in one file. Safe to share between threads."""

    def __init__(self, path: str, warn: Callable[[str], None] | None = None) -> None:
        """Open the file or make it; warn is told in one line when a damaged one was set aside.

        Raises StoreError when the file cannot be made.
        """
        self._path = path
        self._warn = warn
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = self._open()

    def get(self, key: str) -> Record | None:
        """The record of a key; notes that it was used."""
        row = self._run(f"SELECT {_COLUMNS} FROM records WHERE key = ?", key)
        if row:
            self._run("UPDATE records SET last_used = ? WHERE key = ?", int(time.time()), key)
        return _record(row[0]) if row else None

    def put(self, record: Record) -> None:
        """Keep a record, in place of one with the same key."""
        now = int(time.time())
        layer = record.layer
        self._run(
            f"INSERT OR REPLACE INTO records ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            record.key,
            record.step_id,
            record.kind,
            json.dumps(layer.descriptor.to_json()) if layer else None,
            layer.diff_id if layer else None,
            layer.uncompressed_size if layer else None,
            json.dumps(record.components),
            json.dumps(record.value),
            record.created or now,
            now,
        )

    def latest(self, step_id: str) -> Record | None:
        """The record last used of a step, whatever its key."""
        rows = self._run(
            f"SELECT {_COLUMNS} FROM records WHERE step_id = ?"
            " ORDER BY last_used DESC, created DESC LIMIT 1",
            step_id,
        )
        return _record(rows[0]) if rows else None

    def records(self) -> list[Record]:
        """Every record, the last used first."""
        rows = self._run(f"SELECT {_COLUMNS} FROM records ORDER BY last_used DESC, key")
        return [record for record in map(_record, rows) if record]

    def remove(self, key: str) -> None:
        """Forget a record."""
        self._run("DELETE FROM records WHERE key = ?", key)

    def clear(self) -> int:
        """Forget everything; returns how many records that were."""
        count = len(self._run("SELECT key FROM records"))
        self._run("DELETE FROM records")
        return count

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._connection is None:
                raise StoreError(f"using the build cache {self._path}: it is closed")
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                # Busy, full, read-only: nothing is wrong with the file.
                raise StoreError(
                    f"using the build cache {self._path}: {error}", subject=self._path
                ) from None
            except sqlite3.DatabaseError as error:
                self._connection.close()
                self._set_aside(str(error))
                self._connection = self._open()
                return self._connection.execute(statement, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        for attempt in (1, 2):
            try:
                return self._connect()
            except sqlite3.OperationalError as error:
                raise StoreError(
                    f"opening the build cache {self._path}: {error}", subject=self._path
                ) from None
            except sqlite3.DatabaseError as error:
                if attempt == 2:
                    raise StoreError(
                        f"opening the build cache {self._path}: {error}", subject=self._path
                    ) from None
                self._set_aside(str(error))
        raise AssertionError

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            version = _version(connection)
            if version == 0:
                self._initialise(connection)
            elif version != _VERSION:
                raise sqlite3.DatabaseError(f"its format is {version}, this one's is {_VERSION}")
            # Losing the last records in a power cut is no harm, so no fsync per record.
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _initialise(self, connection: sqlite3.Connection) -> None:
        """Make the table; one process at a time: changing the journal's mode does not wait."""
        directory = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            if _version(connection) == 0:
                # WAL: a reader never waits for a writer.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(
                    f"BEGIN IMMEDIATE; {_TABLE} PRAGMA user_version = {_VERSION}; COMMIT;"
                )
        finally:
            os.close(directory)

    def _set_aside(self, why: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            try:
                os.replace(f"{self._path}{suffix}", f"{self._path}.damaged{suffix}")
            except FileNotFoundError:
                pass
        if self._warn:
            self._warn(
                f"the build cache {self._path} is damaged ({why}): kept as"
                f" {self._path}.damaged, begun anew"
            )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _record(row: tuple[Any, ...]) -> Record | None:
    """A row as a record; None for one that makes no sense."""
    key, step_id, kind, layer, diff_id, size, components, value, created, last_used = row
    try:
        made = None
        if layer is not None:
            made = Layer(
                Descriptor.from_json(json.loads(layer), f"cache record {key}"),
                DiffID(diff_id),
                size,
            )
        return Record(
            key,
            step_id,
            kind,
            made,
            dict(json.loads(components)),
            dict(json.loads(value)),
            created,
            last_used,
        )
    except (BuilderError, ValueError, TypeError):
        return None


def layer_digests(cache: Cache) -> set[Digest]:
    """The blobs that the cache's records speak of."""
    return {record.layer.descriptor.digest for record in cache.records() if record.layer}
