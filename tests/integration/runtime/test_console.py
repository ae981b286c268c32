"""``/process/terminal``: run and exec on a terminal of the caller's, and the console socket."""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


class Terminal:
    """A pseudo-terminal that a person would sit at, and the command that runs on it."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self.process: subprocess.Popen[bytes] | None = None
        self.text = ""

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def run(self, command: list[str], **options: object) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **options,
        )

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read_until(self, wanted: str) -> str:
        """Read until a text has been shown; gives all that was."""
        deadline = time.monotonic() + 20
        while wanted not in self.text:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            assert time.monotonic() < deadline, f"waited in vain for {wanted!r}: {self.text!r}"
        return self.text

    def end(self) -> str:
        """Wait for the command's end; gives all that was shown."""
        assert self.process is not None
        deadline = time.monotonic() + 20
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            if select.select([self.master], [], [], 0.05)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            assert time.monotonic() < deadline, f"the command does not end: {self.text!r}"
        return self.text.replace("\r\n", "\n")

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal():
    made = Terminal()
    yield made
    made.close()


@pytest.fixture
def interactive(pyoci, bundle, terminal):
    """Runs a script in a container with a terminal, on the terminal of a person."""
    bundle.process["terminal"] = True

    def start(script: str) -> Terminal:
        bundle.script(script).write()
        terminal.run(pyoci.command("run", "--bundle", bundle.path, pyoci.new_id()))
        return terminal

    return start


