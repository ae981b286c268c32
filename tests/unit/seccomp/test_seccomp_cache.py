"""Compiled filters on disk: found again, trusted only if they are ours and whole, few, optional."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import pyoci.seccomp.compile
from pyoci.seccomp import cache, load_filter, syscall_tables

PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}],
}
NOTIFYING: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
    "listenerPath": "/run/agent",
    "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
}


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "filters")


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The profiles that were compiled, as opposed to found."""
    compiled: list[dict[str, Any]] = []
    original = pyoci.seccomp.compile.compile_profile

    def counted(
        profile: dict[str, Any], native: str, *, wide: bool
    ) -> pyoci.seccomp.compile.Program:
        compiled.append(profile)
        return original(profile, native, wide=wide)

    monkeypatch.setattr(pyoci.seccomp.compile, "compile_profile", counted)
    return compiled


def load(profile: dict[str, Any], directory: str | None, native: str = "x86_64") -> bytes:
    return load_filter(profile, cache_dir=directory, native=native).program


def only_file(directory: str) -> str:
    (name,) = os.listdir(directory)
    return f"{directory}/{name}"


def test_a_profile_is_compiled_once(directory: str, compilations: list[Any]) -> None:
    first = load(PROFILE, directory)
    assert load(PROFILE, directory) == first
    assert load(dict(PROFILE), directory) == first == load(PROFILE, None)
    assert len(compilations) == 2  # the last one had no directory


def test_file_and_directory_are_for_the_owner_alone(directory: str) -> None:
    load(PROFILE, directory)
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(only_file(directory)).st_mode) == 0o600
    assert only_file(directory).endswith(".bpf")


@pytest.mark.parametrize(
    "change",
    [
        {"defaultAction": "SCMP_ACT_KILL_PROCESS"},
        {"defaultErrnoRet": 38},
        {"architectures": ["SCMP_ARCH_X86"]},
        {"syscalls": [{"names": ["write"], "action": "SCMP_ACT_ALLOW"}]},
        {"syscalls": []},
    ],
)
def test_what_the_program_depends_on_is_in_the_name(
    directory: str, compilations: list[Any], change: dict[str, Any]
) -> None:
    load(PROFILE, directory)
    changed = {**PROFILE, **change}
    assert load(changed, directory) == load(changed, None)
    assert len(os.listdir(directory)) == 2
    assert len(compilations) == 3


def test_the_machine_is_in_the_name(directory: str) -> None:
    assert load(PROFILE, directory, "x86_64") != load(PROFILE, directory, "aarch64")
    assert len(os.listdir(directory)) == 2


def test_the_compiler_and_the_tables_are_in_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = cache.key(PROFILE, "x86_64")
    monkeypatch.setattr(cache, "COMPILER", cache.COMPILER + 1)
    newer = cache.key(PROFILE, "x86_64")
    monkeypatch.setattr(syscall_tables, "fingerprint", lambda _: b"another version")
    assert len({name, newer, cache.key(PROFILE, "x86_64")}) == 3


def test_what_differs_from_container_to_container_is_not_in_the_name(
    directory: str, compilations: list[Any]
) -> None:
    for number in range(3):
        load({**NOTIFYING, "listenerMetadata": f"container {number}"}, directory)
        load({**PROFILE, "flags": ["SECCOMP_FILTER_FLAG_LOG"] * number}, directory)
    assert len(compilations) == 2


def test_flags_are_those_of_the_profile_at_hand(directory: str) -> None:
    load(PROFILE, directory)
    logging = {**PROFILE, "flags": ["SECCOMP_FILTER_FLAG_LOG"]}
    assert load_filter(PROFILE, cache_dir=directory, native="x86_64").flags == 4
    assert load_filter(logging, cache_dir=directory, native="x86_64").flags == 2


def test_that_a_filter_notifies_is_remembered(directory: str) -> None:
    for _ in range(2):
        found = load_filter(NOTIFYING, cache_dir=directory, native="x86_64")
        assert found.notify
        assert found.flags == 32


@pytest.mark.parametrize("place", [0, 7, 8, 39, 40, 48, -1])
def test_a_changed_byte_anywhere_is_noticed_and_mended(
    directory: str, compilations: list[Any], place: int
) -> None:
    right = load(PROFILE, directory)
    path = only_file(directory)
    content = bytearray(Path(path).read_bytes())
    content[place] ^= 1
    Path(path).write_bytes(content)
    assert load(PROFILE, directory) == right
    assert load(PROFILE, directory) == right
    assert len(compilations) == 2


@pytest.mark.parametrize("size", [0, 8, 40, 41, 47, 48, 4096 * 8 + 48])
def test_a_file_of_another_length_is_not_used(
    directory: str, compilations: list[Any], size: int
) -> None:
    right = load(PROFILE, directory)
    with open(only_file(directory), "r+b") as file:
        file.truncate(size)
    assert load(PROFILE, directory) == right
    assert len(compilations) == 2


