"""The process that the init becomes: where it is, what it holds, and how it fails to become it."""

from __future__ import annotations

import os
import subprocess

import pytest

STRICT = {
    # What a shell needs to say that it runs, and nothing that only the init would call.
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [
        {
            "names": [
                *(
                    "execve",
                    "exit_group",
                    "exit",
                    "write",
                    "read",
                    "brk",
                    "mmap",
                    "munmap",
                    "mprotect",
                ),
                *("arch_prctl", "set_tid_address", "rseq", "set_robust_list", "prlimit64", "futex"),
                *("getrandom", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "ioctl", "getuid"),
                *(
                    "getpid",
                    "getppid",
                    "geteuid",
                    "getcwd",
                    "newfstatat",
                    "stat",
                    "readlink",
                    "fcntl",
                ),
                # What the init itself does with a filter that root loads: its last capabilities.
                *("capset", "prctl", "umask"),
            ],
            "action": "SCMP_ACT_ALLOW",
        }
    ],
}


@pytest.mark.parametrize("number", range(3, 24))
def test_no_working_directory_is_reached_by_a_descriptor_of_the_host(pyoci, bundle, number):
    """CVE-2024-21626."""
    bundle.process["cwd"] = f"/proc/self/fd/{number}"
    bundle.script("pwd; ls / | tr '\\n' ' '; ls ..")
    done = pyoci.run(bundle)
    if done.returncode:
        assert "chdir to cwd" in done.stderr or "make the directory" in done.stderr
    else:
        # A descriptor of the container's own root is no way out.
        assert done.stdout.splitlines()[0] == "/"


@pytest.mark.parametrize("number", range(3, 24))
def test_nor_is_that_of_an_exec(pyoci, bundle, number):
    name = pyoci.start(bundle.script("sleep 1000"))
    done = pyoci.call("exec", "--cwd", f"/proc/self/fd/{number}", name, "sh", "-c", "pwd; ls ..")
    if done.returncode:
        assert "chdir to cwd" in done.stderr
    else:
        assert done.stdout.splitlines()[0] == "/"


def test_a_directory_of_the_caller_does_not_come_along(pyoci, bundle, tmp_path):
    """A descriptor that an engine has left open."""
    leak = os.open(tmp_path, os.O_RDONLY)
    try:
        bundle.write()
        bundle.script("ls -l /proc/self/fd").write()
        done = subprocess.run(
            pyoci.command("run", "--bundle", bundle.path, pyoci.new_id()),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            pass_fds=(leak,),
        )
    finally:
        os.close(leak)
    assert done.returncode == 0
    assert str(tmp_path) not in done.stdout


def test_the_init_cannot_be_written_from_inside(pyoci, bundle):
    """CVE-2019-5736: what /proc/self/exe leads to is a sealed copy."""
    bundle.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN")
    name = pyoci.create(bundle.script("sleep 1000"))
    pid = pyoci.state(name)["pid"]
    assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:pyoci-init")
    with pytest.raises(OSError):
        os.open(f"/proc/{pid}/exe", os.O_WRONLY)
    reader = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
    pyoci.ok("delete", "--force", name)
    try:
        # Executed by nobody any more it could be opened for writing; its seals hold.
        with pytest.raises(PermissionError):
            writer = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY)
            os.write(writer, b"x")
    finally:
        os.close(reader)


def test_a_program_that_is_the_init_itself_gets_nothing_from_it(pyoci, bundle):
    bundle.process["args"] = ["/proc/self/exe", "3,4,5"]
    done = pyoci.run(bundle)
    assert done.returncode in (1, 125)
    assert done.stdout == ""


def test_the_waiting_init_cannot_be_traced_or_looked_into(pyoci, bundle):
    """CVE-2016-9962: it is not dumpable, whoever shares its namespaces."""
    name = pyoci.create(bundle.script("true"))
    pid = pyoci.state(name)["pid"]
    spy = pyoci.start(sharing_pids(pyoci, bundle, pid))
    script = "ls -l /proc/1/fd; readlink /proc/1/exe /proc/1/root; cat /proc/1/maps; echo end"
    text = pyoci.ok("exec", spy, "sh", "-c", script)
    assert text.endswith("end\n")
    assert "->" not in text and "memfd" not in text


def sharing_pids(pyoci, bundle, pid):
    """A bundle in the PID namespace of another container."""
    bundle.namespace("pid", f"/proc/{pid}/ns/pid")
    return bundle.script("sleep 1000")


def test_variables_that_are_set_twice_have_their_last_value(pyoci, bundle):
    bundle.process["env"] = ["PATH=/nowhere", "A=1", "PATH=/bin", "A=2"]
    bundle.process["args"] = ["env"]
    assert pyoci.output(bundle).splitlines() == ["PATH=/bin", "A=2", "HOME=/root"]


def test_without_a_path_the_usual_places_are_searched(pyoci, bundle):
    bundle.process["env"] = []
    bundle.process["args"] = ["echo", "found"]
    assert pyoci.output(bundle) == "found\n"


