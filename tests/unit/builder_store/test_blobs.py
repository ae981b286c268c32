"""Blobs: read only if they are right, written whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from builder import blob
from builder.blob import BlobWriter, create_named, sweep_ingest
from builder.descriptor import Descriptor
from builder.digest import Digest
from builder.errors import (
    BlobNotFoundError,
    DigestMismatchError,
    SizeMismatchError,
    StoreError,
)
from builder.layout import Layout

DATA = b"0123456789" * 1000


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


def _add(layout: Layout, data: bytes = DATA) -> Descriptor:
    return layout.add(data, "application/x")


@pytest.fixture(params=["anonymous", "named"])
def kind_of_file(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing: with O_TMPFILE, and as on file systems without it."""
    if request.param == "named":
        real = os.open

        def without_tmpfile(path: str, flags: int, *args: int, **kwargs: int) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "no")
            return real(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", without_tmpfile)
    return str(request.param)


def test_a_blob_is_named_by_its_digest(layout: Layout, kind_of_file: str) -> None:
    with layout.writer() as writer:
        for start in range(0, len(DATA), 999):
            writer.write(DATA[start : start + 999])
        descriptor = writer.commit("application/x", annotations={"a": "b"})
    assert descriptor == Descriptor(
        "application/x", Digest.of(DATA), len(DATA), annotations={"a": "b"}
    )
    assert Path(layout.blob_path(descriptor.digest)).read_bytes() == DATA
    assert os.stat(layout.blob_path(descriptor.digest)).st_mode & 0o777 == 0o644
    assert os.listdir(f"{layout.path}/ingest") == []
    assert layout.read(descriptor) == DATA


def test_sha512_blobs_have_their_own_directory(layout: Layout) -> None:
    with layout.writer("sha512") as writer:
        writer.write(DATA)
        descriptor = writer.commit("application/x")
    assert descriptor.digest == Digest.of(DATA, "sha512")
    assert layout.read(descriptor) == DATA


def test_what_is_not_committed_leaves_nothing(layout: Layout, kind_of_file: str) -> None:
    before = sorted(Path(layout.path).rglob("*"))
    with pytest.raises(KeyError), layout.writer() as writer:
        writer.write(DATA)
        raise KeyError
    assert [path for path in sorted(Path(layout.path).rglob("*")) if path not in before] in (
        [],
        [Path(layout.path) / "ingest"],
    )


def test_writing_over_a_damaged_blob_mends_it(layout: Layout, kind_of_file: str) -> None:
    descriptor = _add(layout)
    path = Path(layout.blob_path(descriptor.digest))
    path.write_bytes(DATA[:-1] + b"!")
    with layout.writer() as writer:
        writer.write(DATA)
        writer.commit("application/x")
    assert layout.read(descriptor) == DATA
    assert os.listdir(f"{layout.path}/ingest") == []


def test_adding_a_small_blob_over_a_damaged_one_mends_it(layout: Layout) -> None:
    descriptor = _add(layout)
    Path(layout.blob_path(descriptor.digest)).write_bytes(DATA[:-1] + b"!")
    assert _add(layout) == descriptor
    assert layout.read(descriptor) == DATA


@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20, -1])
def test_a_changed_byte_is_found_at_the_end_at_the_latest(layout: Layout, piece: int) -> None:
    descriptor = _add(layout)
    changed = bytearray(DATA)
    changed[5] ^= 1
    Path(layout.blob_path(descriptor.digest)).write_bytes(changed)
    with pytest.raises(DigestMismatchError) as caught, layout.open_blob(descriptor) as reader:
        while reader.read(piece):
            pass
    assert str(Digest.of(bytes(changed))) in str(caught.value)
    assert caught.value.hint


def test_the_last_byte_is_not_given_out_before_the_digest_was_checked(layout: Layout) -> None:
    descriptor = _add(layout)
    Path(layout.blob_path(descriptor.digest)).write_bytes(DATA[:-1] + b"!")
    given = b""
    with pytest.raises(DigestMismatchError), layout.open_blob(descriptor) as reader:
        while chunk := reader.read(100):
            given += chunk
    assert len(given) < len(DATA)


@pytest.mark.parametrize("data", [DATA + b"x", DATA[:-1], b""])
def test_a_wrong_size_is_found_at_once(layout: Layout, data: bytes) -> None:
    descriptor = _add(layout)
    Path(layout.blob_path(descriptor.digest)).write_bytes(data)
    with pytest.raises(SizeMismatchError, match=f"{len(data)} bytes where .* says {len(DATA)}"):
        layout.open_blob(descriptor)
    assert not layout.has(descriptor)
    assert layout.has(descriptor.digest)


