"""run: the program's view of its own process, and what the caller gets back."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest


def test_exit_status_is_the_programs(pyoci, bundle):
    assert pyoci.run(bundle.script("exit 42")).returncode == 42


def test_exit_status_of_a_killed_program_is_128_and_the_signal(pyoci, bundle):
    # PID 1 of a namespace ignores signals from inside: its child is killed.
    assert pyoci.run(bundle.script("sh -c 'kill -9 $$'; exit $?")).returncode == 137


def test_streams_are_the_callers(pyoci, bundle):
    bundle.script("cat; echo error >&2")
    with open(f"{bundle.path}/in", "w") as file:
        file.write("through\n")
    with open(f"{bundle.path}/in") as stdin:
        done = pyoci.run(bundle, stdin=stdin)
    assert (done.stdout, done.stderr) == ("through\n", "error\n")


def test_environment_is_exactly_the_configured_one_and_home(pyoci, bundle):
    bundle.process["env"] = ["PATH=/bin", "A=1", "EMPTY=", "WITH=a=b c"]
    bundle.process["args"] = ["env"]
    lines = set(pyoci.output(bundle, env={**os.environ, "LEAK": "1"}).splitlines())
    assert lines == {"PATH=/bin", "A=1", "EMPTY=", "WITH=a=b c", "HOME=/root"}


def test_home_comes_from_passwd_unless_it_is_set(pyoci, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.process["args"] = ["env"]
    assert "HOME=/home/user" in pyoci.output(bundle).splitlines()
    bundle.process["env"].append("HOME=/elsewhere")
    assert "HOME=/elsewhere" in pyoci.output(bundle).splitlines()


def test_working_directory_is_made_when_it_is_missing(pyoci, own_bundle):
    own_bundle.process["cwd"] = "/new/place"
    own_bundle.process["args"] = ["pwd"]
    assert pyoci.output(own_bundle) == "/new/place\n"


def test_user_and_groups(pyoci, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [10, 77], "umask": 0o27}
    bundle.script("id -u; id -g; id -G; umask")
    uid, gid, groups, mask = pyoci.output(bundle).splitlines()
    assert (uid, gid, set(groups.split()), int(mask, 8)) == (
        "1000",
        "1000",
        {"1000", "10", "77"},
        0o27,
    )


def test_capability_sets_are_exactly_the_configured_ones(pyoci, bundle):
    sets = bundle.process["capabilities"]
    sets["bounding"] = ["CAP_KILL", "CAP_CHOWN"]
    sets["permitted"] = ["CAP_KILL", "CAP_CHOWN"]
    sets["effective"] = ["CAP_KILL"]
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.process["args"] = ["cat", "/proc/self/status"]
    sets["inheritable"] = ["CAP_KILL"]
    sets["ambient"] = ["CAP_KILL"]
    status = dict(
        line.split(":\t") for line in pyoci.output(bundle).splitlines() if line.startswith("Cap")
    )
    kill, chown = 1 << 5, 1 << 0
    assert int(status["CapBnd"], 16) == kill | chown
    assert int(status["CapInh"], 16) == kill
    assert int(status["CapAmb"], 16) == kill
    # After exec a user other than root keeps what is ambient (capabilities(7)).
    assert int(status["CapPrm"], 16) == kill
    assert int(status["CapEff"], 16) == kill


def test_no_new_privileges(pyoci, bundle):
    bundle.script("grep NoNewPrivs /proc/self/status")
    assert pyoci.output(bundle).split() == ["NoNewPrivs:", "1"]
    bundle.process["noNewPrivileges"] = False
    assert pyoci.output(bundle).split() == ["NoNewPrivs:", "0"]


def test_rlimits(pyoci, bundle):
    bundle.process["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    bundle.script("grep -E 'open files|core file' /proc/self/limits")
    lines = [line.split() for line in pyoci.output(bundle).splitlines()]
    assert ["Max", "open", "files", "100", "200", "files"] in lines
    assert ["Max", "core", "file", "size", "0", "0", "bytes"] in lines


def test_oom_score_adj(pyoci, bundle):
    bundle.process["oomScoreAdj"] = 321
    bundle.process["args"] = ["cat", "/proc/self/oom_score_adj"]
    assert pyoci.output(bundle) == "321\n"


def test_hostname_and_domainname(pyoci, bundle):
    bundle.config["hostname"] = "elsewhere"
    bundle.config["domainname"] = "example"
    bundle.script("hostname; cat /proc/sys/kernel/domainname")
    assert pyoci.output(bundle) == "elsewhere\nexample\n"


def test_sysctls_of_the_containers_namespaces(pyoci, bundle):
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "4000"}
    bundle.script("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni")
    assert pyoci.output(bundle) == "1\n4000\n"


def test_signal_dispositions_and_mask_are_the_default(pyoci, bundle):
    # Without a shell: that one ignores signals itself.
    bundle.process["args"] = ["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]
    fields = pyoci.output(bundle).split()
    assert fields == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


def test_only_the_three_streams_are_open(pyoci, bundle):
    bundle.process["args"] = ["ls", "/proc/self/fd"]
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    try:
        numbers = pyoci.output(bundle, close_fds=False).split()
    finally:
        os.close(extra)
    # 3 is the directory that ls reads.
    assert set(numbers) <= {"0", "1", "2", "3"}


def test_preserved_descriptors_are_there_and_no_others(pyoci, bundle):
    bundle.script("cat <&3; ls /proc/self/fd")
    read_end, write_end = os.pipe()
    os.write(write_end, b"kept\n")
    os.close(write_end)
    arguments = pyoci.command(
        "run", "--bundle", bundle.write(), "--preserve-fds", "1", pyoci.new_id()
    )
    # bash: its redirections take numbers of two digits.
    done = subprocess.run(
        ["bash", "-c", f'"$@" 3<&{read_end}', "bash", *arguments],
        pass_fds=[read_end],
        capture_output=True,
        text=True,
        timeout=60,
    )
    os.close(read_end)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    assert lines[0] == "kept"
    assert set(lines[1:]) <= {"0", "1", "2", "3", "4"}


def test_run_passes_signals_on(pyoci, bundle, kill_later):
    bundle.script("trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    bundle.write()
    process = subprocess.Popen(
        pyoci.command("run", "--bundle", bundle.path, pyoci.new_id()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    kill_later(process)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "got it\n"
    assert process.wait(20) == 7


def test_run_deletes_the_container_unless_told_to_keep_it(pyoci, bundle):
    pyoci.run(bundle.script("true"))
    assert pyoci.call("state", pyoci.ids[-1]).returncode != 0
    if pyoci.binary.endswith("pyoci"):
        pyoci.run(bundle, "--keep")
        assert pyoci.status(pyoci.ids[-1]) == "stopped"


def test_run_detached_leaves_a_running_container(pyoci, bundle):
    bundle.process["args"] = ["sleep", "1000"]
    bundle.write()
    name = pyoci.new_id()
    pid_file = f"{bundle.path}/pid"
    subprocess.run(
        pyoci.command("run", "-d", "--pid-file", pid_file, "--bundle", bundle.path, name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    state = pyoci.state(name)
    with open(pid_file) as file:
        assert file.read() == str(state["pid"])  # no newline: engines parse the raw bytes
    assert state["status"] == "running"


@pytest.mark.parametrize("flag", ["rro", "ro"])
def test_read_only_root(pyoci, own_bundle, flag):
    own_bundle.config["root"]["readonly"] = True
    own_bundle.script("touch /x 2>&1; touch /dev/x && echo dev")
    output = pyoci.output(own_bundle)
    assert "Read-only file system" in output
    assert "dev" in output.split()