@pytest.fixture
def receiver(tmp_path_factory):
    """A console socket, and what takes the terminal's master from it."""
    path = str(tmp_path_factory.mktemp("console") / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.settimeout(20)
    masters = []

    def receive() -> int:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            _, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
        masters.append(array.array("i", control[0][2])[0])
        return masters[-1]

    receive.path = path  # type: ignore[attr-defined]
    yield receive
    listener.close()
    for master in masters:
        os.close(master)


def read_all(master):
    data = b""
    try:
        while part := os.read(master, 4096):
            data += part
    except OSError:
        pass  # EIO: the last process that had it open is gone
    return data.decode().replace("\r\n", "\n")


# -- run -------------------------------------------------------------------------------------------


def test_the_programs_streams_are_one_terminal_of_its_own(interactive):
    output = interactive("tty; tty <&1; tty <&2; cat /proc/self/stat").end().splitlines()
    assert output[:3] == ["/dev/pts/0"] * 3 or output[:3] == ["/dev/console"] * 3
    controlling = int(output[3].rpartition(")")[2].split()[4])
    assert controlling == os.makedev(136, 0)


def test_what_is_typed_reaches_the_program_and_is_echoed_once(interactive):
    person = interactive('stty -echo; echo ready; read line; echo "got $line"')
    person.read_until("ready")
    person.type("hello\r")
    assert person.end() == "ready\ngot hello\n"


def test_control_c_interrupts_the_program_not_the_runtime(interactive):
    person = interactive(
        "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    )
    person.read_until("ready")
    person.type("\x03")
    assert "interrupted" in person.end()
    assert person.process.returncode == 5


def test_control_d_ends_the_programs_input(interactive):
    person = interactive("echo ready; cat; echo the end")
    person.read_until("ready")
    person.type("line\r")
    person.read_until("line\r\nline")
    person.type("\x04")
    assert person.end().endswith("the end\n")


def test_control_characters_are_not_the_callers(interactive):
    person = interactive("stty raw -echo; echo ready; head -c 3 | od -An -tx1")
    person.read_until("ready")
    person.type("\x1a\x1c\x11")
    assert "1a 1c 11" in person.end()


def test_the_terminal_has_the_callers_size_and_follows_it(interactive, terminal):
    terminal.size(33, 101)
    person = interactive(
        "trap 'stty size; exit' WINCH; stty size; echo ready; while :; do sleep 0.05; done"
    )
    person.read_until("ready")
    assert "33 101" in person.text
    terminal.size(44, 122)
    person.process.send_signal(signal.SIGWINCH)
    assert "44 122" in person.end()


def test_the_callers_terminal_is_as_it_was_afterwards(interactive, terminal):
    before = termios.tcgetattr(terminal.slave)
    interactive("echo ready").end()
    assert termios.tcgetattr(terminal.slave) == before


def test_the_callers_terminal_is_as_it_was_after_a_failure(pyoci, bundle, terminal):
    before = termios.tcgetattr(terminal.slave)
    bundle.process["terminal"] = True
    bundle.process["args"] = ["no-such-command"]
    terminal.run(pyoci.command("run", "--bundle", bundle.write(), pyoci.new_id()))
    assert "executable file not found" in terminal.end()
    assert terminal.process.returncode != 0
    assert termios.tcgetattr(terminal.slave) == before


def test_the_callers_terminal_is_as_it_was_after_a_kill(interactive, terminal, pyoci):
    before = termios.tcgetattr(terminal.slave)
    person = interactive("echo ready; sleep 1000")
    person.read_until("ready")
    assert termios.tcgetattr(terminal.slave) != before, "raw mode"
    pyoci.ok("kill", pyoci.ids[-1], "KILL")
    person.end()
    assert person.process.returncode == 137
    assert termios.tcgetattr(terminal.slave) == before


def test_much_output_arrives_complete_and_in_order(interactive):
    output = interactive("seq 1 20000").end().split()
    assert output == [str(number) for number in range(1, 20001)]


def test_a_background_process_that_holds_the_terminal_does_not_hold_up_the_end(
    interactive, pyoci, bundle
):
    bundle.without_namespace("pid")
    person = interactive("sh -c 'trap \"\" HUP; exec sleep 1000' & echo started")
    assert person.end() == "started\n"


def test_the_exit_status_is_the_programs(interactive):
    person = interactive("exit 42")
    person.end()
    assert person.process.returncode == 42


def test_a_terminal_without_a_terminal_of_the_callers(pyoci, bundle, is_pyoci):
    if not is_pyoci:
        pytest.skip("runc opens the /dev/tty of its caller")
    # As in `pyoci run </dev/null | cat`: the program has its terminal all the same.
    bundle.process["terminal"] = True
    bundle.process["consoleSize"] = {"height": 21, "width": 77}
    bundle.script("tty; stty size")
    output = pyoci.output(bundle).split()
    assert output[0] in ("/dev/pts/0", "/dev/console")
    assert output[1:] == ["21", "77"]


def test_input_from_a_file_reaches_a_terminal(pyoci, bundle, tmp_path, is_pyoci):
    if not is_pyoci:
        pytest.skip("runc wants a terminal on its standard input")
    (tmp_path / "in").write_text("typed\n")
    bundle.process["terminal"] = True
    bundle.script("stty -echo; cat; echo over")
    with open(tmp_path / "in") as stdin:
        assert pyoci.output(bundle, stdin=stdin).replace("\r\n", "\n").endswith("typed\nover\n")


# -- create with a console socket ------------------------------------------------------------------


def test_create_hands_the_terminal_over(pyoci, bundle, receiver):
    bundle.process["terminal"] = True
    bundle.script('tty; read line; echo "got $line"')
    name = pyoci.create(bundle, "--console-socket", receiver.path)
    master = receiver()
    assert os.isatty(master)
    pyoci.ok("start", name)
    os.write(master, b"hello\n")
    output = read_all(master)
    # The echo of what is typed may come first.
    assert {"/dev/pts/0", "/dev/console"} & set(output.splitlines())
    assert output.endswith("got hello\n")


def test_create_sets_the_configured_size(pyoci, bundle, receiver):
    bundle.process["terminal"] = True
    bundle.process["consoleSize"] = {"height": 12, "width": 34}
    name = pyoci.create(bundle.script("stty size"), "--console-socket", receiver.path)
    master = receiver()
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, b" " * 8))
    assert (rows, columns) == (12, 34)
    pyoci.ok("start", name)
    assert read_all(master) == "12 34\n"


def test_run_detached_hands_the_terminal_over(pyoci, bundle, receiver):
    bundle.process["terminal"] = True
    bundle.script("echo detached").write()
    pyoci.ok("run", "-d", "--console-socket", receiver.path, "-b", bundle.path, pyoci.new_id())
    assert read_all(receiver()) == "detached\n"


