"""The vocabulary of the plan: every operation the init can execute, as data.

One table, ``OPERATIONS``, is the contract between the two sides: Python encodes and describes from
it (`encode.py`, `describe.py`), the build generates the init's C header from it (`header.py`).

An operation holds the JSON pointer into config.json that it comes from (``""`` when it comes from
no one place), so that a failure names its cause.

Where operations run::

    runtime (Python)        stage (init binary, host namespaces)       container (PID 1-to-be)
    encode plan ──spawn──▶  host operations … clone ────────────────▶  all operations after clone …
          ◀── pid ────────  (then exits)                               sync ⇄ runtime … exec

*Slots* are the registers of the plan: small integers that name open descriptors. All descriptors
are close-on-exec. ``NO_SLOT`` means none.

Field types: ``int`` unsigned 64 bit (negative numbers as two's complement), ``slot`` the number of
a slot as an int, ``str`` NUL-terminated without NUL inside, ``bytes`` counted, ``list`` strings,
counted. The init closes a slot's descriptor after the last operation that names it.

Flags of open(2) are x86's numbers on every architecture.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Value = int | str | bytes | Sequence[str]

NO_SLOT = -1
MAX_SLOTS = 512

# attach_mount: what is created at the target when nothing is there.
TARGET_DIRECTORY = 0
TARGET_FILE = 1

# attach_mount policies (bits).
REAL_DIRECTORY = 1  # no component may be a symlink: /proc and /sys (CVE-2019-19921, CVE-2023-27561)
INSIDE_PROC = 2  # the target may lie on a procfs: only for the few names that runc allows
NOFOLLOW_TARGET = 4  # the last component may not be followed
COVERED_MODE = 8  # the mount's root takes the mode of the directory it covers

# run order is the order of the plan; the table's order is only the numbering.
OPERATIONS: tuple[tuple[str, str], ...] = (
    # -- descriptors, in the namespaces of the caller ---------------------------------------------
    ("open_tree", "slot:slot path:str recursive:int nofollow:int"),
    ("open_file", "slot:slot path:str flags:int"),
    ("inherit_file", "slot:slot number:int"),
    ("connect_unix", "slot:slot path:str"),
    ("make_user_namespace", "slot:slot uid_map:str gid_map:str"),
    ("load_device_program", "cgroup:slot program:bytes"),
    ("open_cgroup", "slot:slot path:str"),
    ("write_file", "path:str data:bytes"),
    # -- namespaces -------------------------------------------------------------------------------
    ("join_namespace", "slot:slot type:int tolerant:int"),
    ("join_process", "pidfd:slot types:int"),
    ("unshare", "types:int"),
    ("time_namespace", "offsets:str"),
    ("clone", "types:int cgroup:slot pidfd_socket:slot pidfd_payload:str"),
    ("join_cgroup", "slot:slot"),
    ("sync", "name:str"),
    ("set_dumpable", "value:int"),
    ("become_root", "uid:int gid:int"),
    ("new_session", ""),
    ("session_keyring", "name:str"),
    # -- mounts -----------------------------------------------------------------------------------
    ("propagation", "path:str flags:int recursive:int"),
    ("attach_root", "slot:slot path:str"),
    ("use_root", "path:str"),
    ("new_mount", "slot:slot type:str source:str options:list attributes:int"),
    ("mount_attributes", "slot:slot set:int clear:int propagation:int recursive:int user_ns:slot"),
    ("attach_mount", "slot:slot target:str kind:int policy:int"),
    ("remount", "target:str set:int clear:int propagation:int recursive:int"),
    ("copy_up", "slot:slot target:str"),
    ("make_directory", "path:str mode:int"),
    ("make_device", "path:str mode:int major:int minor:int uid:int gid:int"),
    ("make_symlink", "target:str path:str"),
    ("mask_path", "path:str"),
    ("readonly_path", "path:str"),
    ("pivot_root", ""),
    ("move_root", ""),
    ("change_root", "slot:slot"),
    ("root_propagation", "flags:int recursive:int"),
    ("root_readonly", ""),
    # -- the kernel's own files -------------------------------------------------------------------
    ("open_proc", "slot:slot"),
    ("write_proc", "proc:slot path:str value:str"),
    ("hostname", "name:str"),
    ("domainname", "name:str"),
    ("loopback_up", ""),
    # -- terminal ---------------------------------------------------------------------------------
    ("open_console", "slot:slot socket:slot width:int height:int uid:int gid:int mount:int"),
    ("use_console", "slot:slot"),
    ("own_stdio", "uid:int"),
    # -- the process ------------------------------------------------------------------------------
    ("run_hook", "path:str args:list env:list timeout:int state_head:str state_tail:str"),
    ("rlimit", "resource:int soft:int hard:int"),
    ("umask", "mask:int"),
    ("personality", "domain:int"),
    ("scheduler", "attributes:bytes"),
    ("io_priority", "value:int"),
    ("memory_policy", "mode:int nodes:bytes"),
    ("cpu_affinity", "cpus:bytes"),
    ("bounding_set", "capabilities:int"),
    ("set_user", "uid:int gid:int groups:bytes keep_groups:int"),
    ("capabilities", "effective:int permitted:int inheritable:int ambient:int"),
    ("no_new_privileges", ""),
    ("change_directory", "path:str tolerant:int"),
    ("seccomp", "program:bytes flags:int listener:slot"),
    ("home_from_passwd", "uid:int"),
    ("find_program", ""),
    ("wait_start", "fifo:slot report:slot"),
    ("close_files", "first:int"),
    ("program", "args:list env:list"),
    ("exec", ""),
)

CODES: dict[str, int] = {row[0]: number + 1 for number, row in enumerate(OPERATIONS)}


class Operation:
    """One step of a plan: its name, its arguments, and where in config.json it comes from.

    ``values`` are in the order of the operation's row in ``OPERATIONS``. ``note`` is for people:
    what the step is about when its arguments do not say it (the source of a bind mount, say).
    """

    __slots__ = ("name", "note", "pointer", "values")

    def __init__(self, name: str, pointer: str, values: tuple[Value, ...], note: str = "") -> None:
        self.name = name
        self.pointer = pointer
        self.values = values
        self.note = note

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and (self.name, self.pointer, self.values) == (
            other.name,
            other.pointer,
            other.values,
        )

    def __repr__(self) -> str:
        return f"{self.name}{self.values!r} <- {self.pointer or '(none)'}"

    __hash__ = None  # type: ignore[assignment]  # values hold lists

    def arguments(self) -> dict[str, Value]:
        """Give the values by field name."""
        signature = OPERATIONS[CODES[self.name] - 1][1]
        names = [field.partition(":")[0] for field in signature.split()]
        return dict(zip(names, self.values, strict=True))
