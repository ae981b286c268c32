"""System calls that the current kernel's tables no longer list, but profiles still name.

Their numbers are never given out again. Some still exist in kernels that pyoci runs on (uselib,
bdflush), so a rule that denies one must not be skipped; for the others the rule decides between its
errno and the default's.
"""

from __future__ import annotations

# The first i386 tables, shared in part by ppc, s390, m68k and sh.
_OLD = {
    "break": 17,
    "stty": 31,
    "gtty": 32,
    "ftime": 35,
    "prof": 44,
    "lock": 53,
    "mpx": 56,
    "ulimit": 58,
    "profil": 98,
}
_COMMON = {
    "uselib": 86,
    "create_module": 127,
    "get_kernel_syms": 130,
    "bdflush": 134,
    "afs_syscall": 137,
    "_sysctl": 149,
}
_PPC = {
    **_OLD,
    **_COMMON,
    "idle": 112,
    "query_module": 166,
    "nfsservctl": 168,
    "getpmsg": 187,
    "putpmsg": 188,
    "tuxcall": 225,
}
_S390 = {
    **_COMMON,
    "idle": 112,
    "query_module": 167,
    "nfsservctl": 169,
    "getpmsg": 188,
    "putpmsg": 189,
}
_I386 = {**_OLD, **_S390, "vserver": 273}
_MIPS64 = {
    "_sysctl": 152,
    "create_module": 167,
    "get_kernel_syms": 170,
    "query_module": 171,
    "nfsservctl": 173,
    "getpmsg": 174,
    "putpmsg": 175,
    "afs_syscall": 176,
}
_PARISC = {"uselib": 86, "bdflush": 134, "_sysctl": 149}
_X32_BIT = 0x40000000

# By the names of the package's tables.
RETIRED: dict[str, dict[str, int]] = {
    "i386": _I386,
    "x86_64": {
        "uselib": 134,
        "_sysctl": 156,
        "create_module": 174,
        "get_kernel_syms": 177,
        "query_module": 178,
        "nfsservctl": 180,
        "getpmsg": 181,
        "putpmsg": 182,
        "afs_syscall": 183,
        "tuxcall": 184,
        "security": 185,
        "vserver": 236,
    },
    "x32": {
        "getpmsg": _X32_BIT + 181,
        "putpmsg": _X32_BIT + 182,
        "afs_syscall": _X32_BIT + 183,
        "tuxcall": _X32_BIT + 184,
        "security": _X32_BIT + 185,
    },
    "arm": {
        "uselib": 86,
        "bdflush": 134,
        "_sysctl": 149,
        "nfsservctl": 169,
        "vserver": 313,
        "arm_sync_file_range": 341,  # the old name of sync_file_range2
    },
    "arm64": {"nfsservctl": 42},
    "riscv64": {"nfsservctl": 42},
    "m68k": {"uselib": 86, "bdflush": 134, "_sysctl": 149, "nfsservctl": 169},
    "sh": {"uselib": 86, "bdflush": 134, "_sysctl": 149, "nfsservctl": 169},
    "mipso32": {
        name: 4000 + number
        for name, number in {
            **_I386,
            "_sysctl": 153,
            "query_module": 187,
            "nfsservctl": 189,
            "getpmsg": 208,
            "putpmsg": 209,
            "vserver": 277,
        }.items()
    },
    "mips64": {name: 5000 + number for name, number in {**_MIPS64, "vserver": 236}.items()},
    "mips64n32": {name: 6000 + number for name, number in {**_MIPS64, "vserver": 240}.items()},
    "parisc": _PARISC,
    "parisc64": {**_PARISC, "_llseek": 140},
    "powerpc": _PPC,
    "powerpc64": _PPC,
    "s390": _S390,
    "s390x": _S390,
}
