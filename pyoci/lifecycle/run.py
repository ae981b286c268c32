"""run: create and start in one; in the foreground also wait and delete."""

from __future__ import annotations

from pyoci.errors import PyociError
from pyoci.lifecycle.create import CreateOptions, create
from pyoci.lifecycle.delete import delete
from pyoci.lifecycle.start import run_poststart
from pyoci.state.store import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyoci.spec.bundle import Bundle
    from pyoci.state.store import State


def run_detached(root: str, container_id: str, bundle: Bundle, options: CreateOptions) -> list[str]:
    """Create a container and execute its program; gives warnings."""
    _, warnings = _create_and_start(root, container_id, bundle, options)
    return warnings


def run(
    root: str,
    container_id: str,
    bundle: Bundle,
    options: CreateOptions,
    *,
    keep: bool,
    stdin: int,
    stdout: int,
) -> tuple[int, list[str]]:
    """Run a container in the foreground; gives its exit status and warnings.

    Signals are passed on to it. Unless ``keep``, it is deleted when it has ended.
    """
    return attend(
        Entry(root, container_id),
        bundle,
        options,
        lambda: _create_and_start(root, container_id, bundle, options),
        keep=keep,
        stdin=stdin,
        stdout=stdout,
    )


def _create_and_start(
    root: str, container_id: str, bundle: Bundle, options: CreateOptions
) -> tuple[State, list[str]]:
    options.wait = False
    state, warnings = create(root, container_id, bundle, options)
    entry = Entry(root, container_id)
    try:
        run_poststart(entry, state)
    except PyociError:
        delete(entry, force=True)
        raise
    return state, warnings


def attend(
    entry: Entry,
    bundle: Bundle,
    options: CreateOptions,
    begin: Callable[[], tuple[State, list[str]]],
    *,
    keep: bool,
    stdin: int,
    stdout: int,
) -> tuple[int, list[str]]:
    """Begin a container, with ``begin``, and stay with it to its end; as `run` does.

    ``begin`` leaves nothing behind when it fails.
    """
    from pyoci.lifecycle.foreground import Signals, stay_with

    console = None
    if wants_terminal(bundle) and options.console_socket is None:
        from pyoci.console import Console

        console = Console(stdin)
        console.take_size(bundle.config["process"])
        options.console_number = console.number
    signals = Signals()
    begun = False
    try:
        state, warnings = begin()
        begun = True
        if console is not None:
            console.receive()
        status = stay_with(state.pid, signals, console, stdin, stdout)
    except BaseException:
        if begun:
            delete(entry, force=True)
        raise
    finally:
        signals.restore()
        if console is not None:
            console.close()
    if not keep:
        warnings += delete(entry, force=True)
    return status, warnings


def wants_terminal(bundle: Bundle) -> bool:
    """Say whether a bundle's process wants a terminal."""
    return bool((bundle.config.get("process") or {}).get("terminal"))
