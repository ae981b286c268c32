"""``/linux/seccomp``: what a filtered program experiences, and the cache of compiled filters."""

from __future__ import annotations

import os

import pytest

ENOSYS_WORDS = "Function not implemented"


@pytest.fixture(params=["with noNewPrivileges", "without noNewPrivileges"])
def filtered(request, bundle):
    """A bundle whose filter is loaded last, or while there are privileges still."""
    bundle.process["noNewPrivileges"] = request.param.startswith("with ")
    return bundle


def profile(default, *rules, **members):
    return {"defaultAction": default, "syscalls": list(rules), **members}


def rule(action, *names, **members):
    return {"names": list(names), "action": action, **members}


MKDIR = ("mkdir", "mkdirat")


def test_errno_is_eperm_unless_it_is_given(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR))
    done = pyoci.run(filtered.script("mkdir /tmp/x; echo after"))
    assert "Operation not permitted" in done.stderr
    assert done.stdout == "after\n"


@pytest.mark.parametrize(
    ("number", "words"), [(13, "Permission denied"), (38, ENOSYS_WORDS), (28, "No space left")]
)
def test_errno_is_the_given_one(pyoci, filtered, number, words):
    filtered.linux["seccomp"] = profile(
        "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR, errnoRet=number)
    )
    assert words in pyoci.run(filtered.script("mkdir /tmp/x")).stderr


def test_errno_zero_pretends_that_it_was_done(pyoci, filtered):
    filtered.linux["seccomp"] = profile(
        "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR, errnoRet=0)
    )
    filtered.script("mkdir /tmp/x && echo done; test -d /tmp/x || echo but not there")
    assert pyoci.output(filtered) == "done\nbut not there\n"


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS"])
def test_kill_ends_the_program_with_sigsys(pyoci, filtered, action):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule(action, *MKDIR))
    filtered.process["args"] = ["mkdir", "/tmp/x"]
    assert pyoci.run(filtered).returncode == 128 + 31


def test_kill_in_a_child_leaves_the_program(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_KILL_PROCESS", *MKDIR))
    assert pyoci.output(filtered.script("mkdir /tmp/x; echo $?")) == "159\n"


def test_trap_is_a_signal(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_TRAP", *MKDIR))
    assert pyoci.output(filtered.script("mkdir /tmp/x; echo $?")) == "159\n"


def test_trace_without_a_tracer_is_enosys(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_TRACE", *MKDIR))
    assert ENOSYS_WORDS in pyoci.run(filtered.script("mkdir /tmp/x")).stderr


def test_log_lets_it_through(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_LOG", *MKDIR))
    filtered.mount("/tmp", type="tmpfs", source="tmpfs")
    assert pyoci.output(filtered.script("mkdir /tmp/x && echo made")) == "made\n"


def test_arguments_decide(pyoci, filtered):
    # kill(pid, 0) asks whether there is such a process; other signals are refused.
    filtered.linux["seccomp"] = profile(
        "SCMP_ACT_ALLOW",
        rule("SCMP_ACT_ERRNO", "kill", args=[{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}]),
    )
    filtered.script("trap 'echo usr2' USR2; kill -0 $$ && echo 0; kill -10 $$; kill -12 $$; true")
    done = pyoci.run(filtered)
    assert done.stdout == "0\nusr2\n"
    assert "Operation not permitted" in done.stderr


def test_the_default_action_is_for_what_is_not_listed(pyoci, filtered):
    # What is not known to exist is refused with the default; allowed are the shell's needs.
    allowed = (
        "access arch_prctl brk clone clone3 close dup dup2 execve execveat exit exit_group "
        "faccessat faccessat2 fcntl fork fstat getcwd getdents64 getegid geteuid getgid getpgrp "
        "getpid getppid getrandom getuid ioctl lseek lstat mmap mprotect munmap newfstatat open "
        "openat pipe pipe2 poll prctl pread64 prlimit64 read readlink readlinkat rseq "
        "rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity set_robust_list "
        "set_tid_address sigaltstack stat statx sysinfo uname vfork wait4 write writev futex "
        "setpgid wait4 waitid fchdir chdir fstatfs statfs getpgid getsid setsid capget capset "
        "setuid setgid setgroups setresuid setresgid umask close_range fchown"
    ).split()
    filtered.linux["seccomp"] = profile(
        "SCMP_ACT_ERRNO",
        rule("SCMP_ACT_ALLOW", *allowed),
        defaultErrnoRet=25,
    )
    done = pyoci.run(filtered.script("echo runs; mkdir /tmp/x"))
    assert done.stdout == "runs\n", done.stderr
    assert "Inappropriate ioctl for device" in done.stderr


def test_names_that_the_kernel_does_not_know_are_passed_over(pyoci, filtered):
    filtered.linux["seccomp"] = profile(
        "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "no_such_call", *MKDIR)
    )
    assert "Operation not permitted" in pyoci.run(filtered.script("mkdir /tmp/x")).stderr


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names an architecture")
def test_listed_architectures_are_accepted(pyoci, filtered):
    filtered.linux["seccomp"] = profile(
        "SCMP_ACT_ALLOW",
        rule("SCMP_ACT_ERRNO", *MKDIR),
        architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    )
    assert "Operation not permitted" in pyoci.run(filtered.script("mkdir /tmp/x")).stderr


def test_what_is_executed_later_is_filtered_too(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR))
    filtered.process["args"] = ["sleep", "1000"]
    name = pyoci.start(filtered)
    assert "Operation not permitted" in pyoci.call("exec", name, "mkdir", "/tmp/x").stderr
    status = pyoci.ok("exec", name, "cat", "/proc/self/status")
    assert "Seccomp:\t2\n" in status
    with open(f"/proc/{pyoci.state(name)['pid']}/status") as file:
        assert "Seccomp:\t2\n" in file.read()


def test_an_ordinary_user_is_filtered_too(pyoci, filtered):
    filtered.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR))
    filtered.process["user"] = {"uid": 1000, "gid": 1000}
    done = pyoci.run(filtered.script("mkdir /tmp/x; grep CapPrm /proc/self/status"))
    assert "Operation not permitted" in done.stderr
    assert done.stdout == "CapPrm:\t0000000000000000\n"


def test_without_a_profile_nothing_is_filtered(pyoci, filtered):
    output = pyoci.output(filtered.script("grep Seccomp: /proc/self/status"))
    with open("/proc/self/status") as file:
        mine = next(line for line in file if line.startswith("Seccomp:"))
    assert output == mine


# -- the cache -------------------------------------------------------------------------------------


@pytest.fixture
def cache(pyoci, is_pyoci):
    """What is cached: name → (inode, time of the last change, size)."""
    if not is_pyoci:
        pytest.skip("the cache is pyoci's")

    def look():
        found = {}
        for top, _, files in os.walk(pyoci.root):
            for name in files:
                status = os.stat(f"{top}/{name}")
                if "seccomp" in top:
                    found[name] = (status.st_ino, status.st_mtime_ns, status.st_size)
        return found

    return look


def test_a_second_container_takes_the_filter_of_the_first(pyoci, bundle, cache):
    bundle.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR))
    bundle.script("mkdir /tmp/x")
    first = pyoci.run(bundle)
    before = cache()
    assert len(before) == 1
    second = pyoci.run(bundle)
    assert cache() == before
    assert first.stderr == second.stderr and "Operation not permitted" in first.stderr


