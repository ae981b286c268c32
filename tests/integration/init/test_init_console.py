"""The terminal: from the container's own devpts, its master handed to the caller."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
import termios

import pytest


@pytest.fixture
def receiver(tmp_path_factory):
    """A console socket, and what takes the terminal from it: (master, name)."""
    path = str(tmp_path_factory.mktemp("console") / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.settimeout(20)
    opened = []

    def receive() -> tuple[int, str]:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            data, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
            assert len(control) == 1
            numbers = array.array("i", control[0][2])
            assert len(numbers) == 1
            opened.append(numbers[0])
            # Nothing more comes, and the other end is closed: no copy of it is left inside.
            assert connection.recv(1) == b""
        return numbers[0], data.decode()

    receive.path = path  # type: ignore[attr-defined]
    yield receive
    listener.close()
    for descriptor in opened:
        os.close(descriptor)


def read_all(master: int) -> str:
    data = b""
    try:
        while part := os.read(master, 4096):
            data += part
    except OSError:
        pass  # EIO: the last process that had it open is gone
    return data.decode().replace("\r\n", "\n")


@pytest.fixture
def terminal(pyoci, bundle, receiver):
    """Runs a script in a terminal; gives what it wrote, and the terminal's name."""
    bundle.process["terminal"] = True

    def call(script: str) -> tuple[str, str]:
        name = pyoci.create(bundle.script(script), "--console-socket", receiver.path)
        master, tty = receiver()
        pyoci.ok("start", name)
        return read_all(master), tty

    return call


def test_streams_and_controlling_terminal_are_the_pty(terminal):
    output, tty = terminal(
        "tty; for f in 0 1 2; do readlink /proc/self/fd/$f; done; echo on tty > /dev/tty"
    )
    assert tty == "/dev/pts/0"
    assert output.splitlines() == ["/dev/pts/0"] * 4 + ["on tty"]


def test_dev_console_is_the_terminal(terminal):
    output, _ = terminal("echo hello > /dev/console; stat -c '%t:%T' /dev/console /dev/pts/0")
    assert output.splitlines() == ["hello", "88:0", "88:0"]


def test_the_terminal_has_the_configured_size(terminal, bundle):
    bundle.process["consoleSize"] = {"width": 91, "height": 17}
    output, _ = terminal("stty size")
    assert output == "17 91\n"


def test_the_terminal_is_its_users(terminal, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    output, _ = terminal("stat -c '%u:%g %a' /dev/console; echo open > /dev/pts/0")
    assert output.splitlines() == ["1000:5 620", "open"]


def test_no_other_descriptor_stays_open(terminal):
    output, _ = terminal("ls /proc/self/fd | tr '\\n' ' '")
    assert output == "0 1 2 3 "


@pytest.mark.parametrize("place", ["a file", "a link", "a directory"])
def test_what_an_image_has_at_dev_console_is_covered_or_refused(
    pyoci, own_bundle, receiver, tmp_path, place
):
    """CVE-2025-52565."""
    host = tmp_path / "of-the-host"
    host.write_text("untouched")
    own_bundle.config["mounts"] = [
        m
        for m in own_bundle.config["mounts"]
        if m["destination"] not in ("/dev", "/dev/shm", "/dev/mqueue")
    ]
    path = own_bundle.rootfs + "/dev/console"
    if place == "a file":
        open(path, "w").close()
    elif place == "a link":
        os.symlink("/proc/sys/kernel/core_pattern", path)
    else:
        os.mkdir(path)
    own_bundle.process["terminal"] = True
    own_bundle.script("true").write()
    done = pyoci.call(
        "create", "--bundle", own_bundle.path, "--console-socket", receiver.path, pyoci.new_id()
    )
    assert (done.returncode == 0) == (place == "a file"), done.stderr


@pytest.mark.parametrize("trick", ["a link to the host's", "no devpts", "ptmx is a file"])
def test_a_devpts_that_is_none_is_refused(pyoci, own_bundle, receiver, trick):
    mounts = [m for m in own_bundle.config["mounts"] if not m["destination"].startswith("/dev/pts")]
    own_bundle.config["mounts"] = mounts
    if trick == "a link to the host's":
        mounts[:] = [m for m in mounts if not m["destination"].startswith("/dev")]
        os.symlink("/proc/self/fd", own_bundle.rootfs + "/dev/pts")
    elif trick == "ptmx is a file":
        mounts[:] = [m for m in mounts if not m["destination"].startswith("/dev")]
        os.mkdir(own_bundle.rootfs + "/dev/pts")
        open(own_bundle.rootfs + "/dev/pts/ptmx", "w").close()
    own_bundle.process["terminal"] = True
    own_bundle.script("true").write()
    done = pyoci.call(
        "create", "--bundle", own_bundle.path, "--console-socket", receiver.path, pyoci.new_id()
    )
    assert done.returncode == 1
    assert "open a terminal" in done.stderr
    assert "devpts" in done.stderr


def test_a_socket_at_a_long_path(pyoci, bundle, tmp_path):
    """Longer than an address holds (unix(7))."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(directory, os.O_PATH)
    listener.bind(f"/proc/self/fd/{here}/s")
    os.close(here)
    listener.listen()
    bundle.process["terminal"] = True
    pyoci.create(bundle.script("true"), "--console-socket", f"{directory}/s")
    listener.settimeout(20)
    connection, _ = listener.accept()
    assert connection.recv(100) == b"/dev/pts/0"
    connection.close()
    listener.close()


def test_a_socket_that_nobody_listens_on_is_named(pyoci, bundle, tmp_path):
    bundle.process["terminal"] = True
    bundle.script("true").write()
    path = str(tmp_path / "nobody")
    done = pyoci.call("create", "--bundle", bundle.path, "--console-socket", path, pyoci.new_id())
    assert done.returncode == 1
    assert path in done.stderr


def test_exec_has_a_terminal_of_its_own(pyoci, bundle, receiver):
    name = pyoci.start(bundle.script("sleep 1000"))
    script = "tty; stty size; cut -d' ' -f6 /proc/self/stat; echo $$"
    command = ["sh", "-c", script]
    pyoci.ok("exec", "--tty", "--detach", "--console-socket", receiver.path, name, *command)
    master, tty = receiver()
    lines = read_all(master).splitlines()
    assert lines[0] == tty
    assert lines[2] == lines[3], "it does not lead a session of its own"


def test_the_caller_can_change_the_size(pyoci, bundle, receiver):
    bundle.process["terminal"] = True
    name = pyoci.create(bundle.script("stty size"), "--console-socket", receiver.path)
    master, _ = receiver()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 44, 0, 0))
    pyoci.ok("start", name)
    assert read_all(master) == "33 44\n"


def test_pidfds_are_handed_over(pyoci, bundle, receiver):
    name = pyoci.create(bundle.script("sleep 1000"), "--pidfd-socket", receiver.path)
    pidfd, payload = receiver()
    assert payload == "standard"
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        pid = int(next(line for line in file if line.startswith("Pid:")).split()[1])
    assert pid == pyoci.state(name)["pid"]
    pyoci.ok("start", name)
    pyoci.ok("exec", "--detach", "--pidfd-socket", receiver.path, name, "true")
    _, payload = receiver()
    assert payload == "setns"