@pytest.mark.parametrize("change", [b"more", None])
def test_a_blob_that_changes_its_size_while_it_is_read_is_refused(
    layout: Layout, change: bytes | None
) -> None:
    descriptor = _add(layout)
    with layout.open_blob(descriptor) as reader:
        reader.read(100)
        if change:
            with open(layout.blob_path(descriptor.digest), "ab") as file:
                file.write(change)
        else:
            os.truncate(layout.blob_path(descriptor.digest), 200)
        with pytest.raises(SizeMismatchError):
            reader.finish()


def test_a_size_that_lies_about_the_digest_is_refused(layout: Layout) -> None:
    real = _add(layout)
    with pytest.raises(SizeMismatchError):
        layout.read(real.replace(size=real.size - 1))


def test_an_empty_blob_can_be_read(layout: Layout) -> None:
    descriptor = _add(layout, b"")
    assert layout.read(descriptor) == b""


def test_a_missing_blob_is_named(layout: Layout) -> None:
    missing = Descriptor("application/x", Digest.of(b"missing"), 7)
    with pytest.raises(BlobNotFoundError, match=missing.digest.hex):
        layout.read(missing)


def test_a_fifo_in_place_of_a_blob_does_not_hang(layout: Layout) -> None:
    descriptor = Descriptor("application/x", Digest.of(b"x"), 0)
    os.mkfifo(layout.blob_path(descriptor.digest))
    with pytest.raises(StoreError, match="not a regular file"):
        layout.open_blob(descriptor)


def test_a_directory_in_place_of_a_blob_is_refused(layout: Layout) -> None:
    descriptor = Descriptor("application/x", Digest.of(b"x"), 0)
    os.mkdir(layout.blob_path(descriptor.digest))
    with pytest.raises(StoreError):
        layout.open_blob(descriptor)


def test_a_full_disk_is_said_with_what_to_do(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with layout.writer() as writer:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StoreError, match=r"No space left on device \(make room"):
            writer.write(DATA)
    assert os.listdir(f"{layout.path}/ingest") == []


def test_threads_writing_the_same_blob_all_succeed(layout: Layout, kind_of_file: str) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                with layout.writer() as writer:
                    writer.write(DATA)
                    writer.commit("application/x")
                assert layout.read(Descriptor("x", Digest.of(DATA), len(DATA))) == DATA
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert os.listdir(f"{layout.path}/ingest") == []


def test_sweeping_keeps_the_files_of_living_writers(layout: Layout) -> None:
    fd, name = create_named(layout.path)
    left = Path(layout.path) / "ingest" / "1-dead"
    left.write_bytes(b"x")
    sweep_ingest(layout.path)
    assert os.path.exists(name)
    assert not left.exists()
    os.close(fd)
    sweep_ingest(layout.path)
    assert not os.path.exists(name)


_WRITES = """
import os, sys
from builder import blob
from builder.layout import Layout
if sys.argv[2] == "named":
    os.O_TMPFILE = os.O_DIRECTORY | os.O_EXCL | os.O_CREAT  # refused: EINVAL or EISDIR
layout = Layout.open(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    with layout.writer() as writer:
        for part in range(40):
            writer.write(b"%d-%d" % (number, part) * 2000)
        descriptor = writer.commit("application/x")
    layout.edit_index(
        lambda index: index["manifests"].__setitem__(slice(None), [descriptor.to_json()])
    )
"""


@pytest.mark.parametrize("how", ["anonymous", "named"])
def test_a_killed_writer_leaves_no_wrong_blob_and_no_wrong_index(layout: Layout, how: str) -> None:
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITES, layout.path, how],
            stdout=subprocess.PIPE,
            cwd=Path(blob.__file__).parent.parent,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        # Somewhere in the middle of something else each time.
        for _ in range(turn * 3):
            os.listdir(f"{layout.path}/blobs/sha256")
        while not layout.index() and process.poll() is None:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for name in os.listdir(f"{layout.path}/blobs/sha256"):
            data = Path(f"{layout.path}/blobs/sha256/{name}").read_bytes()
            assert Digest.of(data).hex == name
        for entry in layout.index():
            layout.open_blob(entry).finish()
    sweep_ingest(layout.path)
    assert os.listdir(f"{layout.path}/ingest") == []


def test_the_writer_counts_what_it_writes(layout: Layout) -> None:
    with BlobWriter(layout.path) as writer:
        assert writer.write(memoryview(bytearray(b"abc"))) == 3
        assert writer.size == 3
        assert writer.digest == Digest.of(b"abc")
