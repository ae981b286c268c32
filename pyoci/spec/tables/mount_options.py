"""Mount options that the runtime itself acts on (config.md, Linux mount options).

Whatever is not in the table goes to the file system as data. ``features`` lists the table.

=============  ===================================================================================
kind           meaning
=============  ===================================================================================
attribute      bits of mount_setattr(2): ``attr_set`` and ``attr_clear``; over the whole tree when
               ``recursive``
propagation    an MS_* flag of mount_namespaces(7)
superblock     a parameter of the file system itself, for fsconfig(2); empty where the new mount
               interface has none and nothing is lost
special        an instruction to the runtime
=============  ===================================================================================
"""

from __future__ import annotations

_RDONLY = 0x1
_NOSUID = 0x2
_NODEV = 0x4
_NOEXEC = 0x8
_NOATIME = 0x10
_STRICTATIME = 0x20
# The access time mode is a field, not bits: the kernel takes it only when it is cleared as a whole.
_ATIME = 0x70
_NODIRATIME = 0x80
_NOSYMFOLLOW = 0x200000

_UNBINDABLE = 1 << 17
_PRIVATE = 1 << 18
_SLAVE = 1 << 19
_SHARED = 1 << 20


class MountOption:
    """What one option does; see the module's table."""

    __slots__ = ("attr_clear", "attr_set", "kind", "propagation", "recursive", "superblock")

    def __init__(
        self,
        kind: str,
        *,
        recursive: bool = False,
        attr_set: int = 0,
        attr_clear: int = 0,
        propagation: int = 0,
        superblock: str = "",
    ) -> None:
        self.kind = kind
        self.recursive = recursive
        self.attr_set = attr_set
        self.attr_clear = attr_clear
        self.propagation = propagation
        self.superblock = superblock


# name: (set, clear). relatime is 0 in its field and the kernel's default since Linux 2.6.30: that
# is what "atime" and "nostrictatime" come down to, and "norelatime" cannot ask for anything else.
_ATTRIBUTES = {
    "ro": (_RDONLY, 0),
    "rw": (0, _RDONLY),
    "nosuid": (_NOSUID, 0),
    "suid": (0, _NOSUID),
    "nodev": (_NODEV, 0),
    "dev": (0, _NODEV),
    "noexec": (_NOEXEC, 0),
    "exec": (0, _NOEXEC),
    "noatime": (_NOATIME, _ATIME),
    "atime": (0, _ATIME),
    "nodiratime": (_NODIRATIME, 0),
    "diratime": (0, _NODIRATIME),
    "relatime": (0, _ATIME),
    "norelatime": (0, 0),
    "strictatime": (_STRICTATIME, _ATIME),
    "nostrictatime": (0, _ATIME),
    "nosymfollow": (_NOSYMFOLLOW, 0),
    "symfollow": (0, _NOSYMFOLLOW),
}
_PROPAGATION = {
    "shared": _SHARED,
    "slave": _SLAVE,
    "private": _PRIVATE,
    "unbindable": _UNBINDABLE,
}
# silent, loud: about messages of mount(2), which is not called. iversion: since Linux 6.0 every
# file system decides by itself.
_SUPERBLOCK = {
    "sync": "sync",
    "async": "async",
    "dirsync": "dirsync",
    "lazytime": "lazytime",
    "nolazytime": "nolazytime",
    "mand": "mand",
    "nomand": "nomand",
    "iversion": "",
    "noiversion": "",
    "silent": "",
    "loud": "",
}
# The last four come from runc and crun: tmpcopyup fills a new tmpfs with what it covers, and a
# symlink can be copied or refused instead of followed.
_SPECIAL = (
    "defaults",
    "bind",
    "rbind",
    "remount",
    "idmap",
    "ridmap",
    "tmpcopyup",
    "copy-symlink",
    "src-nofollow",
    "dest-nofollow",
)

MOUNT_OPTIONS: dict[str, MountOption] = {
    **{name: MountOption("special") for name in _SPECIAL},
    **{name: MountOption("superblock", superblock=key) for name, key in _SUPERBLOCK.items()},
}
for _name, (_set, _clear) in _ATTRIBUTES.items():
    for _recursive in (False, True):
        MOUNT_OPTIONS["r" * _recursive + _name] = MountOption(
            "attribute", recursive=_recursive, attr_set=_set, attr_clear=_clear
        )
for _name, _flag in _PROPAGATION.items():
    for _recursive in (False, True):
        MOUNT_OPTIONS["r" * _recursive + _name] = MountOption(
            "propagation", recursive=_recursive, propagation=_flag
        )
