"""``pyoci seccomp explain``: what a profile makes of a system call, and which rule says so."""

from __future__ import annotations

import os

from pyoci.commands.create import absolute
from pyoci.errors import SeccompError, UsageError, reason
from pyoci.paths import isdir
from pyoci.state.store import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation, Settings
    from pyoci.seccomp.explain import Judgement

_MOST_ARGUMENTS = 6


def run(
    invocation: Invocation,
    settings: Settings,  # noqa: ARG001
    options: dict[str, Any],
    arguments: list[str],
) -> int:
    """Answer for one system call: the action, the JSON pointer of what says so, the reason."""
    from pyoci.seccomp.explain import judge

    action, path, call, *texts = arguments
    if action != "explain":
        raise UsageError(f"unknown action {action!r} of seccomp", hint="use explain")
    if len(texts) > _MOST_ARGUMENTS:
        raise UsageError(f"{len(texts)} arguments: a system call has at most {_MOST_ARGUMENTS}")
    profile = _profile(absolute(invocation, path) or "")
    syscall = _number(call) if call[:1].isdigit() or call[:1] == "-" else call
    found = judge(
        profile,
        os.uname().machine,
        syscall,
        [_number(text) for text in texts],
        options.get("arch") or None,
    )
    form = options.get("format") or "text"
    if form not in ("text", "json"):
        raise UsageError(f"invalid format option: {form}", hint="use text or json")
    invocation.write(_text(found) if form == "text" else _json(found))
    return 0


def _profile(path: str) -> dict[str, Any]:
    """Read a profile by itself, or the one of a bundle or its config.json."""
    from pyoci.spec.json_text import decode

    if isdir(path):
        path = f"{path}/config.json"
    try:
        data = read_file(path)
    except OSError as error:
        raise SeccompError(
            f"reading the profile {path}: {reason(error)}",
            subject=path,
            hint="name a profile's file, a config.json or a bundle",
        ) from None
    document = decode(data, path)
    if isinstance(document, dict) and "ociVersion" in document:
        linux = document.get("linux")
        document = linux.get("seccomp") if isinstance(linux, dict) else None
        if document is None:
            raise SeccompError(f"{path} has no /linux/seccomp: every call is allowed", subject=path)
    if not isinstance(document, dict):
        raise SeccompError(
            f"the profile {path} is no object",
            subject=path,
            hint="it needs at least defaultAction",
        )
    if "archMap" in document or any(
        isinstance(rule, dict) and (rule.get("includes") or rule.get("excludes"))
        for rule in document.get("syscalls") or ()
    ):
        raise SeccompError(
            f"the profile {path} is a template, which an engine resolves for each container",
            subject=path,
            hint="name the config.json of a container that the engine has made",
        )
    return document


def _number(text: str) -> int:
    """Decimal, 0x or 0o, as in C headers and strace; negative ones as the kernel sees them."""
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(
            f"{text!r} is no number", hint="give arguments as numbers, such as 2 or 0x10000"
        ) from None


def _text(found: Judgement) -> str:
    return f"{found.action}\n{found.pointer}: {found.reason}\n"


def _json(found: Judgement) -> str:
    from pyoci.spec.json_text import encode

    return encode(found._asdict(), indent=2) + "\n"
