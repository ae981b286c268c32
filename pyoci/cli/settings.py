"""From the global flags to `Settings`: the state root, the log, the modes."""

from __future__ import annotations

import posix as os

from pyoci.errors import PyociError, UsageError, reason
from pyoci.invocation import DEFAULT_ROOT, Settings
from pyoci.paths import normpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyoci.invocation import Invocation

_STICKY = 0o1000
_ROOTLESS = {"auto": None, "true": True, "1": True, "false": False, "0": False}


def settle(settings: Settings, options: dict[str, Any], invocation: Invocation) -> None:
    """Fill the settings in from the global flags, the log first: it is where errors go.

    Raises UsageError for a bad value, PyociError for a log that cannot be opened.
    """
    settings.debug = bool(options.get("debug"))
    form = options.get("log_format") or "text"
    if form not in ("text", "json"):
        raise UsageError(
            f"invalid log format {form!r}", subject="--log-format", hint="use text or json"
        )
    settings.log_format = form
    if options.get("log"):
        from pyoci.cli.log import open_log

        settings.log = open_log(_absolute(options["log"], invocation))
    settings.systemd_cgroup = bool(options.get("systemd_cgroup"))
    rootless = options.get("rootless") or "auto"
    if rootless not in _ROOTLESS:
        raise UsageError(
            f"invalid value {rootless!r} for flag --rootless",
            subject="--rootless",
            hint="use true, false or auto",
        )
    settings.rootless = _ROOTLESS[rootless]
    settings.root_is_default = "root" not in options
    if settings.root_is_default:
        settings.root = default_root(invocation.environ)
    else:
        settings.root = checked_root(options["root"], invocation)


def checked_root(path: str, invocation: Invocation) -> str:
    """Give ``--root`` as an absolute path; raises UsageError for an empty one and for ``/``."""
    root = normpath(_absolute(path, invocation)) if path else ""
    if root in ("", "/", "//"):
        raise UsageError(
            f"--root {path or repr(path)} cannot be the state root",
            subject="--root",
            hint="name a directory of its own, such as /run/pyoci",
        )
    return root


def default_root(environ: dict[str, str]) -> str:
    """Give the state root without ``--root``.

    ``$XDG_RUNTIME_DIR/pyoci`` for an ordinary user, and in a user namespace unless ``$USER`` is
    root there: engines that run rootless as their namespace's root expect it of runc. It is made
    with the sticky bit, which keeps clean-up services from removing it
    (XDG Base Directory Specification).
    """
    directory = environ.get("XDG_RUNTIME_DIR")
    if not directory or not directory.startswith("/"):
        return DEFAULT_ROOT
    if os.geteuid() == 0:
        from pyoci.plan.host import in_user_namespace

        if environ.get("USER") == "root" or not in_user_namespace():
            return DEFAULT_ROOT
    return f"{directory.rstrip('/')}/pyoci"


def make_user_root(root: str) -> None:
    """Make the default state root of an ordinary user; raises PyociError."""
    try:
        os.mkdir(root, 0o700)
        os.chmod(root, 0o700 | _STICKY)
    except FileExistsError:
        return
    except OSError as error:
        raise PyociError(
            f"cannot make the state root {root}: {reason(error)}",
            subject=root,
            hint="XDG_RUNTIME_DIR has to be a directory of yours; or give --root",
        ) from None


def _absolute(path: str, invocation: Invocation) -> str:
    return path if path.startswith("/") else f"{invocation.cwd}/{path}"