def test_another_profile_is_another_entry(pyoci, bundle, cache):
    for number in (1, 2, 1):
        bundle.linux["seccomp"] = profile(
            "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR, errnoRet=number)
        )
        pyoci.run(bundle.script("mkdir /tmp/x"))
    assert len(cache()) == 2


@pytest.mark.parametrize("damage", ["emptied", "shortened", "garbage", "a directory", "unreadable"])
def test_a_damaged_entry_of_the_cache_is_not_trusted(pyoci, bundle, cache, damage):
    bundle.linux["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *MKDIR))
    bundle.script("mkdir /tmp/x; echo after")
    pyoci.run(bundle)
    (name,) = cache()
    path = next(f"{top}/{name}" for top, _, files in os.walk(pyoci.root) if name in files)
    with open(path, "rb") as file:
        data = file.read()
    if damage == "a directory":
        os.unlink(path)
        os.mkdir(path)
    else:
        changed = {
            "emptied": b"",
            "shortened": data[: len(data) // 2],
            "garbage": bytes(byte ^ 0x5A for byte in data),
            "unreadable": data,
        }[damage]
        with open(path, "wb") as file:
            file.write(changed)
        if damage == "unreadable":
            os.chmod(path, 0)
    done = pyoci.run(bundle)
    assert done.stdout == "after\n"
    assert "Operation not permitted" in done.stderr


def test_an_empty_profile_asks_for_nothing(pyoci, bundle):
    bundle.linux["seccomp"] = {}
    assert pyoci.output(bundle.script("echo runs")) == "runs\n"


# -- wrong profiles --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seccomp", "pointer"),
    [
        ({"defaultAction": "SCMP_ACT_NO"}, "/linux/seccomp/defaultAction"),
        (profile("SCMP_ACT_ALLOW", {"action": "SCMP_ACT_ERRNO"}), "/linux/seccomp/syscalls/0"),
        (profile("SCMP_ACT_ALLOW", rule("KILL", "mkdir")), "/linux/seccomp/syscalls/0/action"),
        (
            profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "mkdir", args=[{"index": 9}])),
            "/linux/seccomp/syscalls/0/args/0",
        ),
        (profile("SCMP_ACT_ALLOW", architectures=["Z80"]), "/linux/seccomp/architectures/0"),
        (profile("SCMP_ACT_ALLOW", flags=["NO_FLAG"]), "/linux/seccomp/flags/0"),
        ("SCMP_ACT_ALLOW", "/linux/seccomp"),
    ],
)
def test_a_wrong_profile_is_named_by_its_place(pyoci, bundle, is_pyoci, seccomp, pointer):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    bundle.linux["seccomp"] = seccomp
    done = pyoci.run(bundle.script("echo runs"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert pointer in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not os.path.exists(f"{pyoci.root}/{pyoci.ids[-1]}")
