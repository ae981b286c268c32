"""The state directory: who owns an ID, what survives a crash, what a damaged file leads to."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from pyoci.errors import (
    ContainerExistsError,
    ContainerNotFoundError,
    PyociError,
    StateFileError,
)
from pyoci.state import store
from pyoci.state.process import is_alive, stat_fields
from pyoci.state.store import (
    FIFO,
    SECCOMP_CACHE,
    Entry,
    State,
    entries,
    read_file,
    write_atomically,
)

# What Docker and podman take for a failure of the user's command (exit status 126 and 127).
ENGINE_WORDS = ("no such file or directory", "permission denied", "not a directory")


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "root")


@pytest.fixture
def entry(root):
    found = Entry(root, "c1")
    found.claim()
    return found


def state(**changes) -> State:
    return State(
        **{
            "id": "c1",
            "oci_version": "1.3.0",
            "bundle": "/b",
            "rootfs": "/b/rootfs",
            "created": "2026-01-01T00:00:00.000000000Z",
            "owner": 0,
            "annotations": {"a": "é"},
            "cgroup": {"manager": "absent", "reason": "x"},
            "pid": 5,
            "start_time": 6,
            "creator": 7,
            "creator_start_time": 8,
            **changes,
        }
    )


# -- claiming an ID --------------------------------------------------------------------------------


def test_an_id_can_be_claimed_once(entry, root):
    with pytest.raises(ContainerExistsError, match="container with given ID already exists"):
        Entry(root, "c1").claim()
    Entry(root, "c2").claim()


def test_a_root_that_is_a_file_is_no_container_that_exists(tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(PyociError, match="cannot make the state directory") as caught:
        Entry(f"{tmp_path}/root", "c1").claim()
    assert not isinstance(caught.value, ContainerExistsError)
    assert "--root" in caught.value.hint


def test_of_many_claims_at_the_same_time_one_wins(root):
    won, lost = [], []
    barrier = threading.Barrier(8)

    def claim():
        barrier.wait()
        try:
            Entry(root, "c1").claim()
            won.append(1)
        except ContainerExistsError:
            lost.append(1)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_the_directory_is_not_for_others(entry):
    assert os.stat(entry.path).st_mode & 0o066 == 0


def test_a_root_that_cannot_be_made_is_told_in_words_of_our_own(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PyociError) as caught:
        Entry(f"{tmp_path}/file/root", "c1").claim()
    assert "--root" in caught.value.hint
    assert not any(words in str(caught.value).lower() for words in ENGINE_WORDS)


@pytest.mark.parametrize(
    "container_id", ["", ".", "..", "a/b", "a b", "a\n", "é", "a\0", "x" * 1025, "../c"]
)
def test_ids_that_could_be_paths_are_refused(root, container_id):
    with pytest.raises(PyociError, match="invalid container ID format"):
        Entry(root, container_id)


@pytest.mark.parametrize("container_id", ["a", "A-b_c.d+9", "...", "x" * 255])
def test_ids_that_engines_use_are_accepted(root, container_id):
    assert Entry(root, container_id).id == container_id


# -- reading and writing ---------------------------------------------------------------------------


def test_what_is_written_is_read_back(entry):
    entry.write(state())
    assert entry.read().to_json() == state().to_json()


def test_a_bundle_path_that_is_no_text_survives(entry):
    bundle = b"/b/\xff".decode("utf-8", "surrogateescape")
    entry.write(state(bundle=bundle))
    assert entry.read().bundle == bundle


def test_a_container_that_does_not_exist(root):
    with pytest.raises(ContainerNotFoundError, match="container does not exist"):
        Entry(root, "absent").read()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b'{"id":"c1"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_state_file_is_named_with_the_remedy(entry, data):
    with open(entry.file("state.json"), "wb") as file:
        file.write(data)
    with pytest.raises(StateFileError) as caught:
        entry.read()
    assert entry.file("state.json") in caught.value.message
    assert caught.value.hint == ("remove what is left of it with: pyoci delete --force c1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", 1),
        ("pid", "5"),
        ("pid", True),
        ("pid", None),
        ("startTime", 1.5),
        ("annotations", []),
        ("cgroup", "x"),
        ("bundle", None),
    ],
)
def test_a_state_file_with_a_wrong_type_is_damaged(entry, member, value):
    text = store.encode({**state().to_json(), member: value})
    write_atomically(entry.file("state.json"), text.encode())
    with pytest.raises(StateFileError, match="is damaged"):
        entry.read()


@pytest.mark.parametrize("member", sorted(state().to_json()))
def test_a_state_file_without_a_member_is_damaged(entry, member):
    value = state().to_json()
    del value[member]
    write_atomically(entry.file("state.json"), store.encode(value).encode())
    if member == "version":
        assert entry.read().id == "c1"
        return
    with pytest.raises(StateFileError, match="is damaged"):
        entry.read()


def test_a_directory_without_a_state_file_is_damaged_not_absent(entry):
    with pytest.raises(StateFileError, match="is missing"):
        entry.read()


def test_a_state_file_of_unreasonable_size_is_not_read(entry):
    with open(entry.file("state.json"), "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StateFileError, match="16 mib"):
        entry.read()


def test_a_fifo_in_the_place_of_a_state_file_does_not_hang(entry):
    os.mkfifo(entry.file("state.json"))
    with pytest.raises(StateFileError):
        entry.read()


def test_the_saved_configuration_is_what_it_was(entry):
    entry.save_config(b'{"a": [1]}')
    assert entry.read_config() == {"a": [1]}


@pytest.mark.parametrize("data", [b"", b"[]", b"{"])
def test_a_damaged_configuration_is_named(entry, data):
    entry.save_config(data)
    with pytest.raises(StateFileError, match="saved configuration"):
        entry.read_config()


# -- replacing a file ------------------------------------------------------------------------------


def test_a_replaced_file_is_complete_or_the_old_one(tmp_path, monkeypatch):
    path = str(tmp_path / "f")
    write_atomically(path, b"old")

    def fail(descriptor, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, "write", fail)
    with pytest.raises(PyociError, match="no space left on device"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(store.os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_atomically(str(tmp_path / "f"), b"0123456789")
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"0123456789"


def test_readers_never_see_half_a_file(tmp_path):
    path = str(tmp_path / "f")
    write_atomically(path, b"a" * 50_000)
    seen = set()
    done = threading.Event()

    def read():
        while not done.is_set():
            seen.add(read_file(path))

    reader = threading.Thread(target=read)
    reader.start()
    for letter in b"bcdefghij" * 5:
        write_atomically(path, bytes([letter]) * 50_000)
    done.set()
    reader.join()
    assert all(len(data) == 50_000 and len(set(data)) == 1 for data in seen)


def test_a_symlink_at_the_temporary_name_is_not_followed(tmp_path):
    target = tmp_path / "target"
    (tmp_path / f".f.{os.getpid()}").symlink_to(target)
    with pytest.raises(PyociError):
        write_atomically(str(tmp_path / "f"), b"x")
    assert not target.exists()


def test_nobody_else_may_read_the_state(entry):
    entry.write(state())
    assert os.stat(entry.file("state.json")).st_mode & 0o077 == 0


# -- status ----------------------------------------------------------------------------------------


@pytest.fixture
def living():
    """A process that lives until the test ends, as (pid, start time)."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid, stat_fields(process.pid)[1]
    process.communicate()