def test_another_profiles_file_under_this_ones_name_is_not_used(
    directory: str, compilations: list[Any]
) -> None:
    right = load(PROFILE, directory)
    path = only_file(directory)
    load(NOTIFYING, directory)
    (other,) = set(os.listdir(directory)) - {os.path.basename(path)}
    os.replace(f"{directory}/{other}", path)
    assert load(PROFILE, directory) == right
    assert len(compilations) == 3


def test_a_link_is_not_followed(directory: str, compilations: list[Any], tmp_path: Path) -> None:
    load(PROFILE, directory)
    path = only_file(directory)
    os.rename(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    load(PROFILE, directory)
    assert len(compilations) == 2
    assert not os.path.islink(path)


def test_a_fifo_in_its_place_does_not_block(directory: str, compilations: list[Any]) -> None:
    load(PROFILE, directory)
    path = only_file(directory)
    os.unlink(path)
    os.mkfifo(path)
    load(PROFILE, directory)
    assert len(compilations) == 2


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_not_used(
    directory: str, compilations: list[Any], mode: int
) -> None:
    load(PROFILE, directory)
    os.chmod(only_file(directory), mode)
    load(PROFILE, directory)
    assert len(compilations) == 2


def test_a_file_of_another_user_is_not_used(
    directory: str, compilations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(PROFILE, directory)
    ours = os.geteuid()
    monkeypatch.setattr(cache.os, "geteuid", lambda: ours + 1)
    load(PROFILE, directory)
    assert len(compilations) == 2


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_nothing_is_kept_in_a_directory_that_others_may_write(directory: str, mode: int) -> None:
    os.mkdir(directory)
    os.chmod(directory, mode)
    load(PROFILE, directory)
    assert os.listdir(directory) == []


def test_nothing_is_kept_behind_a_link(directory: str, tmp_path: Path) -> None:
    os.mkdir(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", directory)
    load(PROFILE, directory)
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("where", ["missing/filters", "file/filters", "file"])
def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    assert load(PROFILE, str(tmp_path / where)) == load(PROFILE, None)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "rename", "open"])
def test_a_full_or_read_only_disk_is_no_error_and_leaves_nothing(
    directory: str, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    original = getattr(os, call)

    def failing(*arguments: Any, **options: Any) -> Any:
        if call == "open" and not arguments[1] & os.O_CREAT:
            return original(*arguments, **options)
        raise OSError(code, os.strerror(code))

    os.mkdir(directory, 0o700)
    expected = load(PROFILE, None)
    monkeypatch.setattr(cache.os, call, failing)
    assert load(PROFILE, directory) == expected
    monkeypatch.undo()
    assert os.listdir(directory) == []


def test_a_write_in_pieces_keeps_all_of_them(
    directory: str, compilations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.write
    monkeypatch.setattr(cache.os, "write", lambda number, data: original(number, data[:7]))
    load(PROFILE, directory)
    load(PROFILE, directory)
    assert len(compilations) == 1


def test_what_a_killed_process_left_does_not_get_in_the_way(
    directory: str, compilations: list[Any]
) -> None:
    os.mkdir(directory, 0o700)
    name = cache.key(PROFILE, "x86_64")
    Path(directory, f".{name}.bpf.{os.getpid()}").write_bytes(b"half")
    load(PROFILE, directory)
    load(PROFILE, directory)
    assert len(compilations) == 1
    assert os.listdir(directory) == [f"{name}.bpf"]


def test_the_oldest_go_when_there_are_too_many(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MOST", 3)
    for number in range(6):
        load({**PROFILE, "defaultErrnoRet": 10 + number}, directory)
        for age, name in enumerate(sorted(os.listdir(directory), key=_modified(directory))):
            os.utime(f"{directory}/{name}", ns=(age, age))
    names = {cache.key({**PROFILE, "defaultErrnoRet": 10 + n}, "x86_64") for n in (3, 4, 5)}
    assert set(os.listdir(directory)) == {f"{name}.bpf" for name in names}


def _modified(directory: str) -> Any:
    return lambda name: os.stat(f"{directory}/{name}").st_mtime_ns


def test_without_tables_a_profile_cannot_be_compiled_and_the_error_says_what_to_install(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscall_tables, "search_path", lambda: [directory])
    with pytest.raises(pyoci.errors.SeccompError, match="system-calls is needed") as caught:
        load(PROFILE, directory)
    assert "pip install system-calls" in (caught.value.hint or "")


def test_a_damaged_table_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tmp_path / "system_calls" / "tables"
    tables.mkdir(parents=True)
    (tmp_path / "system_calls" / "linux_version.py").write_text('linux_version = "1"')
    (tables / "x86_64.py").write_text("syscalls_x86_64 = {")
    monkeypatch.setattr(syscall_tables, "search_path", lambda: [str(tmp_path)])
    with pytest.raises(pyoci.errors.SeccompError, match=r"tables/x86_64\.py"):
        syscall_tables.load_table("x86_64")
    (tables / "x86_64.py").write_text("syscalls_x86_64 = []  # no dict")
    with pytest.raises(pyoci.errors.SeccompError, match="holds no dict"):
        syscall_tables.load_table("x86_64")
    with pytest.raises(pyoci.errors.SeccompError, match="no such table"):
        syscall_tables.load_table("i386")
