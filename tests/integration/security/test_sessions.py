"""A container cannot type into the terminal that it was started from (CVE-2017-5226)."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest


@pytest.fixture
def typed_into(armed):
    """The program that types, with what the container says and what arrives at the caller's."""


def run_on_a_terminal(command):
    """Call the runtime as a shell does: with a controlling terminal, which are its streams."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
        )
        status = process.wait(60)
        os.set_blocking(master, False)
        try:
            text = os.read(master, 65536).decode(errors="replace")
        except BlockingIOError:
            text = ""
        # What was typed waits to be read from the terminal.
        os.set_blocking(slave, False)
        try:
            waiting = os.read(slave, 65536)
        except BlockingIOError:
            waiting = b""
        return status, text.replace("\r\n", "\n"), waiting
    finally:
        os.close(master)
        os.close(slave)


@pytest.fixture
def legacy_tiocsti():
    """The kernel that the attack was made on (dev.tty.legacy_tiocsti, since Linux 6.2)."""
    path = "/proc/sys/dev/tty/legacy_tiocsti"
    if not os.path.exists(path):
        yield
        return
    with open(path) as file:
        before = file.read()
    with open(path, "w") as file:
        file.write("1")
    yield
    with open(path, "w") as file:
        file.write(before)


def test_cve_2017_5226_run_types_nothing_into_the_callers_terminal(
    pyoci, own_bundle, armed, legacy_tiocsti
):
    own_bundle.process["args"] = [armed(own_bundle.rootfs, "type")]
    own_bundle.write()
    command = pyoci.command("run", "--bundle", own_bundle.path, pyoci.new_id())
    status, text, waiting = run_on_a_terminal(command)
    assert status == 0, text
    assert text == "no controlling terminal\ncannot type\n"
    assert waiting == b""


def test_cve_2017_5226_exec_types_nothing_into_the_callers_terminal(
    pyoci, own_bundle, armed, legacy_tiocsti
):
    program = armed(own_bundle.rootfs, "type")
    name = pyoci.start(own_bundle.script("sleep 1000"))
    status, text, waiting = run_on_a_terminal(pyoci.command("exec", name, program))
    assert status == 0, text
    assert text == "no controlling terminal\ncannot type\n"
    assert waiting == b""


def test_cve_2017_5226_the_program_leads_a_session_of_its_own(pyoci, bundle):
    name = pyoci.start(bundle.script("sleep 1000"))
    pid = pyoci.state(name)["pid"]
    assert os.getsid(pid) == pid
    assert pyoci.ok("exec", name, "sh", "-c", 'cut -d" " -f6,7 /proc/self/stat').split()[1] == "0"
