"""Takes back settings that have been written, when a later one of the same update is refused.

An operation that fails leaves everything as it was (runtime.md, Errors). Files with one value get
it back; of those with a line per device only the line is put back, or the words that remove it.
"""

from __future__ import annotations

from pyoci.cgroup.files import Setting, read, write

# File -> what takes a device's line away, after the device.
_REMOVAL = {
    "io.max": "rbps=max wbps=max riops=max wiops=max",
    "io.weight": "default",
    "io.bfq.weight": "default",
    "rdma.max": "hca_handle=max hca_object=max",
}


class Undo:
    """The contents of files before they were written, in the order of the writes."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: list[tuple[str, Setting, str | None]] = []

    def remember(self, path: str, setting: Setting) -> None:
        """Read a file that a setting is about to be written to."""
        self._before.append((path, setting, read(path)))

    def undo(self) -> None:
        """Write the old contents back, the last write's first; what is refused stays."""
        again = []
        for path, setting, content in reversed(self._before):
            value = previous(setting, content)
            if value is not None and not _written(path, value):
                # A pair such as memory and swap may want the other order.
                again.append((path, value))
        for path, value in again:
            _written(path, value)
        self._before.clear()


def previous(setting: Setting, content: str | None) -> str | None:
    """Give what to write to undo a setting; None where the file could not be read."""
    if content is None:
        return None
    key, space, _ = setting.value.partition(" ")
    if not space or setting.file == "cpu.max":
        if setting.file == "memory.oom_control":
            # It reads as several lines and takes the first one's number.
            return content.split()[1] if len(content.split()) > 1 else None
        if setting.file in _REMOVAL:
            return content.splitlines()[0] if content else None
        # An empty list of processors (v2) is written as an empty line.
        return content or "\n"
    for line in content.splitlines():
        if line.split(" ", 1)[0] == key:
            return line
    return f"{key} {_REMOVAL.get(setting.file, '0')}"


def _written(path: str, value: str) -> bool:
    try:
        write(path, value)
    except OSError:
        return False
    return True
