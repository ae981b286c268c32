"""libseccomp as the other opinion: a profile compiled by it, through ctypes.

It does what runc does around it: rules equal to the default are dropped, comparisons of one
argument become alternatives. ENOSYS for newer calls is runc's own and not here.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from typing import Any

try:
    _library: ctypes.CDLL | None = ctypes.CDLL("libseccomp.so.2", use_errno=True)
except OSError:
    _library = None

ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
}
OPERATORS = {"NE": 1, "LT": 2, "LE": 3, "EQ": 4, "GE": 5, "GT": 6, "MASKED_EQ": 7}
EEXIST = -17


class _Comparison(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    ]


class ConflictError(Exception):
    """libseccomp refuses a rule because an earlier one decides the same calls."""


if _library is not None:
    _library.seccomp_init.restype = ctypes.c_void_p
    _library.seccomp_init.argtypes = [ctypes.c_uint32]
    _library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    _library.seccomp_arch_resolve_name.argtypes = [ctypes.c_char_p]
    _library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    _library.seccomp_arch_remove.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    _library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    _library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    _library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    ]
    _library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    _library.seccomp_release.argtypes = [ctypes.c_void_p]


def available() -> bool:
    """Say whether there is a libseccomp."""
    return _library is not None


def _token(architecture: str) -> int:
    assert _library is not None
    name = architecture.removeprefix("SCMP_ARCH_").lower()
    token: int = _library.seccomp_arch_resolve_name(name.encode())
    return token


def knows(architecture: str) -> bool:
    """Say whether this libseccomp has an architecture."""
    return _token(architecture) != 0


def number(architecture: str, name: str) -> int:
    """Give the number of a system call; negative when there is none."""
    assert _library is not None
    found: int = _library.seccomp_syscall_resolve_name_arch(_token(architecture), name.encode())
    return found


def _action(name: str, errno: int | None) -> int:
    action = ACTIONS[name]
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        action |= 1 if errno is None else errno
    return action


def compile_profile(profile: dict[str, Any], *, only: list[str] | None = None) -> bytes:
    """Compile a profile for this machine and the profile's architectures, or for ``only`` some.

    The program is in the byte order of those.

    Raises ConflictError where libseccomp refuses a combination of rules.
    """
    assert _library is not None
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    context = _library.seccomp_init(default)
    try:
        if only is not None:
            _library.seccomp_arch_remove(context, _library.seccomp_arch_native())
        for architecture in only or profile.get("architectures") or ():
            result = _library.seccomp_arch_add(context, _token(architecture))
            assert result in (0, EEXIST), (architecture, result)
        for rule in profile.get("syscalls") or ():
            action = _action(rule["action"], rule.get("errnoRet"))
            if action == default:
                continue
            args = rule.get("args") or []
            indexes = [each["index"] for each in args]
            groups = [args] if len(set(indexes)) == len(indexes) else [[each] for each in args]
            for name in rule["names"]:
                for group in groups:
                    _add(context, action, name, group)
        program = _export(context)
        return _with_returns_swapped(program) if only and not _is_little(only[0]) else program
    finally:
        _library.seccomp_release(context)


def _is_little(architecture: str) -> bool:
    return bool(_token(architecture) & 0x40000000)


def _is_action(constant: bytes) -> bool:
    action = int.from_bytes(constant, "big")
    kind, data = action & 0xFFFF0000, action & 0xFFFF
    return kind in ACTIONS.values() and (not data or kind in (0x00050000, 0x7FF00000))


def _with_returns_swapped(program: bytes) -> bytes:
    """Mend what libseccomp 2.5 exports for the other byte order: some returns are in this one's.

    Which, is plain to see: no action reads as another one backwards.
    """
    assert sys.byteorder == "little"
    mended = b""
    for offset in range(0, len(program), 8):
        instruction = program[offset : offset + 8]
        if instruction[:2] == b"\x00\x06" and not _is_action(instruction[4:]):
            instruction = instruction[:4] + instruction[:3:-1]
        mended += instruction
    return mended


def _add(context: int, action: int, name: str, group: list[dict[str, Any]]) -> None:
    assert _library is not None
    syscall = _library.seccomp_syscall_resolve_name(name.encode())
    if syscall == -1:
        return
    array = (_Comparison * max(1, len(group)))(
        *(
            _Comparison(
                each["index"],
                OPERATORS[each["op"].removeprefix("SCMP_CMP_")],
                each["value"],
                each.get("valueTwo") or 0,
            )
            for each in group
        )
    )
    result = _library.seccomp_rule_add_array(context, action, syscall, len(group), array)
    if result == EEXIST:
        raise ConflictError(name)
    assert result == 0, (name, group, result)


def _export(context: int) -> bytes:
    assert _library is not None
    with tempfile.TemporaryFile() as file:
        assert _library.seccomp_export_bpf(context, file.fileno()) == 0
        file.seek(0)
        return file.read()
