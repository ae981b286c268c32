"""The words of ``linux.seccomp``: actions, operators, architectures (config-linux.md, Seccomp).

The compiler reads these tables, and ``pyoci features`` prints their keys, so that what is announced
and what is accepted cannot differ. Flags are in `pyoci.seccomp.flags`.
"""

from __future__ import annotations

from pyoci.seccomp.flags import FLAGS as FLAGS

# include/uapi/linux/seccomp.h, SECCOMP_RET_*: the low 16 bits are the action's data.
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,  # the old name of SCMP_ACT_KILL_THREAD
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
}

ACTION_MASK = 0xFFFF0000
KILL_PROCESS = ACTIONS["SCMP_ACT_KILL_PROCESS"]
KILL_THREAD = ACTIONS["SCMP_ACT_KILL_THREAD"]
TRAP = ACTIONS["SCMP_ACT_TRAP"]
ERRNO = ACTIONS["SCMP_ACT_ERRNO"]
NOTIFY = ACTIONS["SCMP_ACT_NOTIFY"]
TRACE = ACTIONS["SCMP_ACT_TRACE"]
LOG = ACTIONS["SCMP_ACT_LOG"]
ALLOW = ACTIONS["SCMP_ACT_ALLOW"]

# The kernel's order between filters, most restrictive first (seccomp(2)); here between the rules of
# one filter.
SEVERITY = {
    action: rank
    for rank, action in enumerate(
        (KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, NOTIFY, TRACE, LOG, ALLOW)
    )
}

OPERATORS = (
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
)

EPERM = 1
ENOSYS = 38


class Architecture:
    """One system call ABI.

    ``audit`` is the number in struct seccomp_data (AUDIT_ARCH_*); ``table`` names the table of the
    package system-calls; ``wide`` says that arguments are compared as 64 bits; ``multiplexed`` that
    socketcall(2) and ipc(2) exist; ``enosys`` is its ENOSYS; ``first`` and ``last`` bound the
    numbers of the ABI, ``private`` is where the part of them ends that new calls are added to.
    """

    __slots__ = (
        "audit",
        "enosys",
        "first",
        "last",
        "little_endian",
        "multiplexed",
        "name",
        "private",
        "table",
        "wide",
    )

    def __init__(
        self,
        name: str,
        table: str,
        audit: int,
        *,
        wide: bool,
        multiplexed: bool = False,
        enosys: int = ENOSYS,
        first: int = 0,
        last: int = 0xFFFFFFFE,
        private: int | None = None,
    ) -> None:
        self.name = name
        self.table = table
        self.audit = audit
        self.wide = wide
        self.little_endian = bool(audit & 0x40000000)
        self.multiplexed = multiplexed
        self.enosys = enosys
        self.first = first
        self.last = last
        self.private = last + 1 if private is None else private


X32_BIT = 0x40000000
# Two ABIs under one number: x32 calls have this bit set (arch/x86/include/uapi/asm/unistd.h).
# -1 belongs to neither: it is what a tracer sets to skip a call.

