"""What a person reads when the program of a container cannot be executed."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pyoci.diagnose import explain_exec_failure

HOST = os.uname().machine
EM = {"i386": 3, "x86_64": 62, "aarch64": 183, "riscv64": 243, "s390x": 22}
FOREIGN = "aarch64" if HOST == "x86_64" else "x86_64"


def elf(machine: str, *, loader: bytes | None = None, kind: int = 2, headers: int | None = None):
    """A little-endian 64-bit ELF file with, at most, a PT_INTERP."""
    count = (1 if loader is not None else 0) if headers is None else headers
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", kind, EM[machine], 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    if loader is None:
        return head
    size = len(loader) + 1
    return head + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, size, size, 1) + loader + b"\0"


@pytest.fixture
def image(tmp_path):
    """A root file system to put files in: image("bin/sh", b"...", 0o755)."""
    for name in ("bin", "usr/bin", "usr/sbin", "etc"):
        (tmp_path / name).mkdir(parents=True)

    def put(name: str, data: bytes = b"#!/bin/true\n", mode: int = 0o755) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return str(path)

    tmp_path.chmod(0o755)
    put.root = str(tmp_path)
    put.path = tmp_path
    return put


def explain(image, args, number, env=("PATH=/bin:/usr/bin",), cwd="/", uid=0, gid=0, mounts=()):
    return explain_exec_failure(
        image.root, list(args), list(env), cwd, number, uid, gid, mounts=list(mounts)
    )


PREFIX = "unable to start container process: exec: "


def test_a_command_that_is_nowhere_has_runc_s_words(image):
    found = explain(image, ["nonsuch"], errno.ENOENT)
    assert found.message == PREFIX + '"nonsuch": executable file not found in $PATH'
    assert "no program of that name" in found.hint


def test_a_command_outside_of_path_is_named_with_its_directory(image):
    image("usr/sbin/ip")
    found = explain(image, ["ip"], errno.ENOENT)
    assert found.message.endswith("executable file not found in $PATH")
    assert "/usr/sbin/ip" in found.hint


def test_a_mistyped_command_gets_a_suggestion(image):
    image("usr/bin/python3")
    assert explain(image, ["pyhton3"], errno.ENOENT).hint == "did you mean python3?"


def test_a_missing_path_variable_is_the_reason(image):
    image("usr/sbin/ip")
    found = explain(image, ["ip"], errno.ENOENT, env=["HOME=/"])
    assert "sets no PATH" in found.hint


def test_without_a_path_variable_the_usual_two_directories_are_searched(image):
    image("bin/run", b"#!/bin/absent\n")
    found = explain(image, ["run"], errno.ENOENT, env=["HOME=/"])
    assert "the script /bin/run" in found.message


def test_of_two_path_variables_the_first_counts(image):
    image("bin/run", b"#!/bin/first\n")
    image("usr/bin/run", b"#!/bin/second\n")
    env = ["PATH=/bin", "PATH=/usr/bin"]
    assert "/bin/first" in explain(image, ["run"], errno.ENOENT, env=env).message


def test_a_command_line_in_one_string_is_the_reason(image):
    found = explain(image, ["sh -c true"], errno.ENOENT)
    assert "every word as an entry of its own" in found.hint


def test_an_empty_image_is_the_reason(tmp_path):
    found = explain_exec_failure(str(tmp_path), ["sh"], ["PATH=/bin"], "/", errno.ENOENT, 0, 0)
    assert "is the rootfs complete?" in found.hint


@pytest.mark.parametrize("args", [[], [""]])
def test_no_command_at_all(image, args):
    found = explain(image, args, errno.ENOENT)
    assert found.message == PREFIX + '"": executable file not found in $PATH'
    assert "/process/args/0" in found.hint


def test_a_missing_absolute_path_has_runc_s_words(image):
    image("bin/bash")
    found = explain(image, ["/bin/bahs"], errno.ENOENT)
    assert found.message == PREFIX + '"/bin/bahs": stat /bin/bahs: no such file or directory'
    assert found.hint == "did you mean /bin/bash?"


def test_a_missing_directory_is_named(image):
    found = explain(image, ["/opt/app/run"], errno.ENOENT)
    assert found.hint == "the image has no directory /opt/app"


def test_a_relative_path_is_relative_to_cwd(image):
    image("srv/run.sh", b"#!/bin/absent\n")
    found = explain(image, ["./run.sh"], errno.ENOENT, cwd="/srv")
    assert "the interpreter /bin/absent of the script /srv/./run.sh" in found.message


def test_a_dangling_symlink_is_followed_to_its_end(image):
    (image.path / "bin/a").symlink_to("b")
    (image.path / "bin/b").symlink_to("/etc/alternatives/c")
    found = explain(image, ["/bin/a"], errno.ENOENT)
    assert found.hint == "/bin/b is a symlink to /etc/alternatives/c, which is not in the image"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EISDIR])
def test_a_directory_is_a_permission_problem_to_engines(image, number):
    found = explain(image, ["/bin"], number)
    assert found.message == PREFIX + '"/bin": is a directory: permission denied'


def test_a_file_without_executable_bits(image):
    image("bin/run", mode=0o644)
    found = explain(image, ["/bin/run"], errno.EACCES)
    assert found.message == PREFIX + '"/bin/run": permission denied'
    assert found.hint == "/bin/run is not executable (mode 0644): chmod +x it in the image"


def test_a_file_without_executable_bits_is_passed_over_in_path(image):
    image("bin/run", mode=0o644)
    found = explain(image, ["run"], errno.ENOENT)
    assert found.message.endswith("executable file not found in $PATH")
    assert "/bin/run is not executable" in found.hint


def test_a_later_executable_of_the_same_name_is_the_one_meant(image):
    image("bin/run", mode=0o644)
    image("usr/bin/run", b"#!/bin/absent\n")
    found = explain(image, ["run"], errno.ENOENT)
    assert "the script /usr/bin/run" in found.message


def test_a_user_who_is_kept_out_by_the_file(image):
    image("bin/run", mode=0o700)
    found = explain(image, ["/bin/run"], errno.EACCES, uid=54321, gid=54321)
    assert "user 54321 may not execute /bin/run (mode 0700" in found.hint


def test_a_user_who_is_kept_out_by_a_directory(image):
    image("opt/private/run")
    (image.path / "opt/private").chmod(0o700)
    found = explain(image, ["/opt/private/run"], errno.EACCES, uid=54321, gid=54321)
    assert "the directory /opt/private (mode 0700" in found.hint


def test_a_root_directory_that_keeps_everybody_out(image):
    image("bin/run")
    image.path.chmod(0o700)
    found = explain(image, ["/bin/run"], errno.EACCES, uid=54321, gid=54321)
    assert "the directory / (mode 0700" in found.hint


def test_a_script_whose_interpreter_may_not_be_executed(image):
    image("bin/sh", elf(HOST), mode=0o644)
    image("bin/run", b"#!/bin/sh\n")
    found = explain(image, ["/bin/run"], errno.EACCES)
    assert "/bin/sh is not executable" in found.hint


def test_a_missing_interpreter_is_named(image):
    image("app.py", b"#! /usr/bin/python3 -u\nprint()\n")
    found = explain(image, ["/app.py"], errno.ENOENT)
    assert found.message == (
        PREFIX + '"/app.py": no such file or directory: the interpreter /usr/bin/python3 of the '
        "script /app.py is not in the image"
    )


def test_windows_line_ends_in_the_first_line(image):
    image("bin/sh")
    image("run.sh", b"#!/bin/sh\r\necho\r\n")
    found = explain(image, ["/run.sh"], errno.ENOENT)
    assert "CRLF" in found.message
    assert "\r" not in found.message
    assert "dos2unix" in found.hint


def test_an_interpreter_that_lacks_its_own_loader(image):
    image("bin/sh", elf(HOST, loader=b"/lib/ld-musl-x86_64.so.1"))
    image("run", b"#!/bin/sh\n")
    found = explain(image, ["/run"], errno.ENOENT)
    assert "the interpreter /bin/sh of the script /run cannot be executed" in found.message
    assert "/lib/ld-musl-x86_64.so.1" in found.message


def test_a_script_that_interprets_itself_ends(image):
    image("run", b"#!/run\n")
    found = explain(image, ["/run"], errno.ELOOP)
    assert found.message == PREFIX + '"/run": too many levels of symbolic links'


def test_a_script_without_an_interpreter(image):
    image("run", b"echo hello\n")
    found = explain(image, ["/run"], errno.ENOEXEC)
    assert found.message.startswith(PREFIX + '"/run": exec format error: it is a text file')
    assert "#!/bin/sh" in found.hint


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"MZ\x90\0", "a Windows program"),
        (b"\xcf\xfa\xed\xfe\0", "a macOS program"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"),
        (b"\0\1\2\3", "not a program in a format"),
        (b"#!\n", "names no interpreter"),
        (b"#!sh\n", "relative path sh"),
        (b"#!/" + b"x" * 400, "longer than 255 bytes"),
    ],
)
def test_files_that_are_no_programs(image, data, words):
    image("run", data)
    assert words in explain(image, ["/run"], errno.ENOEXEC).message


def test_a_program_for_another_architecture_is_named(image):
    image("bin/app", elf(FOREIGN))
    found = explain(image, ["app"], errno.ENOEXEC)
    assert found.message == (
        PREFIX + f'"app": exec format error: it is a program for {FOREIGN}, and this machine is '
        f"{HOST}"
    )
    assert "qemu-user-static" in found.hint


@pytest.mark.skipif(HOST != "x86_64", reason="about x86-64 and its 32-bit mode")
def test_a_32_bit_program_is_not_called_foreign(image):
    image("bin/app", elf("i386"))
    assert "program for" not in explain(image, ["app"], errno.ENOEXEC).message


def test_a_missing_loader_is_named(image):
    image("bin/app", elf(HOST, loader=b"/lib64/ld-linux-x86-64.so.2"))
    found = explain(image, ["/bin/app"], errno.ENOENT)
    assert found.message == (
        PREFIX + '"/bin/app": no such file or directory: the loader /lib64/ld-linux-x86-64.so.2 of '
        "the program /bin/app is not in the image"
    )
    assert "glibc" in found.hint


def test_a_glibc_program_in_a_musl_image(image):
    image("lib/ld-musl-x86_64.so.1", elf(HOST))
    image("bin/app", elf(HOST, loader=b"/lib64/ld-linux-x86-64.so.2"))
    assert "the image has musl" in explain(image, ["/bin/app"], errno.ENOENT).hint


def test_a_loader_that_is_there_is_not_blamed(image):
    image("lib64/ld.so", elf(HOST))
    image("bin/app", elf(HOST, loader=b"/lib64/ld.so"))
    found = explain(image, ["/bin/app"], errno.ENOENT)
    assert found.message == PREFIX + '"/bin/app": no such file or directory'


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF",
        b"\x7fELF" + b"\xff" * 300,
        elf(HOST, headers=65535),
        elf(HOST, loader=b"/x" * 5000)[:130],
        elf(HOST, loader=b"/x")[:100],
    ],
)
def test_a_hostile_elf_file_gets_an_answer(image, data):
    image("bin/app", data)
    assert explain(image, ["/bin/app"], errno.ENOEXEC).message.startswith(
        PREFIX + '"/bin/app": exec format error'
    )


def test_a_fifo_does_not_hang_the_diagnosis(image):
    os.mkfifo(image.path / "bin/pipe", 0o755)
    found = explain(image, ["/bin/pipe"], errno.EACCES)
    assert "not a regular file" in found.hint
    image("run", b"#!/bin/pipe\n")
    assert explain(image, ["/run"], errno.ENOENT).message


def test_symlinks_of_the_image_do_not_lead_out_of_it(image, tmp_path_factory):
    outside = tmp_path_factory.mktemp("host") / "secret"
    outside.write_bytes(b"#!/not-for-the-image\n")
    outside.chmod(0o755)
    (image.path / "bin/leak").symlink_to(outside)
    (image.path / "bin/up").symlink_to("../../../../.." + str(outside))
    for name in ("/bin/leak", "/bin/up"):
        found = explain(image, [name], errno.ENOENT)
        assert "not-for-the-image" not in found.message
        assert "is not in the image" in found.hint


def test_a_name_with_control_characters_stays_on_one_line(image):
    found = explain(image, ["/a\nb\x1b[2J"], errno.ENOENT)
    assert "\n" not in found.message
    assert "\x1b" not in found.message


def test_a_program_in_a_bind_mount_is_looked_at_through_its_source(image, tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    (source / "run.sh").write_bytes(b"#!/bin/absent\n")
    (source / "run.sh").chmod(0o755)
    mounts = [
        {"destination": "/app", "type": "bind", "source": str(source), "options": ["rbind"]},
    ]
    found = explain(image, ["/app/run.sh"], errno.ENOENT, mounts=mounts)
    assert "the interpreter /bin/absent" in found.message


def test_noexec_of_the_mount_is_the_reason(image, tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    (source / "run").write_bytes(elf(HOST))
    (source / "run").chmod(0o755)
    mounts = [
        {"destination": "/app", "source": str(source), "options": ["bind", "noexec"]},
    ]
    found = explain(image, ["/app/run"], errno.EACCES, mounts=mounts)
    assert "the mount /app, which has the option noexec" in found.hint


def test_nothing_is_claimed_about_what_cannot_be_seen(image):
    mounts = [{"destination": "/data", "type": "tmpfs", "source": "tmpfs"}]
    found = explain(image, ["/data/run"], errno.ENOENT, mounts=mounts)
    assert found.message == PREFIX + '"/data/run": stat /data/run: no such file or directory'
    assert found.hint is None


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.E2BIG, "too large"), (errno.ETXTBSY, "open for writing"), (errno.EPERM, "seccomp")],
)
def test_other_errnos_have_a_hint(image, number, words):
    image("bin/app", elf(HOST))
    assert words in explain(image, ["/bin/app"], number).hint


def test_a_rootfs_that_is_gone_is_no_second_failure():
    found = explain_exec_failure("/nonexistent-rootfs", ["sh"], [], "/", errno.ENOENT, 0, 0)
    assert found.message == PREFIX + '"sh": executable file not found in $PATH'


def test_without_pyelftools_the_errno_speaks_alone(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    image("bin/app", elf(FOREIGN))
    found = explain(image, ["/bin/app"], errno.ENOEXEC)
    assert found.message == PREFIX + '"/bin/app": exec format error'


def test_nothing_is_loaded_for_it_before_an_execution_fails():
    program = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "import pyoci.lifecycle.create, pyoci.lifecycle.exec, pyoci.lifecycle.start\n"
        "print([n for n in sys.modules if 'diagnose' in n or 'elftools' in n or n == 'ctypes'])\n"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, root], capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
