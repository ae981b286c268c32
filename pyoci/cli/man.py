"""The manual pages pyoci(8) and pyoci-COMMAND(8), from the table: ``python -m pyoci.cli.man DIR``.

Commands and flags come from the table; what surrounds them is here, and is all that a reader needs
to run containers by hand or to hand the command to an engine.
"""

from __future__ import annotations

import sys

from pyoci import __version__
from pyoci.cli.table import BOOL, COMMANDS, GLOBAL_FLAGS, LIST, Command, Flag

_DESCRIPTION = """
pyoci runs containers as the Open Container Initiative specifies them: it takes a bundle, a
directory with a config.json and usually a root file system, and runs the process that the
configuration describes. Container engines call it; its commands, flags, outputs and exit statuses
are those of runc(8).
"""

_EXIT_STATUS = """
0 on success, 1 when the command fails. run and a foreground exec give the status of the process:
128 and the signal's number when a signal ended it. exec's own failures give 255.
"""

_DIAGNOSTICS = """
A failure is one line on standard error, and one record in the log file. A JSON record has the
members level, msg and time, a stable code, and where they apply subject (a JSON pointer into
config.json, a path, an ID), errno and hint.
"""

_ENVIRONMENT = (
    ("XDG_RUNTIME_DIR", "Where the state of an ordinary user's containers is kept."),
    ("LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES", "Sockets to pass on, see sd_listen_fds(3)."),
)

_FILES = (
    ("/run/pyoci/ID/", "A container's state; removed by delete."),
    ("/run/pyoci/@seccomp/", "Compiled seccomp filters; may be removed at any time."),
)

_SEE_ALSO = "runc(8), crun(1), podman(1), docker(1), namespaces(7), cgroups(7)"


def page() -> str:
    """Give the page as man(7) text."""
    lines = [
        f'.TH PYOCI 8 "" "pyoci {__version__}" "Container runtime"',
        *(".SH NAME", "pyoci \\- OCI container runtime"),
        ".SH SYNOPSIS",
        *(
            ".B pyoci",
            "[\\fIglobal options\\fR] \\fIcommand\\fR [\\fIoptions\\fR] [\\fIargument\\fR ...]",
        ),
        *(".SH DESCRIPTION", *_paragraph(_DESCRIPTION)),
        *(".SH GLOBAL OPTIONS", *_flags(GLOBAL_FLAGS)),
        ".SH COMMANDS",
    ]
    for command in COMMANDS.values():
        if not command.hidden:
            lines.append(f".SS {_text(f'pyoci {command.name} [OPTIONS] {command.arguments}')}")
            lines += [_text(command.summary), *_flags(command.flags)]
    lines += [".SH EXIT STATUS", *_paragraph(_EXIT_STATUS)]
    lines += [".SH DIAGNOSTICS", *_paragraph(_DIAGNOSTICS)]
    for title, entries in (("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES)):
        lines.append(f".SH {title}")
        for name, meaning in entries:
            lines += [".TP", f".B {_text(name)}", _text(meaning)]
    pages = ", ".join(f"pyoci-{command.name}(8)" for command in _visible_commands())
    lines += [".SH SEE ALSO", _text(f"{pages}, {_SEE_ALSO}")]
    return "\n".join(lines) + "\n"


def command_page(command: Command) -> str:
    """Give the page of one command as man(7) text."""
    name = f"pyoci-{command.name}"
    summary = command.summary.rstrip(".")
    lines = [
        f'.TH {_text(name.upper())} 8 "" "pyoci {__version__}" "Container runtime"',
        *(".SH NAME", f"{_text(name)} \\- {_text(summary[0].lower() + summary[1:])}"),
        ".SH SYNOPSIS",
        f".B pyoci {_text(command.name)}",
        " ".join(["[\\fIoptions\\fR]", _text(command.arguments)]).rstrip(),
        *(".SH DESCRIPTION", _text(command.summary)),
        *(".SH OPTIONS", *_flags(command.flags)),
        *(".SH EXIT STATUS", *_paragraph(_EXIT_STATUS)),
        *(".SH SEE ALSO", _text("pyoci(8)")),
    ]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Give all pages by their file names."""
    found = {"pyoci.8": page()}
    for command in _visible_commands():
        found[f"pyoci-{command.name}.8"] = command_page(command)
    return found


def _visible_commands() -> list[Command]:
    return [command for command in COMMANDS.values() if not command.hidden]


def _flags(flags: tuple[Flag, ...]) -> list[str]:
    lines = []
    for flag in flags:
        if flag.hidden:
            continue
        names = [f"-{flag.short}"] if flag.short else []
        head = ", ".join(f"\\fB{_text(name)}\\fR" for name in [*names, f"--{flag.name}"])
        if flag.kind != BOOL:
            head += f" \\fI{_text(flag.argument)}\\fR" + (" ..." if flag.kind == LIST else "")
        lines += [".TP", head, _text(flag.help)]
    return lines


def _paragraph(text: str) -> list[str]:
    return [_text(line) for line in text.strip().splitlines()]


def _text(text: str) -> str:
    """Escape what roff would take for its own: backslashes, hyphens, a leading period or quote."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return f"\\&{text}" if text[:1] in (".", "'") else text


if __name__ == "__main__":
    for file_name, text in pages().items():
        with open(f"{sys.argv[1]}/{file_name}", "w", encoding="utf-8") as output:
            output.write(text)
