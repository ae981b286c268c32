"""``pyoci exec``."""

from __future__ import annotations

from pyoci.commands.descriptors import check_preserved
from pyoci.errors import PyociError, UsageError, reason
from pyoci.lifecycle.exec import ExecOptions, default_process, execute
from pyoci.spec.json_text import decode
from pyoci.state.store import Entry, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings

_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def run(
    invocation: Invocation, settings: Settings, options: dict[str, Any], arguments: list[str]
) -> int:
    """Run a process in a container; in the foreground give its exit status."""
    entry = Entry(settings.root, arguments[0])
    process = _process(entry, options, arguments[1:])
    preserve = options.get("preserve_fds") or 0
    check_preserved(preserve)
    settled = ExecOptions(
        console_socket=options.get("console_socket") or None,
        pidfd_socket=options.get("pidfd_socket") or None,
        pid_file=options.get("pid_file") or None,
        preserve=preserve,
        ignore_paused=bool(options.get("ignore_paused")),
        cgroup=options.get("cgroup") or [],
        stdio=(invocation.stdin, invocation.stdout, invocation.stderr),
    )
    terminal = bool(process.get("terminal"))
    detach = bool(options.get("detach"))
    _check_console(settled, terminal, detach)
    if detach or settled.console_socket is not None:
        _, warnings = execute(entry, process, settled)
        status = 0
        if not detach:
            raise UsageError("cannot use console socket if pyoci will not detach or allocate tty")
    else:
        status, warnings = _foreground(invocation, entry, process, settled, terminal)
    for warning in warnings:
        settings.warn(warning)
    return status


def _check_console(settled: ExecOptions, terminal: bool, detach: bool) -> None:
    if detach and terminal and settled.console_socket is None:
        raise UsageError(
            "cannot allocate tty if pyoci will detach without setting console socket",
            hint="give --console-socket, or leave --tty out",
        )
    if settled.console_socket is not None and not (detach and terminal):
        raise UsageError(
            "cannot use console socket if pyoci will not detach or allocate tty",
            hint="give --tty and --detach with --console-socket",
        )


def _foreground(
    invocation: Invocation,
    entry: Entry,
    process: dict[str, Any],
    settled: ExecOptions,
    terminal: bool,
) -> tuple[int, list[str]]:
    from pyoci.lifecycle.foreground import Signals, stay_with

    console = None
    if terminal:
        from pyoci.console import Console

        console = Console(invocation.stdin)
        console.take_size(process)
        settled.console_number = console.number
    signals = Signals()
    try:
        pid, warnings = execute(entry, process, settled)
        if console is not None:
            console.receive()
        status = stay_with(pid, signals, console, invocation.stdin, invocation.stdout)
    finally:
        signals.restore()
        if console is not None:
            console.close()
    return status, warnings


def _process(entry: Entry, options: dict[str, Any], command: list[str]) -> dict[str, Any]:
    """Give the process to execute: ``--process``, or the container's with the flags' changes."""
    path = options.get("process")
    if path:
        return _process_file(path)
    if not command:
        raise UsageError(
            '"pyoci exec" requires a minimum of 2 arguments',
            hint="name the container and the command, or give --process FILE",
        )
    process = dict(default_process(entry))
    process["args"] = command
    process["terminal"] = bool(options.get("tty"))
    process.pop("consoleSize", None)
    if options.get("cwd"):
        process["cwd"] = options["cwd"]
    if options.get("apparmor"):
        process["apparmorProfile"] = options["apparmor"]
    if options.get("process_label"):
        process["selinuxLabel"] = options["process_label"]
    if options.get("no_new_privs"):
        process["noNewPrivileges"] = True
    process["env"] = [*(process.get("env") or []), *(options.get("env") or [])]
    if options.get("cap"):
        capabilities = dict(process.get("capabilities") or {})
        for name in _SETS:
            # Not inheritable, and so not ambient: CVE-2022-29162.
            if name in ("bounding", "effective", "permitted") or name in capabilities:
                wanted = options["cap"] if name not in ("inheritable", "ambient") else []
                known = capabilities.get(name) or []
                capabilities[name] = [*known, *(cap for cap in wanted if cap not in known)]
        process["capabilities"] = capabilities
    process["user"] = _user(process.get("user") or {}, options)
    return process


def _process_file(path: str) -> dict[str, Any]:
    try:
        value = decode(read_file(path), what=path)
    except OSError as error:
        raise PyociError(
            f"cannot read the process file {path}: {reason(error)}",
            subject=path,
            hint="--process takes the path of a JSON file with a process object",
        ) from None
    if not isinstance(value, dict):
        raise PyociError(
            f"the process file {path} holds no object",
            subject=path,
            hint="it has the form of /process in config.json",
        )
    return value


def _user(user: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Apply ``--user UID[:GID]`` and ``--additional-gids``; digits only (CVE-2026-30892)."""
    result = dict(user)
    specified = options.get("user")
    if specified:
        uid, colon, gid = specified.partition(":")
        result["uid"] = _id(uid, f"--user {specified}")
        if colon:
            result["gid"] = _id(gid, f"--user {specified}")
    extra = options.get("additional_gids")
    if extra:
        result["additionalGids"] = [
            *(result.get("additionalGids") or []),
            *(_id(str(gid), f"--additional-gids {gid}") for gid in extra),
        ]
    return result


def _id(text: str, what: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 1 << 32:
        return int(text)
    raise UsageError(
        f"{what}: {text!r} is not an id",
        hint="ids are decimal numbers; names are not looked up in the container",
    )
