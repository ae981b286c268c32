"""What a command sees of its caller: one invocation, and the settings of the global flags.

No command reads ``sys.argv`` or ``os.environ``, or prints: all of it comes and goes through these
two. So commands can be called as functions, tested without a process, and served by one later.
"""

from __future__ import annotations

import posix as os

from pyoci.errors import PyociError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ROOT = "/run/pyoci"


class Invocation:
    """One call of the command line.

    ``argv`` is what follows the program's name; ``stdin``, ``stdout`` and ``stderr`` are
    descriptor numbers. For create, run and exec they become the container's: nothing else may be
    written there.
    """

    __slots__ = ("_cwd", "argv", "environ", "stderr", "stdin", "stdout")

    def __init__(
        self,
        argv: list[str],
        environ: Mapping[str, str],
        *,
        cwd: str | None = None,
        stdin: int = 0,
        stdout: int = 1,
        stderr: int = 2,
    ) -> None:
        self.argv = argv
        self.environ = dict(environ)
        self._cwd = cwd
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr

    @property
    def cwd(self) -> str:
        """The working directory, absolute; raises PyociError when it has been removed."""
        if self._cwd is None:
            try:
                self._cwd = os.getcwd()
            except OSError:
                raise PyociError(
                    "the working directory has been removed",
                    hint="change to one that exists, or give absolute paths",
                ) from None
        return self._cwd

    def write(self, text: str) -> None:
        """Write to standard output, all of it.

        Raises BrokenPipeError when the reader is gone, PyociError for any other failure.
        """
        try:
            write_all(self.stdout, text.encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise PyociError(
                f"cannot write to standard output: {reason(error)}",
                subject="stdout",
            ) from None

    def complain(self, line: str) -> None:
        """Write a line to standard error; when that fails there is nobody left to tell."""
        try:
            write_all(self.stderr, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            return


class Settings:
    """The global flags, settled: what every command is told beside its own flags.

    ``root`` is the state root, absolute; ``root_is_default`` is false when ``--root`` was given.
    ``log`` is the descriptor of the log file, None for standard error. ``rootless`` is None for
    "find out". ``warnings`` collects what `warn` was told; who called the command passes it on.
    """

    __slots__ = (
        "debug",
        "log",
        "log_format",
        "root",
        "root_is_default",
        "rootless",
        "systemd_cgroup",
        "warnings",
    )

    def __init__(
        self,
        *,
        root: str = DEFAULT_ROOT,
        root_is_default: bool = True,
        log: int | None = None,
        log_format: str = "text",
        debug: bool = False,
        systemd_cgroup: bool = False,
        rootless: bool | None = None,
    ) -> None:
        self.root = root
        self.root_is_default = root_is_default
        self.log = log
        self.log_format = log_format
        self.debug = debug
        self.systemd_cgroup = systemd_cgroup
        self.rootless = rootless
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Take a warning: something went wrong that does not make the command fail."""
        self.warnings.append(text)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data, whatever the descriptor takes at a time; raises OSError."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            # The other end of the caller's pipe or socket made it non-blocking.
            import select

            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
