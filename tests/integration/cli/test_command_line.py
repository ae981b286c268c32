"""The command line around real containers: what engines read, and what it costs to get there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

ROOT = os.path.abspath(f"{os.path.dirname(__file__)}/../../..")

FORBIDDEN = """
    re typing enum dataclasses json argparse click logging subprocess socket jsonschema pathlib
    ctypes contextlib functools collections hashlib specs builder conformance system_calls elftools
    pyoci.seccomp.compile pyoci.diagnose pyoci.cli.failure
"""

# What the launcher does, and then the modules that were loaded on the way.
BOOT = f"""
import os, sys
sys.path.append({ROOT!r})
bare = set(sys.modules)
from pyoci.cli.main import call
from pyoci.invocation import Invocation
status = call(Invocation(sys.argv[2:], os.environ))
with open(sys.argv[1], "w") as file:
    file.write(" ".join(set(sys.modules) - bare))
os._exit(status)
"""

SECCOMP = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_the_module_runs_with_closed_streams(pyoci, bundle, is_pyoci, closed):
    if not is_pyoci:
        pytest.skip("calls the package, not a program")
    bundle.script("ls /proc/self/fd >&2; exit 7").write()
    start = f"{sys.executable} -m pyoci --root {pyoci.root} run -b {bundle.path} {pyoci.new_id()}"
    done = subprocess.run(
        ["sh", "-c", f"{start} {closed}"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 7, done.stderr
    assert "2>&-" in closed or done.stderr.split() == ["0", "1", "2", "3"]


@pytest.fixture
def loaded(pyoci, tmp_path):
    """Runs a command as the launcher would; gives the modules it loaded."""

    def run(*arguments):
        answer = f"{tmp_path}/modules"
        done = subprocess.run(
            [
                sys.executable,
                *("-I", "-S", "-X", "utf8", "-c", BOOT, answer),
                *pyoci.command(*arguments)[1:],
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, arguments
        with open(answer) as file:
            return set(file.read().split())

    return run


def test_a_containers_whole_life_stays_within_the_import_budget(pyoci, bundle, loaded):
    bundle.process["args"] = ["sleep", "1000"]
    bundle.linux["seccomp"] = SECCOMP
    bundle.write()
    warm = pyoci.new_id()
    pyoci.create(bundle)  # compiles the filter: that may take all it needs, once
    name = pyoci.new_id()
    for arguments in (
        ("create", "--bundle", bundle.path, name),
        ("state", name),
        ("start", name),
        ("exec", "--detach", name, "true"),
        ("kill", name, "KILL"),
        ("delete", "--force", name),
        ("delete", "--force", warm),
    ):
        assert sorted(loaded(*arguments) & set(FORBIDDEN.split())) == [], arguments


def test_a_successful_create_writes_nothing_to_the_containers_streams(pyoci, bundle):
    bundle.process["args"] = ["true"]
    bundle.config["unknown"] = {"member": 1}
    name = pyoci.create(bundle)
    with open(f"{bundle.path}/output") as output:
        assert output.read() == ""
    pyoci.ok("delete", "--force", name)


def test_a_failed_create_is_one_json_record_and_one_line(pyoci, bundle, tmp_path):
    bundle.process["args"] = ["no-such-command"]
    bundle.write()
    log = tmp_path / "log.json"
    done = subprocess.run(
        [
            pyoci.binary,
            *("--root", pyoci.root, "--log", str(log), "--log-format", "json"),
            *("create", "--bundle", bundle.path, pyoci.new_id()),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    record = json.loads(log.read_text())
    assert record["level"] == "error"
    assert 'exec: "no-such-command": executable file not found in $PATH' in record["msg"]
    assert record["msg"] in done.stderr


def test_the_log_is_never_a_descriptor_of_the_container(pyoci, bundle, tmp_path):
    bundle.process["args"] = ["ls", "/proc/self/fd"]
    bundle.write()
    done = subprocess.run(
        [
            pyoci.binary,
            *("--root", pyoci.root, "--log", f"{tmp_path}/log"),
            *("run", "--bundle", bundle.path, "--preserve-fds", "1", pyoci.new_id()),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "file descriptor 3 is not open" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_create_that_is_told_to_end_leaves_nothing(pyoci, bundle, tmp_path, number):
    ready = f"{tmp_path}/ready"
    bundle.config["hooks"] = {
        "createRuntime": [
            {"path": "/bin/sh", "args": ["sh", "-c", f"echo $$ > {ready}; sleep 1000; :"]},
        ]
    }
    os.mkfifo(ready)
    bundle.write()
    name = pyoci.new_id()
    process = subprocess.Popen(
        pyoci.command("create", "--bundle", bundle.path, name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    with open(ready) as fifo:
        hook = fifo.read().strip()
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert not os.path.exists(f"{pyoci.root}/{name}")
    assert not os.path.exists(f"/proc/{hook}")
    deadline = time.monotonic() + 20
    # Zombies are only waiting for their new parent.
    while subprocess.run(["pgrep", "-g", hook, "--runstates", "D,R,S,T"]).returncode == 0:
        assert time.monotonic() < deadline, "a process that the hook started is left over"


def test_debug_tells_how_long_each_phase_of_a_start_took(pyoci, bundle, tmp_path):
    bundle.process["args"] = ["true"]
    bundle.write()
    log = tmp_path / "log.json"
    subprocess.run(
        [
            pyoci.binary,
            *("--root", pyoci.root, "--debug", "--log", str(log), "--log-format", "json"),
            *("run", "--bundle", bundle.path, pyoci.new_id()),
        ],
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    phases = [json.loads(line)["phase"] for line in log.read_text().splitlines()]
    order = ["start-up", "modules", "load", "check", "plan", "cgroup", "stage", "init", "end"]
    assert [phase for phase in phases if phase in order] == order
