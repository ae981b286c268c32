"""Compiled filters, loaded by the real kernel into a child of the test, and what they do there."""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import random
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from pyoci.seccomp import load_filter
from pyoci.seccomp.syscall_tables import load_table

MACHINE = platform.machine()
HERE = os.path.dirname(os.path.abspath(__file__))
PODMAN = os.path.join(HERE, "..", "..", "data", "seccomp", "podman-oci.json")

pytestmark = pytest.mark.skipif(
    MACHINE not in ("x86_64", "aarch64"), reason="the test knows these machines' tables only"
)

NUMBERS = load_table("arm64" if MACHINE == "aarch64" else "x86_64")
PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER, NEW_LISTENER = 38, 1, 8
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def call(name: str | int, *args: int) -> int:
    """Make a system call; gives its result, or minus the error number."""
    number = NUMBERS[name] if isinstance(name, str) else name
    result = libc.syscall(
        ctypes.c_long(number), *(ctypes.c_ulong(argument & (1 << 64) - 1) for argument in args)
    )
    return -ctypes.get_errno() if result == -1 else result


def load(profile: dict[str, Any], extra_flags: int = 0) -> int:
    """Load a profile's filter into this process; gives what seccomp(2) returns, or minus errno."""
    found = load_filter(profile, cache_dir=None, native=MACHINE)
    program = Program(len(found.program) // 8, found.program)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    return call(
        "seccomp",
        SECCOMP_SET_MODE_FILTER,
        found.flags | extra_flags,
        ctypes.addressof(program),
    )