def test_a_process_is_known_by_its_start_time(living):
    pid, started = living
    assert is_alive(pid, started)
    assert not is_alive(pid, started + 1)


@pytest.mark.parametrize("pid", [0, -1, 1 << 30])
def test_pids_that_are_nobody(pid):
    assert not is_alive(pid, 0)


def test_a_zombie_is_not_alive():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        letter, started = stat_fields(pid)
        assert letter == "Z"
        assert not is_alive(pid, started)
    finally:
        os.waitpid(pid, 0)


def test_a_process_name_with_parentheses_does_not_confuse(tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "60"])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        assert stat_fields(process.pid)[1] > 0
    finally:
        process.kill()
        process.wait()


def test_created_is_a_living_process_with_a_fifo(entry, living):
    pid, started = living
    os.mkfifo(entry.file(FIFO))
    assert state(pid=pid, start_time=started).status(entry) == "created"
    os.unlink(entry.file(FIFO))
    assert state(pid=pid, start_time=started).status(entry) == "running"


def test_stopped_is_a_process_that_is_gone_or_another(entry, living):
    pid, started = living
    assert state(pid=pid, start_time=started + 1).status(entry) == "stopped"
    assert state(pid=1 << 30).status(entry) == "stopped"


def test_creating_lasts_as_long_as_the_creator(entry, living):
    pid, started = living
    assert state(pid=0, creator=pid, creator_start_time=started).status(entry) == "creating"
    assert state(pid=0, creator=pid, creator_start_time=0).status(entry) == "stopped"


# -- listing, locking, removing --------------------------------------------------------------------


def test_containers_are_listed_and_nothing_else_below_the_root_is(root):
    for name in ("b", "a"):
        Entry(root, name).claim()
    os.mkdir(f"{root}/{SECCOMP_CACHE}")
    with open(f"{root}/file", "w"):
        pass
    assert entries(root) == ["a", "b"]


def test_no_container_can_take_the_place_of_the_cache(root):
    with pytest.raises(PyociError):
        Entry(root, SECCOMP_CACHE)


def test_a_removed_container_is_gone_and_removing_it_again_is_no_error(entry):
    entry.write(state())
    os.mkfifo(entry.file(FIFO))
    os.mkdir(entry.file("notify"))
    with open(entry.file("notify/sock"), "w"):
        pass
    entry.remove()
    assert not entry.exists()
    entry.remove()


def test_the_state_file_is_removed_last(entry, monkeypatch):
    """So that a removal that is killed half-way can be found and repeated."""
    entry.write(state())
    entry.save_config(b"{}")
    os.mkfifo(entry.file(FIFO))
    order = []
    unlink = os.unlink
    monkeypatch.setattr(store.os, "unlink", lambda path: (order.append(path), unlink(path)))
    entry.remove()
    assert order[-1] == entry.file("state.json")
    assert len(order) == 3


def test_a_lock_is_held_against_others(entry):
    held = entry.lock()
    program = (
        "import fcntl, os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR)\n"
        "try: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: sys.exit(7)\n"
    )
    command = [sys.executable, "-c", program, entry.file("lock")]
    assert subprocess.run(command).returncode == 7
    os.close(held)
    assert subprocess.run(command).returncode == 0


def test_a_lock_on_a_container_that_is_gone_says_so(root):
    with pytest.raises(ContainerNotFoundError):
        Entry(root, "absent").lock()


def test_a_full_disk_keeps_nobody_from_locking(entry, monkeypatch):
    real = os.open

    def full(path, flags, *rest, **more):
        if path.endswith("/lock"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(store.os, "open", full)
    os.close(entry.lock())