def test_a_terminal_in_a_user_namespace_is_the_mapped_users(pyoci, own_bundle, receiver):
    own_bundle.map_ids()
    own_bundle.process["terminal"] = True
    own_bundle.process["user"] = {"uid": 1000, "gid": 1000}
    own_bundle.script("stat -c '%u %a' $(tty)")
    name = pyoci.create(own_bundle, "--console-socket", receiver.path)
    master = receiver()
    pyoci.ok("start", name)
    assert read_all(master).split()[0] == "1000"


@pytest.mark.parametrize("terminal_wanted", [True, False])
def test_terminal_and_console_socket_go_together(pyoci, bundle, tmp_path, terminal_wanted):
    bundle.process["terminal"] = terminal_wanted
    flags = () if terminal_wanted else ("--console-socket", str(tmp_path / "s"))
    name = pyoci.new_id()
    done = pyoci.call("create", "--bundle", bundle.write(), *flags, name)
    assert done.returncode == 1
    words = "cannot allocate tty" if terminal_wanted else "cannot use console socket"
    assert words in done.stderr
    assert not os.path.exists(f"{pyoci.root}/{name}")


def test_a_console_socket_that_is_not_there_is_named_and_nothing_is_left(
    pyoci, bundle, tmp_path, is_pyoci
):
    bundle.process["terminal"] = True
    path = str(tmp_path / "nobody")
    name = pyoci.new_id()
    done = pyoci.call("create", "--bundle", bundle.write(), "--console-socket", path, name)
    assert done.returncode == 1
    assert path in done.stderr
    assert not os.path.exists(f"{pyoci.root}/{name}")
    if is_pyoci:
        assert len(done.stderr.splitlines()) == 1


# -- exec ------------------------------------------------------------------------------------------


@pytest.fixture
def box(pyoci, bundle):
    bundle.process["args"] = ["sleep", "1000"]
    return pyoci.start(bundle)


def test_exec_with_a_terminal(pyoci, box, terminal):
    terminal.size(25, 90)
    script = 'tty; stty size; read line; echo "got $line"; exit 3'
    terminal.run(pyoci.command("exec", "-t", box, "sh", "-c", script))
    terminal.read_until("25 90")
    terminal.type("hello\r")
    assert terminal.end().splitlines() == ["/dev/pts/0", "25 90", "hello", "got hello"]
    assert terminal.process.returncode == 3


def test_exec_with_a_terminal_has_job_control(pyoci, box, terminal):
    terminal.run(pyoci.command("exec", "--tty", box, "sh"))
    terminal.read_until("/ # ")
    terminal.type("sleep 2000\r")
    # The shell's own editing takes characters as they are, until it has started the command.
    until(lambda: "sleep 2000\n" in pyoci.ok("exec", box, "ps", "-o", "args"), "it sleeps")
    terminal.type("\x03")
    terminal.type("echo back-again; exit\r")
    assert "back-again\n" in terminal.end()
    assert "can't access tty" not in terminal.text


def test_exec_detached_hands_its_terminal_over(pyoci, box, receiver):
    command = ("sh", "-c", "tty; echo detached")
    pyoci.ok("exec", "-d", "-t", "--console-socket", receiver.path, box, *command)
    assert read_all(receiver()) == "/dev/pts/0\ndetached\n"


def test_a_process_file_with_a_terminal_and_its_size(pyoci, box, bundle, receiver, tmp_path):
    import json

    process = {
        **bundle.process,
        "terminal": True,
        "consoleSize": {"height": 9, "width": 8},
        "args": ["stty", "size"],
    }
    path = tmp_path / "process.json"
    path.write_text(json.dumps(process))
    pyoci.ok("exec", "-d", "--console-socket", receiver.path, "--process", str(path), box)
    assert read_all(receiver()) == "9 8\n"


def test_two_terminals_of_a_container_are_two(pyoci, box, receiver):
    masters = []
    for _ in range(2):
        command = ("sh", "-c", "tty; read line")
        pyoci.ok("exec", "-d", "-t", "--console-socket", receiver.path, box, *command)
        masters.append(receiver())
    for master in masters:
        os.write(master, b"\n")
    names = [read_all(master).split()[0] for master in masters]
    assert names == ["/dev/pts/0", "/dev/pts/1"]
