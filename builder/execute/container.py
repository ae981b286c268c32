"""One RUN step's process in a container of the runtime, watched from start to end."""

from __future__ import annotations

import json
import os
import select

import pyoci
from builder.execute.cancel import Cancellation, Cancelled
from builder.execute.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CHUNK = 64 << 10


def run_container(
    state_root: str,
    container_id: str,
    bundle: str,
    config: dict[str, Any],
    output: Callable[[bytes], None],
    cancellation: Cancellation,
) -> int:
    """Run a container to its end and remove it; gives its exit status.

    Args:
        state_root: of the runtime.
        container_id: unique below it.
        bundle: an empty directory, for config.json.
        config: the container's configuration.
        output: is handed what the process writes to standard output and error.
        cancellation: kills the container when thrown.

    Raises ContainerError, Cancelled. The container is gone in any case.
    """
    with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    runtime = pyoci.Runtime(state_root)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    reader, writer = os.pipe()
    try:
        try:
            container = runtime.create(
                bundle, container_id, stdin=null, stdout=writer, stderr=writer
            )
        except pyoci.PyociError as error:
            raise _runtime_failed(error) from None
        finally:
            os.close(null)
            os.close(writer)
        with container:
            # Before start: afterwards the process may be gone at any time.
            process = os.pidfd_open(container.pid)
            try:
                container.start()
                _follow(container, process, reader, output, cancellation)
                return container.wait()
            except pyoci.PyociError as error:
                raise _runtime_failed(error) from None
            finally:
                os.close(process)
    finally:
        os.close(reader)


def _follow(
    container: pyoci.Container,
    process: int,
    reader: int,
    output: Callable[[bytes], None],
    cancellation: Cancellation,
) -> None:
    """Hand on the output until the process has ended and nothing more comes.

    One pipe for both streams keeps their order. When the first process ends the kernel kills the
    others of its PID namespace, so the pipe comes to its end as well; it may do so long before,
    when the process closes its streams.
    """
    poll = select.poll()
    for number in (reader, process, cancellation.descriptor):
        poll.register(number, select.POLLIN)
    has_ended = is_drained = False
    while not (has_ended and is_drained):
        ready = {number for number, _ in poll.poll()}
        if cancellation.descriptor in ready:
            _kill(container)
            raise Cancelled
        if process in ready:
            has_ended = True
            poll.unregister(process)
        if reader in ready:
            data = os.read(reader, _CHUNK)
            if data:
                output(data)
            else:
                is_drained = True
                poll.unregister(reader)


def _kill(container: pyoci.Container) -> None:
    try:
        container.kill("SIGKILL", all=True)
    except pyoci.PyociError:
        pass  # it has just ended by itself
    container.wait()


def _runtime_failed(error: pyoci.PyociError) -> ContainerError:
    # The runtime's hints speak of config.json, which the reader has never seen.
    return ContainerError(f"running the step: {error.message}")


def sweep_containers(state_root: str, is_alive: Callable[[str], bool]) -> int:
    """Delete the containers of builders that are gone; gives how many there were.

    is_alive tells whether the builder of a container ID still runs.
    """
    count = 0
    for container in pyoci.Runtime(state_root).list():
        if is_alive(container.id):
            continue
        try:
            container.delete(force=True)
            count += 1
        except pyoci.PyociError:
            continue
    return count