_MIPS_ENOSYS = 89
_PARISC_ENOSYS = 251

ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("SCMP_ARCH_X86", "i386", 0x40000003, wide=False, multiplexed=True),
        Architecture("SCMP_ARCH_X86_64", "x86_64", 0xC000003E, wide=True, last=X32_BIT - 1),
        # Arguments of x32 are 32 bits although its registers are not.
        Architecture("SCMP_ARCH_X32", "x32", 0xC000003E, wide=False, first=X32_BIT),
        # __ARM_NR_BASE, arch/arm/include/uapi/asm/unistd.h: cacheflush, set_tls and so on.
        Architecture("SCMP_ARCH_ARM", "arm", 0x40000028, wide=False, private=0xF0000),
        Architecture("SCMP_ARCH_AARCH64", "arm64", 0xC00000B7, wide=True),
        Architecture("SCMP_ARCH_LOONGARCH64", "loongarch64", 0xC0000102, wide=True),
        Architecture("SCMP_ARCH_M68K", "m68k", 0x00000004, wide=False, multiplexed=True),
        Architecture(
            "SCMP_ARCH_MIPS",
            "mipso32",
            0x00000008,
            wide=False,
            multiplexed=True,
            enosys=_MIPS_ENOSYS,
        ),
        Architecture("SCMP_ARCH_MIPS64", "mips64", 0x80000008, wide=True, enosys=_MIPS_ENOSYS),
        Architecture(
            "SCMP_ARCH_MIPS64N32", "mips64n32", 0xA0000008, wide=False, enosys=_MIPS_ENOSYS
        ),
        Architecture(
            "SCMP_ARCH_MIPSEL",
            "mipso32",
            0x40000008,
            wide=False,
            multiplexed=True,
            enosys=_MIPS_ENOSYS,
        ),
        Architecture("SCMP_ARCH_MIPSEL64", "mips64", 0xC0000008, wide=True, enosys=_MIPS_ENOSYS),
        Architecture(
            "SCMP_ARCH_MIPSEL64N32", "mips64n32", 0xE0000008, wide=False, enosys=_MIPS_ENOSYS
        ),
        Architecture("SCMP_ARCH_PARISC", "parisc", 0x0000000F, wide=False, enosys=_PARISC_ENOSYS),
        Architecture(
            "SCMP_ARCH_PARISC64", "parisc64", 0x8000000F, wide=True, enosys=_PARISC_ENOSYS
        ),
        Architecture("SCMP_ARCH_PPC", "powerpc", 0x00000014, wide=False, multiplexed=True),
        Architecture("SCMP_ARCH_PPC64", "powerpc64", 0x80000015, wide=True, multiplexed=True),
        Architecture("SCMP_ARCH_PPC64LE", "powerpc64", 0xC0000015, wide=True, multiplexed=True),
        Architecture("SCMP_ARCH_RISCV64", "riscv64", 0xC00000F3, wide=True),
        Architecture("SCMP_ARCH_S390", "s390", 0x00000016, wide=False, multiplexed=True),
        Architecture("SCMP_ARCH_S390X", "s390x", 0x80000016, wide=True, multiplexed=True),
        # libseccomp's names: SH is the little-endian one.
        Architecture("SCMP_ARCH_SH", "sh", 0x4000002A, wide=False, multiplexed=True),
        Architecture("SCMP_ARCH_SHEB", "sh", 0x0000002A, wide=False, multiplexed=True),
    )
}

# What uname(2) calls the machine, when the byte order decides nothing.
_MACHINES = {
    "x86_64": "X86_64",
    "aarch64": "AARCH64",
    "loongarch64": "LOONGARCH64",
    "m68k": "M68K",
    "parisc": "PARISC",
    "parisc64": "PARISC64",
    "ppc": "PPC",
    "ppc64": "PPC64",
    "ppc64le": "PPC64LE",
    "riscv64": "RISCV64",
    "s390": "S390",
    "s390x": "S390X",
}


# The ABIs of one processor, 32 and 64 bits.
_WIDER = {
    "X86": "X86_64",
    "ARM": "AARCH64",
    "MIPS": "MIPS64",
    "MIPSEL": "MIPSEL64",
    "PARISC": "PARISC64",
    "PPC": "PPC64",
    "S390": "S390X",
}


def native_architecture(
    machine: str, *, little_endian: bool = True, wide: bool | None = None
) -> Architecture | None:
    """Give the ABI of programs on a machine, by its uname(2) name; None when it is not supported.

    ``little_endian`` is for machines that have one name for both orders (MIPS, SuperH). ``wide``
    says that this process is a 64-bit one, if that is to count: uname(2) tells about the kernel, or
    what a personality makes of it (setarch(8)), and either may be of the other width.
    """
    name = _MACHINES.get(machine)
    if name is None:
        if machine in ("i386", "i486", "i586", "i686"):
            name = "X86"
        elif machine.startswith("arm") and not machine.endswith("b"):
            name = "ARM"
        elif machine == "mips64":
            name = "MIPSEL64" if little_endian else "MIPS64"
        elif machine == "mips":
            name = "MIPSEL" if little_endian else "MIPS"
        elif machine.startswith("sh"):
            name = "SH" if little_endian else "SHEB"
        else:
            return None
    if wide is not None and ARCHITECTURES[f"SCMP_ARCH_{name}"].wide != wide:
        other = _WIDER if wide else {wider: narrow for narrow, wider in _WIDER.items()}
        name = other.get(name, name)
    return ARCHITECTURES[f"SCMP_ARCH_{name}"]


def action_name(action: int) -> str:
    """Give an encoded action in the profile's words: ``SCMP_ACT_ERRNO(1)``."""
    kind, data = action & ACTION_MASK, action & ~ACTION_MASK
    name = next(
        name for name, value in ACTIONS.items() if value == kind and name != "SCMP_ACT_KILL"
    )
    return f"{name}({data})" if kind in (ERRNO, TRACE) else name
