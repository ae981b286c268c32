"""Loads a device program and attaches it to a cgroup from here, not from the container's init.

Needed where the init cannot do it: for a systemd scope, which exists only once the process is in
it, when systemd has no property that says the same; and for a hybrid host without the v1 devices
controller. Both are rare, so this alone loads ctypes: bpf(2) has no other way out of Python.
"""

from __future__ import annotations

import errno
import posix as os

from pyoci.cgroup.files import reason
from pyoci.errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import Array, c_char

POINTER = "/linux/resources/devices"

# bpf(2) on each machine (os.uname); unlisted ones use the generic table (asm-generic/unistd.h).
SYSTEM_CALLS = {
    "x86_64": 321,
    "i686": 357,
    "armv7l": 386,
    "ppc64": 361,
    "ppc64le": 361,
    "s390x": 351,
}
GENERIC_SYSTEM_CALL = 280
PROG_LOAD = 5
PROG_ATTACH = 8
PROG_DETACH = 9
PROG_GET_FD_BY_ID = 13
OBJ_GET_INFO_BY_FD = 15
PROG_QUERY = 16
TYPE_CGROUP_DEVICE = 15
ATTACH_CGROUP_DEVICE = 6
ALLOW_MULTI = 2
INSTRUCTION_SIZE = 8
NAME = b"pyoci_devices"  # the init's name for it as well (filters.c)
NAME_SIZE = 16  # BPF_OBJ_NAME_LEN
MOST_PROGRAMS = 64  # BPF_CGROUP_MAX_PROGS


def attach_program(directory: str, program: bytes) -> None:
    """Attach a program to a v2 cgroup, beside those that are there; none for an empty program.

    Raises CgroupError.
    """
    if not program:
        return
    try:
        cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(directory, error) from None
    loaded = -1
    try:
        loaded = load_program(program)
        # union bpf_attr: target_fd, attach_bpf_fd, attach_type, attach_flags.
        _bpf(PROG_ATTACH, _words(cgroup, loaded, ATTACH_CGROUP_DEVICE, ALLOW_MULTI))
    except OSError as error:
        raise _refused(directory, error) from None
    finally:
        # The cgroup holds the program from now on.
        for descriptor in (cgroup, loaded):
            if descriptor >= 0:
                os.close(descriptor)


def replace_programs(directory: str, program: bytes, *, others: bool) -> None:
    """Attach a program to a v2 cgroup, then detach those that were there before it.

    All of them have to allow an access, so there is no moment that allows more than either does.
    ``others`` are programs that somebody else attached to this very cgroup: systemd's stay, if it
    has made the cgroup. Raises CgroupError.
    """
    try:
        cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(directory, error) from None
    old: list[int] = []
    try:
        for number in _attached(cgroup):
            try:
                old.append(_bpf(PROG_GET_FD_BY_ID, _words(number, 0, 0)))
            except FileNotFoundError:
                continue
        attach_program(directory, program)
        for descriptor in old:
            if others or program_name(descriptor) == NAME:
                _bpf(PROG_DETACH, _words(cgroup, descriptor, ATTACH_CGROUP_DEVICE, 0))
    except OSError as error:
        raise _refused(directory, error) from None
    finally:
        for descriptor in (cgroup, *old):
            os.close(descriptor)


def attached_programs(directory: str) -> list[int]:
    """Give the IDs of the device programs attached to a v2 cgroup; raises OSError."""
    cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _attached(cgroup)
    finally:
        os.close(cgroup)


def _attached(cgroup: int) -> list[int]:
    import ctypes
    import sys

    numbers = (ctypes.c_uint32 * MOST_PROGRAMS)()
    # union bpf_attr: target_fd, attach_type, query_flags, attach_flags, prog_ids, prog_cnt.
    attributes = ctypes.create_string_buffer(
        _words(cgroup, ATTACH_CGROUP_DEVICE, 0, 0)
        + ctypes.addressof(numbers).to_bytes(8, sys.byteorder)
        + _words(MOST_PROGRAMS, 0),
        32,
    )
    _call(PROG_QUERY, attributes)
    return list(numbers[: int.from_bytes(attributes.raw[24:28], sys.byteorder)])


def program_name(descriptor: int) -> bytes:
    """Give the name that a program was loaded with; raises OSError."""
    import ctypes
    import sys

    # struct bpf_prog_info, up to and with its name.
    information = ctypes.create_string_buffer(80)
    attributes = _words(descriptor, len(information))
    _bpf(OBJ_GET_INFO_BY_FD, attributes + ctypes.addressof(information).to_bytes(8, sys.byteorder))
    return information.raw[64:80].rstrip(b"\0")


def load_program(program: bytes) -> int:
    """Load a program; gives its descriptor. Raises OSError."""
    import ctypes
    import sys

    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    # union bpf_attr: prog_type, insn_cnt, insns, license, the log and flags (zeros), prog_name.
    attributes = _words(TYPE_CGROUP_DEVICE, len(program) // INSTRUCTION_SIZE)
    for buffer in (code, licence):
        attributes += ctypes.addressof(buffer).to_bytes(8, sys.byteorder)
    return _bpf(PROG_LOAD, attributes + bytes(24) + NAME.ljust(NAME_SIZE, b"\0") + bytes(8))


def _words(*values: int) -> bytes:
    import sys

    return b"".join(value.to_bytes(4, sys.byteorder) for value in values)


def _bpf(command: int, attributes: bytes) -> int:
    import ctypes

    return _call(command, ctypes.create_string_buffer(attributes, len(attributes)))


def _call(command: int, attributes: Array[c_char]) -> int:
    import ctypes

    number = SYSTEM_CALLS.get(os.uname().machine, GENERIC_SYSTEM_CALL)
    library = ctypes.CDLL(None, use_errno=True)
    result = library.syscall(
        ctypes.c_long(number), ctypes.c_int(command), attributes, ctypes.c_uint(len(attributes))
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _refused(directory: str, error: OSError) -> CgroupError:
    hint = None
    if error.errno in (errno.EPERM, errno.EACCES):
        hint = "this needs CAP_SYS_ADMIN or CAP_BPF and CAP_NET_ADMIN in the initial user namespace"
    elif error.errno in (errno.ENOSYS, errno.EINVAL):
        hint = "this needs a kernel with CONFIG_CGROUP_BPF"
    return CgroupError(
        f"attach the device program to {directory}: {reason(error)}", subject=POINTER, hint=hint
    )
