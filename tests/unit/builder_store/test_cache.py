"""The build cache: records, damage, several processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import builder.store.cache
from builder.descriptor import Descriptor
from builder.digest import DiffID, Digest
from builder.errors import StoreError
from builder.layer import Layer
from builder.store.cache import Cache, Record

LAYER = Layer(
    Descriptor("application/x", Digest.of(b"1"), 1, annotations={"a": "b"}), DiffID.of(b"2"), 7
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "cache.sqlite")


def test_a_record_comes_back_as_it_was(path: str) -> None:
    record = Record("key", "step", "run", LAYER, {"args": ["a"], "env": {"A": "é"}}, {"x": None})
    Cache(path).put(record)
    found = Cache(path).get("key")
    assert found is not None
    assert found.created > 0
    assert found.last_used >= found.created
    assert (found.step_id, found.kind, found.layer) == ("step", "run", LAYER)
    assert (found.components, found.value) == (record.components, record.value)


def test_a_step_that_changed_nothing_has_no_layer(path: str) -> None:
    cache = Cache(path)
    cache.put(Record("key", "step", "run"))
    found = cache.get("key")
    assert found is not None
    assert found.layer is None


def test_an_unknown_key_has_no_record(path: str) -> None:
    assert Cache(path).get("nothing") is None
    assert Cache(path).latest("nothing") is None


def test_the_latest_record_of_a_step_is_the_last_one_used(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    cache = Cache(path)
    for key in ("first", "second", "third"):
        now += 1
        cache.put(Record(key, "step", "run"))
    now += 1
    cache.get("second")
    latest = cache.latest("step")
    assert latest is not None
    assert latest.key == "second"
    assert [record.key for record in cache.records()] == ["second", "third", "first"]


def test_records_can_be_replaced_and_removed(path: str) -> None:
    cache = Cache(path)
    cache.put(Record("key", "step", "run", LAYER))
    cache.put(Record("key", "step", "copy"))
    assert [(record.kind, record.layer) for record in cache.records()] == [("copy", None)]
    cache.remove("key")
    assert cache.records() == []
    cache.put(Record("a", "s", "run"))
    cache.put(Record("b", "s", "run"))
    assert cache.clear() == 2
    assert cache.records() == []


@pytest.mark.parametrize("garbage", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_with_a_warning(path: str, garbage: bytes) -> None:
    Path(path).write_bytes(garbage)
    warnings: list[str] = []
    cache = Cache(path, warnings.append)
    cache.put(Record("key", "step", "run"))
    assert cache.get("key")
    assert len(warnings) == 1
    assert "is damaged" in warnings[0]
    assert "\n" not in warnings[0]
    assert Path(f"{path}.damaged").read_bytes() == garbage


def test_damage_found_only_later_is_mended_too(path: str) -> None:
    warnings: list[str] = []
    cache = Cache(path)
    for number in range(500):
        cache.put(Record(f"key{number}", "step", "run", LAYER, {"x": "y" * 100}))
    cache.close()
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    cache = Cache(path, warnings.append)
    cache.get("key7")
    cache.put(Record("key", "step", "run"))
    assert cache.get("key")
    assert len(warnings) == 1


def test_a_cache_of_another_version_is_begun_anew(path: str) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    warnings: list[str] = []
    Cache(path, warnings.append).put(Record("key", "step", "run"))
    assert "its format is 99" in warnings[0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("layer", "{"),
        ("layer", "{}"),
        ("layer", "[]"),
        ("diff_id", "x"),
        ("components", "["),
        ("value", "7"),
    ],
)
def test_a_record_that_makes_no_sense_is_none(path: str, column: str, value: str) -> None:
    import sqlite3

    cache = Cache(path)
    cache.put(Record("key", "step", "run", LAYER))
    cache.close()
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE records SET {column} = ?", (value,))
    connection.commit()
    connection.close()
    cache = Cache(path)
    assert cache.get("key") is None
    assert cache.latest("step") is None
    assert cache.records() == []


def test_a_closed_cache_says_so(path: str) -> None:
    cache = Cache(path)
    cache.close()
    cache.close()
    with pytest.raises(StoreError, match="it is closed"):
        cache.get("key")


def test_a_cache_in_a_missing_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="opening the build cache"):
        Cache(str(tmp_path / "missing" / "cache.sqlite"))


def test_threads_share_a_cache(path: str) -> None:
    cache = Cache(path)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(30):
                cache.put(Record(f"{number}-{turn}", "step", "run"))
                assert cache.get(f"{number}-{turn}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(cache.records()) == 120


def test_processes_share_a_cache_and_may_all_be_the_first(path: str) -> None:
    script = (
        "import sys\n"
        "from builder.store.cache import Cache, Record\n"
        "cache = Cache(sys.argv[1])\n"
        "for turn in range(30):\n"
        "    cache.put(Record(sys.argv[2] + str(turn), 'step', 'run'))\n"
    )
    where = Path(builder.store.cache.__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", script, path, name], cwd=where) for name in "abcd"
    ]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(Cache(path).records()) == 120