def test_the_first_that_can_be_executed_is(pyoci, own_bundle):
    for directory, mode in (("a", 0o644), ("b", 0o755)):
        os.mkdir(f"{own_bundle.rootfs}/{directory}")
        path = f"{own_bundle.rootfs}/{directory}/thing"
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\necho {directory}\n")
        os.chmod(path, mode)
    os.mkdir(own_bundle.rootfs + "/c")
    os.mkdir(own_bundle.rootfs + "/c/thing")
    own_bundle.process["env"] = ["PATH=/nowhere:/c:/a:/b"]
    own_bundle.process["args"] = ["thing"]
    assert pyoci.output(own_bundle) == "b\n"
    own_bundle.process["env"] = ["PATH=/nowhere:/c:/a"]
    # As runc says it; what stands in the way is in the remark.
    refusal = pyoci.run(own_bundle).stderr
    assert "executable file not found in $PATH" in refusal
    assert "/a/thing is not executable (mode 0644)" in refusal
    own_bundle.process["env"] = ["PATH=/nowhere:/c"]
    assert "executable file not found in $PATH" in pyoci.run(own_bundle).stderr


def test_a_relative_command_is_looked_up_from_the_working_directory(pyoci, bundle):
    bundle.process["cwd"] = "/bin"
    bundle.process["args"] = ["./echo", "here"]
    assert pyoci.output(bundle) == "here\n"


def test_a_missing_command_fails_at_create_not_at_start(pyoci, bundle):
    bundle.process["args"] = ["/no/such/program"]
    bundle.write()
    done = pyoci.call("create", "--bundle", bundle.path, pyoci.new_id())
    assert done.returncode == 1
    assert (
        'exec: "/no/such/program": stat /no/such/program: no such file or directory' in done.stderr
    )


def test_what_cannot_be_executed_after_all_fails_at_start(pyoci, own_bundle):
    with open(own_bundle.rootfs + "/bin/odd", "wb") as file:
        file.write(b"\x7fELF nothing that runs")
    os.chmod(own_bundle.rootfs + "/bin/odd", 0o755)
    own_bundle.process["args"] = ["odd"]
    name = pyoci.create(own_bundle)
    done = pyoci.call("start", name)
    assert done.returncode == 1
    assert "exec format error" in done.stderr
    assert pyoci.status(name) == "stopped"


@pytest.mark.parametrize(
    "passwd", ["a directory", "a fifo", "a link to nothing", "a device", "very long"]
)
def test_a_strange_passwd_neither_hangs_nor_fails(pyoci, own_bundle, passwd):
    path = own_bundle.rootfs + "/etc/passwd"
    os.unlink(path)
    if passwd == "a directory":
        os.mkdir(path)
    elif passwd == "a fifo":
        os.mkfifo(path)
    elif passwd == "a link to nothing":
        os.symlink("/nowhere", path)
    elif passwd == "a device":
        os.symlink("/dev/zero", path)
    else:
        with open(path, "wb") as file:
            file.truncate(1 << 32)
    own_bundle.process["args"] = ["env"]
    assert "HOME=/" in pyoci.output(own_bundle).splitlines()


def test_a_filter_loaded_by_root_need_not_allow_what_the_init_does(pyoci, bundle):
    bundle.process["noNewPrivileges"] = False
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    bundle.linux["seccomp"] = STRICT
    bundle.script("echo runs; echo x > /tmp/file")
    done = pyoci.run(bundle)
    assert done.stdout == "runs\n"
    assert "Operation not permitted" in done.stderr


def test_a_filter_takes_no_capability_with_it(pyoci, bundle):
    """CAP_SYS_ADMIN is kept until the filter is loaded, and gone then."""
    bundle.process["noNewPrivileges"] = False
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    bundle.script("grep -E 'Cap|Seccomp:' /proc/self/status")
    status = dict(line.split(":\t") for line in pyoci.output(bundle).splitlines())
    expected = 1 << 5 | 1 << 10 | 1 << 29
    assert int(status.pop("Seccomp")) == 2
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[name], 16) == expected, name


def test_umask_of_the_caller_is_the_programs_unless_it_is_set(pyoci, bundle):
    previous = os.umask(0o37)
    try:
        assert int(pyoci.output(bundle.script("umask")), 8) == 0o37
        bundle.process["user"]["umask"] = 0o5
        assert int(pyoci.output(bundle), 8) == 0o5
    finally:
        os.umask(previous)


def test_a_container_runs_with_closed_streams(pyoci, bundle):
    bundle.script("echo text; read line; true").write()
    command = pyoci.command("run", "--bundle", bundle.path, pyoci.new_id())
    assert subprocess.run(["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *command]).returncode == 0


def test_priorities_personality_and_affinity(pyoci, bundle):
    bundle.process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 7}
    bundle.process["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
    bundle.linux["personality"] = {"domain": "LINUX32"}
    bundle.script("cut -d' ' -f19,41 /proc/self/stat; uname -m; sleep 1000")
    bundle.process["args"] = ["sh", "-c", "cut -d' ' -f19,41 /proc/self/stat; uname -m"]
    nice_and_policy, machine = pyoci.output(bundle).splitlines()
    assert nice_and_policy == "7 3"
    assert machine in ("i686", "armv8l")


def test_memory_policy(pyoci, bundle):
    bundle.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    text = pyoci.output(bundle.script("grep stack /proc/self/numa_maps || echo none"))
    assert "bind:0" in text or text == "none\n"


def test_a_larger_limit_than_the_callers_own_is_refused_or_set(pyoci, bundle):
    bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}]
    # Three streams and nothing else: the program still starts.
    assert pyoci.output(bundle.script("ulimit -n")) == "3\n"
