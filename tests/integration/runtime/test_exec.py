"""exec: one more process in a container that runs, with its own user, terminal and limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

FILES = {
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "mount": "mnt",
    "cgroup": "cgroup",
}


@pytest.fixture
def box(pyoci, own_bundle):
    """The ID of a container that sleeps; its bundle may be changed before it is called for."""
    own_bundle.process["args"] = ["sleep", "1000"]

    def start():
        return pyoci.start(own_bundle)

    return start


def process_file(bundle, **changes):
    path = f"{bundle.path}/process.json"
    process = {**bundle.process, **changes}
    with open(path, "w") as file:
        json.dump({key: value for key, value in process.items() if value is not None}, file)
    return path


# -- what the process is given ---------------------------------------------------------------------


def test_output_and_exit_status_are_the_programs(pyoci, box):
    done = pyoci.call("exec", box(), "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_flags_after_the_command_are_the_commands(pyoci, box):
    assert pyoci.ok("exec", box(), "echo", "--help", "-t", "--") == "--help -t --\n"


def test_standard_input_is_passed(pyoci, box, tmp_path):
    (tmp_path / "in").write_text("through\n")
    with open(tmp_path / "in") as stdin:
        assert pyoci.ok("exec", box(), "cat", stdin=stdin) == "through\n"


def test_a_process_that_is_killed_gives_128_and_the_signal(pyoci, box):
    assert pyoci.call("exec", box(), "sh", "-c", "kill -KILL $$").returncode == 137
    assert pyoci.call("exec", pyoci.ids[-1], "sh", "-c", "kill -TERM $$").returncode == 143


def test_variables_are_added_to_the_containers(pyoci, box, own_bundle):
    own_bundle.process["env"] = ["PATH=/bin", "A=1", "B=2"]
    name = box()
    output = pyoci.ok("exec", "--env", "B=3", "--env", "C=x y", name, "env", env={"LEAK": "1"})
    assert set(output.splitlines()) == {"PATH=/bin", "A=1", "B=3", "C=x y", "HOME=/root"}


def test_the_working_directory_is_the_containers_or_the_given_one(pyoci, box, own_bundle):
    own_bundle.process["cwd"] = "/home"
    name = box()
    assert pyoci.ok("exec", name, "pwd") == "/home\n"
    assert pyoci.ok("exec", "--cwd", "/tmp", name, "pwd") == "/tmp\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), ["0", "0", "0"]),
        (("--user", "1000"), ["1000", "0", "0"]),
        (("-u", "1000:1000"), ["1000", "1000", "1000"]),
        (("-u", "5:6", "-g", "7", "-g", "8"), ["5", "6", "6 7 8"]),
    ],
)
def test_the_user_is_the_given_one(pyoci, box, flags, expected):
    output = pyoci.ok("exec", *flags, box(), "sh", "-c", "id -u; id -g; id -G")
    uid, gid, groups = output.splitlines()
    assert [uid, gid, set(groups.split())] == [*expected[:2], set(expected[2].split())]


@pytest.mark.parametrize(
    "user", ["root", "-1", "0x0", "1:", ":1", "1:2:3", "4294967296", "4294967295", "١"]
)
def test_what_is_no_number_is_no_user(pyoci, box, user, is_pyoci):
    if not is_pyoci:
        pytest.skip("other runtimes are more generous")
    done = pyoci.call("exec", f"--user={user}", box(), "id", "-u")
    assert done.returncode == 255
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_home_follows_the_user(pyoci, box):
    assert "HOME=/home/user\n" in pyoci.ok("exec", "-u", "1000", box(), "env")


def test_limits_of_the_container_hold(pyoci, box, own_bundle):
    own_bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]
    own_bundle.process["oomScoreAdj"] = 123
    name = box()
    assert pyoci.ok("exec", name, "sh", "-c", "ulimit -n; ulimit -Hn").split() == ["77", "88"]
    assert pyoci.ok("exec", name, "cat", "/proc/self/oom_score_adj") == "123\n"


def capability_sets(text):
    return {
        line.split(":")[0][3:]: int(line.split()[1], 16)
        for line in text.splitlines()
        if line.startswith("Cap")
    }


KILL, AUDIT_WRITE, BIND, ADMIN = 1 << 5, 1 << 29, 1 << 10, 1 << 12


def test_capabilities_are_the_containers(pyoci, box):
    sets = capability_sets(pyoci.ok("exec", box(), "cat", "/proc/self/status"))
    everything = KILL | AUDIT_WRITE | BIND
    assert sets == {"Inh": 0, "Amb": 0, "Bnd": everything, "Prm": everything, "Eff": everything}


def test_a_capability_can_be_added_but_never_to_the_inheritable_ones(pyoci, box, own_bundle):
    own_bundle.process["capabilities"]["inheritable"] = ["CAP_KILL"]
    name = box()
    output = pyoci.ok("exec", "--cap", "CAP_NET_ADMIN", name, "cat", "/proc/self/status")
    sets = capability_sets(output)
    assert sets["Inh"] == KILL and sets["Amb"] == 0
    for kind in ("Bnd", "Prm", "Eff"):
        assert sets[kind] & ADMIN, kind


def test_an_unknown_capability_is_refused_or_ignored_with_one_line(pyoci, box, is_pyoci):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    done = pyoci.call("exec", "--cap", "CAP_NO_SUCH", box(), "true")
    assert len(done.stderr.splitlines()) <= 1
    assert done.returncode in (0, 255)
    if done.returncode:
        assert "CAP_NO_SUCH" in done.stderr


def test_no_new_privileges_can_be_asked_for(pyoci, box, own_bundle):
    own_bundle.process["noNewPrivileges"] = False
    name = box()
    command = ("grep", "NoNewPrivs", "/proc/self/status")
    assert pyoci.ok("exec", name, *command).split()[1] == "0"
    assert pyoci.ok("exec", "--no-new-privs", name, *command).split()[1] == "1"


def test_descriptors_of_the_caller_are_not_passed_unless_they_are_asked_for(pyoci, box):
    name = box()
    read_end, write_end = os.pipe()
    os.write(write_end, b"kept\n")
    os.close(write_end)
    command = pyoci.command("exec", "--preserve-fds", "1", name, "sh", "-c", "cat <&3")
    done = subprocess.run(
        ["bash", "-c", f'"$@" 3<&{read_end}', "bash", *command],
        pass_fds=[read_end],
        capture_output=True,
        text=True,
        timeout=60,
    )
    os.close(read_end)
    assert done.stdout == "kept\n", done.stderr
    numbers = pyoci.ok("exec", name, "ls", "/proc/self/fd", close_fds=False).split()
    assert set(numbers) <= {"0", "1", "2", "3"}


# -- the process file ------------------------------------------------------------------------------


def test_a_process_file_says_everything(pyoci, box, own_bundle):
    name = box()
    path = process_file(
        own_bundle,
        args=["sh", "-c", 'id -u; pwd; echo "$X $A"'],
        cwd="/tmp",
        env=["PATH=/bin", "X=only"],
        user={"uid": 1000, "gid": 10},
    )
    assert pyoci.ok("exec", "--process", path, name).splitlines() == [
        "1000",
        "/tmp",
        "only ",
    ]


def test_the_process_file_of_an_engine_may_have_a_umask(pyoci, box, own_bundle, is_pyoci):
    if not is_pyoci:
        pytest.skip("runc 1.1 takes it for the first process only")
    name = box()
    path = process_file(own_bundle, args=["sh", "-c", "umask"], user={"uid": 0, "umask": 0o77})
    assert pyoci.ok("exec", "--process", path, name) == "0077\n"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"args": "sh"}', '{"cwd": "/"}', "\x00"])
def test_a_wrong_process_file_is_refused_with_one_line(pyoci, box, own_bundle, is_pyoci, text):
    path = f"{own_bundle.path}/process.json"
    os.makedirs(own_bundle.path, exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    done = pyoci.call("exec", "--process", path, box())
    assert done.returncode == 255
    if is_pyoci:
        assert len(done.stderr.splitlines()) == 1
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr


def test_a_missing_process_file_is_named(pyoci, box):
    done = pyoci.call("exec", "--process", "/no/such/file", box())
    assert done.returncode == 255
    assert "/no/such/file" in done.stderr


# -- detached, and the PID file --------------------------------------------------------------------


def test_a_detached_process_outlives_the_command(pyoci, box, own_bundle):
    name = box()
    pid_file = f"{own_bundle.path}/pid"
    command = pyoci.command(
        "exec", "--detach", "--pid-file", pid_file, name, "sh", "-c", "echo >/made; sleep 1000"
    )
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    with open(pid_file) as file:
        text = file.read()
    pid = int(text)
    assert text == str(pid)
    init = pyoci.state(name)["pid"]
    assert os.stat(f"/proc/{pid}/ns/pid").st_ino == os.stat(f"/proc/{init}/ns/pid").st_ino
    with open(f"/proc/{pid}/cgroup") as mine, open(f"/proc/{init}/cgroup") as inits:
        assert mine.read() == inits.read()
    pyoci.ok("delete", "--force", name)
    assert not os.path.exists(f"/proc/{pid}/ns/pid") or _is_zombie(pid)


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_the_pid_file_is_there_before_the_program_runs(pyoci, box, own_bundle):
    name = box()
    own_bundle_file = f"{own_bundle.path}/pid"
    own = pyoci.ok("exec", "--pid-file", own_bundle_file, name, "sh", "-c", "echo $$")
    with open(own_bundle_file) as file:
        assert int(file.read()) > int(own)


def test_a_signal_of_the_command_is_passed_on(pyoci, box, kill_later):
    script = "trap 'echo got it; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        pyoci.command("exec", box(), "sh", "-c", script),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    kill_later(process)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == "got it\n"
    assert process.wait(20) == 9


# -- where it runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
def test_the_process_is_in_the_containers_namespace(pyoci, box, kind):
    name = box()
    pid = pyoci.state(name)["pid"]
    there = pyoci.ok("exec", name, "readlink", f"/proc/self/ns/{FILES[kind]}").strip()
    assert there == os.readlink(f"/proc/{pid}/ns/{FILES[kind]}")
    assert there != os.readlink(f"/proc/self/ns/{FILES[kind]}")


def test_the_process_is_in_the_containers_user_namespace(pyoci, box, own_bundle):
    own_bundle.map_ids()
    name = box()
    pid = pyoci.state(name)["pid"]
    script = "readlink /proc/self/ns/user; id -u; cat /proc/self/uid_map"
    output = pyoci.ok("exec", name, "sh", "-c", script).split()
    assert output == [os.readlink(f"/proc/{pid}/ns/user"), "0", "0", "100000", "65536"]
    assert pyoci.ok("exec", "-u", "1000", name, "id", "-u") == "1000\n"


def test_the_process_is_in_the_containers_time_namespace(pyoci, box, own_bundle, is_pyoci):
    if not is_pyoci:
        pytest.skip("time namespaces came with runc 1.2")
    own_bundle.namespace("time")
    own_bundle.linux["timeOffsets"] = {"boottime": {"secs": 1000000}}
    name = box()
    pid = pyoci.state(name)["pid"]
    there, uptime, _ = pyoci.ok(
        "exec", name, "sh", "-c", "readlink /proc/self/ns/time; cat /proc/uptime"
    ).split()
    assert there == os.readlink(f"/proc/{pid}/ns/time")
    assert float(uptime) > 1000000


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "mount"])
def test_a_namespace_that_the_container_shares_with_the_host_is_the_hosts(
    pyoci, box, own_bundle, kind
):
    own_bundle.without_namespace(kind)
    if kind == "uts":
        del own_bundle.config["hostname"]
    if kind == "network":
        own_bundle.config["mounts"] = [
            m for m in own_bundle.config["mounts"] if m["type"] != "sysfs"
        ]
    there = pyoci.ok("exec", box(), "readlink", f"/proc/self/ns/{FILES[kind]}").strip()
    assert there == os.readlink(f"/proc/self/ns/{FILES[kind]}")


def test_the_process_is_in_every_cgroup_of_the_container(pyoci, box, own_bundle):
    own_bundle.without_namespace("cgroup")
    name = box()
    with open(f"/proc/{pyoci.state(name)['pid']}/cgroup") as file:
        expected = file.read()
    assert pyoci.ok("exec", name, "cat", "/proc/self/cgroup") == expected


def test_the_process_may_be_executed_before_the_start(pyoci, own_bundle):
    own_bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.create(own_bundle)
    assert pyoci.ok("exec", name, "hostname") == "box\n"
    assert pyoci.status(name) == "created"


def test_many_processes_at_once(pyoci, box):
    name = box()
    processes = [
        subprocess.Popen(
            pyoci.command("exec", name, "sh", "-c", f"echo {number}; exit {number}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(10)
    ]
    for number, process in enumerate(processes):
        output, _ = process.communicate(timeout=60)
        assert (output, process.returncode) == (f"{number}\n", number)


# -- what cannot be executed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-command", 'exec: "no-such-command": executable file not found in $PATH'),
        ("/no/such/command", 'exec: "/no/such/command": stat /no/such/command: no such file'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
        ("/etc", 'exec: "/etc": is a directory'),
    ],
)
def test_what_cannot_be_executed_is_told_in_the_words_engines_know(
    pyoci, box, command, words, is_pyoci
):
    done = pyoci.call("exec", box(), command)
    assert done.returncode == 255
    if command == "/etc" and not is_pyoci:
        return
    assert words in done.stderr.replace('\\"', '"')
    if is_pyoci:
        assert len(done.stderr.splitlines()) == 1


def test_a_working_directory_that_is_not_there_is_refused(pyoci, box):
    done = pyoci.call("exec", "--cwd", "/no/such", box(), "true")
    assert done.returncode == 255
    assert "/no/such" in done.stderr


def test_a_container_that_has_ended_executes_nothing(pyoci, own_bundle):
    name = pyoci.start(own_bundle.script("true"))
    pyoci.await_status(name, "stopped")
    done = pyoci.call("exec", name, "true")
    assert done.returncode == 255
    assert "stopped container" in done.stderr


def test_a_container_that_does_not_exist_executes_nothing(pyoci):
    done = pyoci.call("exec", "nobody", "true")
    assert done.returncode == 255
    assert "does not exist" in done.stderr


def test_without_a_command_the_usage_is_told(pyoci, box):
    done = pyoci.call("exec", box())
    assert done.returncode != 0
    assert done.stderr


def test_a_paused_container_is_refused_unless_told_otherwise(pyoci, box, is_pyoci):
    if not is_pyoci:
        pytest.skip("runc has no flag for what the freezer is used for here")
    name = box()
    freezer = f"/sys/fs/cgroup/freezer{_freezer_of(pyoci.state(name)['pid'])}/freezer.state"
    if not os.path.exists(freezer):
        pytest.skip("no v1 freezer on this machine")
    with open(freezer, "w") as file:
        file.write("FROZEN")
    try:
        done = pyoci.call("exec", name, "true")
        assert done.returncode == 255
        assert "cannot exec in a paused container" in done.stderr
    finally:
        with open(freezer, "w") as file:
            file.write("THAWED")
    assert pyoci.ok("exec", name, "echo", "again") == "again\n"


def _freezer_of(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        for line in file:
            _, controllers, path = line.strip().split(":", 2)
            if controllers == "freezer":
                return path
    return ""


def test_exec_leaves_nothing_in_the_state_directory(pyoci, box):
    name = box()
    before = sorted(os.listdir(f"{pyoci.root}/{name}"))
    pyoci.ok("exec", name, "true")
    pyoci.call("exec", name, "no-such-command")
    assert sorted(os.listdir(f"{pyoci.root}/{name}")) == before


def test_the_end_of_the_container_ends_the_process(pyoci, box, kill_later):
    name = box()
    process = subprocess.Popen(
        pyoci.command("exec", name, "sh", "-c", "echo ready; sleep 1000"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    kill_later(process)
    assert process.stdout.readline() == "ready\n"
    pyoci.ok("kill", name, "KILL")
    assert process.wait(20) == 137
    pyoci.await_status(name, "stopped")


def test_a_process_of_the_file_with_a_terminal_needs_somewhere_to_show_it(pyoci, box, own_bundle):
    name = box()
    path = process_file(own_bundle, args=["true"], terminal=True)
    done = pyoci.call("exec", "--detach", "--process", path, name)
    assert done.returncode == 255
    assert "cannot allocate tty" in done.stderr
