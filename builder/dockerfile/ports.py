"""EXPOSE: `[[ip:]hostport:]port[-last][/protocol]`.

The address and the host's port are read, checked and dropped: only `docker run -p` has a use for
them.
"""

from __future__ import annotations

from builder.dockerfile import golang
from builder.dockerfile.errors import DockerfileError
from builder.dockerfile.record import Record

_PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535


class PortSpec(Record):
    """One word of EXPOSE.

    Attributes:
        ports: `number/protocol`, one per port of the range.
        protocol: as written.
        has_host: whether an address or a host's port was given.
    """

    ports: tuple[str, ...]
    protocol: str
    has_host: bool


def parse_port(word: str) -> PortSpec:
    """Parse one word of EXPOSE. Raises DockerfileError."""
    *host, container = word.split(":")
    address, host_port = ":".join(host[:-1]), host[-1] if host else ""
    numbers, _, protocol = container.partition("/")
    protocol = protocol or "tcp"
    if not numbers:
        raise _wrong(f"invalid port: {golang.quote(word)}: no port specified", word)
    if protocol.lower() not in _PROTOCOLS:
        raise _wrong(f"invalid port: {golang.quote(word)}: invalid proto: {protocol}", word)
    _check_address(address, word)
    ports = _range(numbers)
    if ports is None:
        raise _wrong(f"invalid containerPort: {numbers}", word)
    if host_port:
        host_ports = _range(host_port)
        if host_ports is None:
            raise _wrong(f"invalid hostPort: {host_port}", word)
        if len(ports) > 1 and len(ports) != len(host_ports):
            raise _wrong(
                f"invalid ranges specified for container and host Ports: {numbers} and {host_port}",
                word,
            )
    shown = tuple(f"{number}/{protocol.lower()}" for number in ports)
    return PortSpec(shown, protocol, bool(address or host_port))


def _wrong(message: str, word: str) -> DockerfileError:
    return DockerfileError(message, near=word)


def _check_address(address: str, word: str) -> None:
    if not address:
        return
    import ipaddress

    text = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise _wrong(f"invalid IP address: {text}", word) from None


def _range(text: str) -> range | None:
    first, dash, last = text.partition("-")
    start = _number(first)
    end = _number(last) if dash and last != first else start
    if start is None or end is None or end < start:
        return None
    return range(start, end + 1)


def _number(text: str) -> int | None:
    value = golang.parse_int(text)
    return value if value is not None and 0 <= value <= _LAST_PORT else None
