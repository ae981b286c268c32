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
TYPE_CGROUP_DEVICE = 15
ATTACH_CGROUP_DEVICE = 6
ALLOW_MULTI = 2
INSTRUCTION_SIZE = 8


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


def load_program(program: bytes) -> int:
    """Load a program; gives its descriptor. Raises OSError."""
    import ctypes
    import sys

    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    # union bpf_attr: prog_type, insn_cnt, insns, license, then zeros.
    attributes = _words(TYPE_CGROUP_DEVICE, len(program) // INSTRUCTION_SIZE)
    for buffer in (code, licence):
        attributes += ctypes.addressof(buffer).to_bytes(8, sys.byteorder)
    return _bpf(PROG_LOAD, attributes + bytes(48))


def _words(*values: int) -> bytes:
    import sys

    return b"".join(value.to_bytes(4, sys.byteorder) for value in values)


def _bpf(command: int, attributes: bytes) -> int:
    import ctypes

    number = SYSTEM_CALLS.get(os.uname().machine, GENERIC_SYSTEM_CALL)
    library = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = library.syscall(
        ctypes.c_long(number), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes))
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
