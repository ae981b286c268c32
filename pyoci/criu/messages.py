"""CRIU's requests and responses (its images/rpc.proto): names here, numbers on the wire.

Options are a list of (name, value) pairs. A value is a number, a text, or for the options that
are messages themselves the tuple of their fields; a repeated option occurs several times.
"""

from __future__ import annotations

from pyoci.criu.wire import decode, encode, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyoci.criu.wire import Value

    Option = int | str | tuple[int | str, ...]
    Options = list[tuple[str, Option]]

DUMP = 1
RESTORE = 2
PRE_DUMP = 4
NOTIFY = 6

OPTIONS = {
    "images_dir_fd": 1,
    "pid": 2,
    "leave_running": 3,
    "ext_unix_sk": 4,
    "tcp_established": 5,
    "evasive_devices": 6,
    "shell_job": 7,
    "file_locks": 8,
    "log_level": 9,
    "log_file": 10,
    "ps": 11,  # address, port
    "notify_scripts": 12,
    "root": 13,
    "parent_img": 14,
    "track_mem": 15,
    "auto_dedup": 16,
    "work_dir_fd": 17,
    "link_remap": 18,
    "ext_mnt": 23,  # key, value
    "manage_cgroups": 24,
    "cg_root": 25,  # controller, path
    "rst_sibling": 26,
    "inherit_fd": 27,  # key, descriptor
    "manage_cgroups_mode": 34,
    "external": 37,
    "empty_ns": 38,
    "freeze_cgroup": 44,
    "tcp_skip_in_flight": 46,
    "lazy_pages": 48,
    "status_fd": 49,
    "orphan_pts_master": 50,
    "config_file": 51,
    "tcp_close": 52,
    "lsm_profile": 53,
    "lsm_mount_context": 63,
    "mntns_compat_mode": 65,
}
# criu_cg_mode, by the names that criu(8) gives them.
CGROUP_MODES = {"ignore": 0, "none": 1, "props": 2, "soft": 3, "full": 4, "strict": 5}


class Response:
    """What CRIU says: the end of a request, or (``kind`` NOTIFY) a stage that it has come to.

    ``pid`` is the restored or the notified process, 0 for none; ``script`` is the stage's name,
    one of those of criu(8)'s action scripts; ``errno`` and ``message`` tell of a failure.
    """

    __slots__ = ("errno", "kind", "message", "pid", "script", "success")

    def __init__(self, data: bytes) -> None:
        self.kind = 0
        self.success = False
        self.pid = 0
        self.script = ""
        self.errno = 0
        self.message = ""
        for number, value in decode(data):
            self._take(number, value)

    def _take(self, number: int, value: Value) -> None:
        if isinstance(value, int):
            if number == 1:
                self.kind = value
            elif number == 2:
                self.success = bool(value)
            elif number == 7:
                self.errno = signed(value)
        elif number == 4:
            self.pid = _number(value, 1)
        elif number == 5:
            self.pid = _number(value, 2)
            self.script = _text(dict(decode(value)).get(1, b""))
        elif number == 9:
            self.message = _text(value)


def request(kind: int, options: Options) -> bytes:
    """Give a request's bytes."""
    fields = [(OPTIONS[name], _value(value)) for name, value in options]
    return encode([(1, kind), (2, encode(fields))])


def answer() -> bytes:
    """Give the bytes that let CRIU go on after a notification."""
    return encode([(1, NOTIFY), (3, 1)])


def _value(value: Option) -> Value:
    if isinstance(value, tuple):
        return encode((index + 1, _value(part)) for index, part in enumerate(value))
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value


def _number(message: bytes, number: int) -> int:
    value = dict(decode(message)).get(number, 0)
    return signed(value) if isinstance(value, int) else 0


def _text(value: Value) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