def in_child(profile: dict[str, Any], body: Callable[[], Any]) -> Any:
    """Run ``body`` in a child under a profile; gives its JSON result, or what signal ended it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            assert load(profile) == 0
            os.write(writer, json.dumps(body()).encode())
        except BaseException as error:
            os.write(writer, json.dumps(f"{type(error).__name__}: {error}").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        output = file.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status))
    return json.loads(output)


def rule(*names: str, action: str = "ERRNO", **members: Any) -> dict[str, Any]:
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **members}


def arg(index: int, op: str, value: int, two: int = 0) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": two}


def denying(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": list(rules)}


def test_an_errno_is_what_the_program_sees() -> None:
    profile = denying(rule("getppid", errnoRet=errno.EXDEV), rule("getuid"))
    results = in_child(profile, lambda: [call("getppid"), call("getuid"), call("getpid") > 1])
    assert results == [-errno.EXDEV, -errno.EPERM, True]


def test_errno_zero_pretends_success() -> None:
    results = in_child(denying(rule("chdir", errnoRet=0)), lambda: call("chdir", 0))
    assert results == 0


@pytest.mark.parametrize("action", ["KILL", "KILL_THREAD", "KILL_PROCESS"])
def test_killing_ends_the_process_with_sigsys(action: str) -> None:
    ended = in_child(denying(rule("getppid", action=action)), lambda: call("getppid"))
    assert ended == signal.SIGSYS


def test_a_kill_action_lets_other_calls_live() -> None:
    profile = denying(rule("getppid", action="KILL_PROCESS"))
    assert in_child(profile, lambda: call("getpid") > 1) is True


def test_log_lets_the_call_through() -> None:
    parent = os.getpid()
    assert in_child(denying(rule("getppid", action="LOG")), lambda: call("getppid")) == parent


def test_trap_sends_a_signal_that_can_be_handled() -> None:
    def body() -> list[int]:
        caught: list[int] = []
        signal.signal(signal.SIGSYS, lambda number, _: caught.append(number))
        call("getppid")
        return caught

    assert in_child(denying(rule("getppid", action="TRAP")), body) == [signal.SIGSYS]


def test_trace_without_a_tracer_is_enosys() -> None:
    profile = denying(rule("getppid", action="TRACE"))
    assert in_child(profile, lambda: call("getppid")) == -errno.ENOSYS


@pytest.mark.parametrize(
    ("op", "value", "two", "denied", "allowed"),
    [
        ("EQ", 1 << 32 | 5, 0, [1 << 32 | 5], [5, 2 << 32 | 5, 1 << 32]),
        ("NE", 1 << 32 | 5, 0, [5, 1 << 32], [1 << 32 | 5]),
        ("LT", 1 << 32, 0, [0, (1 << 32) - 1], [1 << 32, 1 << 33]),
        ("LE", 1 << 32, 0, [0, 1 << 32], [1 << 32 | 1, 1 << 33]),
        ("GE", 1 << 32, 0, [1 << 32, 1 << 33], [0, (1 << 32) - 1]),
        ("GT", 1 << 32, 0, [1 << 32 | 1, 1 << 33], [0, 1 << 32]),
        ("MASKED_EQ", 0xFF << 28, 0x11 << 28, [0x11 << 28, 0x11 << 28 | 7], [0x10 << 28, 0]),
    ],
)
def test_64_bit_arguments_decide(
    op: str, value: int, two: int, denied: list[int], allowed: list[int]
) -> None:
    # getppid(2) looks at no argument: whatever they are, only the filter does.
    profile = denying(rule("getppid", args=[arg(3, op, value, two)]))

    def body() -> list[bool]:
        return [call("getppid", 0, 0, 0, each) == -errno.EPERM for each in denied + allowed]

    assert in_child(profile, body) == [True] * len(denied) + [False] * len(allowed)


def test_all_comparisons_of_a_rule_have_to_hold() -> None:
    profile = denying(rule("getppid", args=[arg(0, "EQ", 1), arg(5, "EQ", 2)]))

    def body() -> list[bool]:
        tried = [(1, 0, 0, 0, 0, 2), (1, 0, 0, 0, 0, 3), (0, 0, 0, 0, 0, 2)]
        return [call("getppid", *args) == -errno.EPERM for args in tried]

    assert in_child(profile, body) == [True, False, False]


def podman() -> dict[str, Any]:
    with open(PODMAN, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    if MACHINE != "x86_64":
        found["architectures"] = []
    return found


def test_under_podmans_profile_a_program_works_and_the_forbidden_is_forbidden() -> None:
    def body() -> dict[str, Any]:
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()
        return {
            "kexec_load": call("kexec_load", 0, 0, 0, 0),
            "bpf": call("bpf", 0, 0, 0),
            "audit socket": call("socket", 16, 3, 9),
            "personality": call("personality", 0xFFFFFFFF) >= 0,
            "other personality": call("personality", 0x4000000),
            "newer": call(900),
            "files": os.listdir("/")[0] is not None,
        }

    assert in_child(podman(), body) == {
        "kexec_load": -errno.EPERM,
        "bpf": -errno.EPERM,
        "audit socket": -errno.EINVAL,
        "personality": True,
        "other personality": -errno.ENOSYS,
        "newer": -errno.ENOSYS,
        "files": True,
    }


def test_a_call_newer_than_the_profile_is_enosys_where_an_older_one_is_eperm() -> None:
    profile = podman()
    profile["defaultErrnoRet"] = None
    newest = max(
        NUMBERS[name] for each in profile["syscalls"] for name in each["names"] if name in NUMBERS
    )
    unnamed = NUMBERS["acct"]
    for each in profile["syscalls"]:
        each["names"] = [name for name in each["names"] if name != "acct"] or ["read"]
    results = in_child(profile, lambda: [call(newest + 1), call(900), call(unnamed, 0)])
    assert results == [-errno.ENOSYS, -errno.ENOSYS, -errno.EPERM]


class OtherAbi:
    """Makes i386 and x32 calls from a 64-bit process, by a few bytes of machine code."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)

    def i386(self, number: int, first: int = 0) -> int:
        """Call by int $0x80; gives the kernel's result."""
        code = b"\x53\xb8" + struct.pack("<I", number) + b"\xbb" + struct.pack("<I", first)
        # ecx, edx, esi, edi stay what they are: the calls made look at one argument at most.
        return self._run(code + b"\xcd\x80\x5b\xc3")

    def _run(self, code: bytes) -> int:
        self.memory.seek(0)
        self.memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


@pytest.fixture
def other_abi() -> OtherAbi:
    if MACHINE != "x86_64":
        pytest.skip("there is no other ABI to call")
    return OtherAbi()


def test_i386_calls_are_judged_by_their_own_numbers(other_abi: OtherAbi) -> None:
    getpid, getppid = 20, 64
    profile = denying(rule("getppid", errnoRet=errno.EXDEV))
    profile["architectures"] = ["SCMP_ARCH_X86"]
    probe = in_child(profile, lambda: other_abi.i386(getpid) > 0)
    if probe == signal.SIGSEGV:
        pytest.skip("this kernel has no i386 calls")
    assert probe is True
    assert in_child(profile, lambda: other_abi.i386(getppid)) == -errno.EXDEV


