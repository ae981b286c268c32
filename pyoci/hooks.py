"""Hooks that run in the runtime's namespaces: prestart, createRuntime, poststart, poststop.

(createContainer and startContainer hooks are operations of the plan.) config.md, POSIX-platform
Hooks: the state on standard input, exactly the environment that is given, aborted at the timeout.
"""

from __future__ import annotations

import _signal
import posix as os
import select
import time

from pyoci.errors import HookError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SEEK_SET = 0
_SIGKILL = 9
_LARGEST_OUTPUT = 2048


def run_hooks(kind: str, hooks: list[dict[str, Any]], state: str) -> None:
    """Run the hooks of one kind in order.

    ``state`` is the state object as JSON. Raises HookError at the first that fails; its standard
    error's last line is in the message.
    """
    for index, hook in enumerate(hooks):
        _run(f"/hooks/{kind}/{index}", kind, index, hook, state)


def run_all_hooks(kind: str, hooks: list[dict[str, Any]], state: str) -> list[str]:
    """Run every hook of one kind even when some fail; give what failed, for warnings (poststop)."""
    failures = []
    for index, hook in enumerate(hooks):
        try:
            _run(f"/hooks/{kind}/{index}", kind, index, hook, state)
        except HookError as error:
            failures.append(str(error))
    return failures


def _run(pointer: str, kind: str, index: int, hook: dict[str, Any], state: str) -> None:
    path = hook["path"]
    environment = dict(
        entry.split("=", 1) if "=" in entry else (entry, "") for entry in hook.get("env") or ()
    )
    # A memfd holds any state without a writer that the hook could block.
    stdin = os.memfd_create("state", os.MFD_CLOEXEC)
    os.write(stdin, state.encode("utf-8", "surrogateescape"))
    os.lseek(stdin, 0, _SEEK_SET)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    stderr_read, stderr_write = os.pipe()
    # Told to end, a command ends its hook too: not between its start and knowing its number.
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _TOLD_TO_END)
    try:
        pid = os.posix_spawn(
            path,
            hook.get("args") or [path],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stdin, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, stderr_write, 2),
            ],
            # A group of its own, so that its children end with it when it has to end.
            setpgroup=0,
            setsigmask=[],
            setsigdef=_SIGNALS_PYTHON_IGNORES,
        )
    except OSError as error:
        os.close(stderr_read)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        raise HookError(
            f"error running {kind} hook #{index}: cannot execute {path}: {reason(error)}",
            subject=pointer,
            hint="the path has to be an executable file of the host",
        ) from None
    finally:
        os.close(stdin)
        os.close(null)
        os.close(stderr_write)
    try:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        output, timed_out = _follow(pid, stderr_read, hook.get("timeout"))
    except BaseException:
        # The caller was told to stop: what it started ends with it.
        os.killpg(pid, _SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(stderr_read)
    _, status = os.waitpid(pid, 0)
    if timed_out:
        raise HookError(
            f"error running {kind} hook #{index}: {path} ran longer than its timeout of "
            f"{hook['timeout']} s and was killed",
            subject=pointer,
            hint="raise the timeout, or see what the hook waits for",
        )
    if status:
        code = os.waitstatus_to_exitcode(status)
        how = f"exit status {code}" if code >= 0 else f"signal {-code}"
        last = output.decode("utf-8", "replace").strip().rpartition("\n")[2]
        last = "".join(c if c.isprintable() else "?" for c in last)
        raise HookError(
            f"error running {kind} hook #{index}: {path}: {how}"
            + (f", stderr: {last}" if last else ""),
            subject=pointer,
            hint="run the hook by hand with the container's state on its standard input",
        )


_TOLD_TO_END = (1, 2, 15)  # SIGHUP, SIGINT, SIGTERM
_SIGNALS_PYTHON_IGNORES = (13, 25)  # SIGPIPE, SIGXFSZ


def _follow(pid: int, stderr: int, timeout: int | None) -> tuple[bytes, bool]:
    """Read standard error until the hook ends; kills it at the timeout (seconds).

    The hook's end is read from a pidfd: a daemon it leaves behind may hold the pipe open for ever.
    """
    deadline = time.monotonic() + timeout if timeout else None
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(stderr, select.POLLIN)
    output = b""
    timed_out = False
    try:
        while True:
            left = None
            if deadline is not None and not timed_out:
                left = max(0, int((deadline - time.monotonic()) * 1000) + 1)
            ready = [descriptor for descriptor, _ in poll.poll(left)]
            if not ready:
                os.killpg(pid, _SIGKILL)
                timed_out = True
                continue
            if stderr in ready:
                data = os.read(stderr, 65536)
                if data:
                    output = (output + data)[-_LARGEST_OUTPUT:]
                    continue
                poll.unregister(stderr)
            if pidfd in ready:
                return output, timed_out
    finally:
        os.close(pidfd)
