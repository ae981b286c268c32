"""socketcall(2) and ipc(2): one system call that stands for many, on the older architectures.

A profile names ``socket``, but a 32-bit x86 program may reach it as socketcall(1, …), whose other
arguments are in user memory, where a filter cannot look. A rule for ``socket`` therefore also is
one for socketcall with first argument 1, without the rule's own conditions.

The kernel truncates the first argument before it looks, and reads ipc's upper half as a version
(ipc/syscall.c), so the comparison masks the same bits: otherwise ipc(0x10017, …) would be shmget(2)
to the kernel and nothing to the filter.
"""

from __future__ import annotations

# include/uapi/linux/net.h, SYS_*
_SOCKETCALL = {
    "socket": 1,
    "bind": 2,
    "connect": 3,
    "listen": 4,
    "accept": 5,
    "getsockname": 6,
    "getpeername": 7,
    "socketpair": 8,
    "send": 9,
    "recv": 10,
    "sendto": 11,
    "recvfrom": 12,
    "shutdown": 13,
    "setsockopt": 14,
    "getsockopt": 15,
    "sendmsg": 16,
    "recvmsg": 17,
    "accept4": 18,
    "recvmmsg": 19,
    "sendmmsg": 20,
}

# include/uapi/linux/ipc.h
_IPC = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}

# name of a call: (its multiplexer, mask of the first argument, first argument)
MULTIPLEXED = {
    **{name: ("socketcall", 0xFFFFFFFF, number) for name, number in _SOCKETCALL.items()},
    **{name: ("ipc", 0xFFFF, number) for name, number in _IPC.items()},
}