def test_i386_calls_are_killed_when_i386_is_not_listed(other_abi: OtherAbi) -> None:
    probe = in_child(
        {**denying(), "architectures": ["SCMP_ARCH_X86"]}, lambda: other_abi.i386(20) > 0
    )
    if probe == signal.SIGSEGV:
        pytest.skip("this kernel has no i386 calls")
    assert in_child(denying(), lambda: other_abi.i386(20)) == signal.SIGSYS


def test_a_multiplexed_i386_call_is_judged_as_the_call_it_stands_for(other_abi: OtherAbi) -> None:
    profile = denying(rule("listen", errnoRet=errno.EXDEV), rule("shmget", errnoRet=errno.EXDEV))
    profile["architectures"] = ["SCMP_ARCH_X86"]
    probe = in_child(profile, lambda: other_abi.i386(20) > 0)
    if probe == signal.SIGSEGV:
        pytest.skip("this kernel has no i386 calls")

    def body() -> list[int]:
        return [
            other_abi.i386(102, 4),  # listen
            other_abi.i386(102, 99),  # none
            other_abi.i386(117, 0x10017),  # shmget, version 1
        ]

    assert in_child(profile, body) == [-errno.EXDEV, -errno.EINVAL, -errno.EXDEV]


def test_x32_calls_are_killed_unless_x32_is_listed() -> None:
    if MACHINE != "x86_64":
        pytest.skip("x32 is x86_64's")
    getppid = 0x40000000 + NUMBERS["getppid"]
    assert in_child(denying(), lambda: call(getppid)) == signal.SIGSYS
    profile = denying(rule("getppid", errnoRet=errno.EXDEV))
    profile["architectures"] = ["SCMP_ARCH_X32"]
    # Refused by the filter, before the kernel finds out that it may not have x32 at all.
    assert in_child(profile, lambda: call(getppid)) == -errno.EXDEV


@pytest.mark.parametrize("flag", ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"])
def test_the_kernel_takes_every_flag(flag: str) -> None:
    profile = denying(rule("getppid", errnoRet=errno.EXDEV))
    profile["flags"] = [f"SECCOMP_FILTER_FLAG_{flag}"]
    assert in_child(profile, lambda: call("getppid")) == -errno.EXDEV


def test_a_notified_call_is_decided_by_who_holds_the_listener() -> None:
    profile = denying(rule("getppid", action="NOTIFY"))
    profile["listenerPath"] = "/run/agent"
    profile["flags"] = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        listener = load(profile, NEW_LISTENER)
        if listener < 0:
            os._exit(100)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))]
        theirs.sendmsg([b"l"], ancillary)
        os._exit(7 if call("getppid") == -errno.EXDEV else 8)
    theirs.close()
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    (listener,) = descriptors
    # struct seccomp_notif (80 bytes), struct seccomp_notif_resp (24); _IOWR('!', 0 and 1, …)
    request = bytearray(80)
    fcntl.ioctl(listener, 0xC0502100, request)
    identity, caller, _, number = struct.unpack_from("=QIIi", request)
    assert (caller, number) == (pid, NUMBERS["getppid"])
    fcntl.ioctl(listener, 0xC0182101, bytearray(struct.pack("=QqiI", identity, 0, -errno.EXDEV, 0)))
    _, status = os.waitpid(pid, 0)
    os.close(listener)
    assert os.waitstatus_to_exitcode(status) == 7


def test_the_kernel_takes_every_program_the_compiler_makes() -> None:
    """Profiles of up to four thousand instructions; what is denied at random ends the child."""
    names = sorted(NUMBERS)
    for seed in range(20):
        source = random.Random(seed)
        rules = [
            rule(
                source.choice(names),
                errnoRet=source.randrange(1, 40),
                args=[
                    arg(index, source.choice(["EQ", "NE", "GT", "LE"]), source.getrandbits(64))
                    for index in source.sample(range(6), source.randrange(4))
                ],
            )
            for _ in range(source.randrange(1, 250))
        ]
        profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
        profile["architectures"] = ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] if seed % 2 else []
        code = load_filter(profile, cache_dir=None, native=MACHINE).program
        pid = os.fork()
        if not pid:
            os._exit(1 if load(profile) < 0 else 0)
        _, status = os.waitpid(pid, 0)
        assert status >> 8 != 1, f"seed {seed}: {len(code) // 8} instructions refused"
