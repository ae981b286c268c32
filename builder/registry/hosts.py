"""Which hosts may be spoken to without TLS, and to which ones a registry may send us.

A registry tells its clients where tokens are made and where uploads go. One that means harm could
name a service that only this machine reaches (a cloud's metadata at 169.254.169.254, a daemon on
the loopback interface), so such addresses are refused unless the registry itself is there.
"""

from __future__ import annotations

import ipaddress

from builder.registry.errors import RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import httpx


def host_of(netloc: str) -> str:
    """A host without port and brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]


def is_loopback(netloc: str) -> bool:
    """Whether a host, with or without port, is this machine by its name or its address."""
    host = host_of(netloc)
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """What must be equal for credentials to be sent along: scheme, host, port."""
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    return url.scheme, url.host, port


def shown(url: httpx.URL) -> str:
    """A URL for messages: queries carry signatures and tokens, and are left out."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace').rpartition('@')[2]}{url.path}"


def check_target(url: httpx.URL, registry: httpx.URL, *, plain_allowed: bool) -> None:
    """Raises RegistryError when a registry sends us where it must not."""
    if url.scheme not in ("http", "https"):
        raise RegistryError(f"registry {registry.host} leads to {shown(url)}: not HTTP")
    same = origin(url) == origin(registry)
    if url.scheme == "http" and registry.scheme == "https" and not plain_allowed:
        raise RegistryError(
            f"registry {registry.host} leads to {shown(url)}: no longer encrypted",
            subject=registry.host,
            hint="--plain-http allows it",
        )
    if same or is_loopback(registry.host):
        return
    address = _address(url.host)
    if url.host == "localhost" or (
        address is not None
        and (address.is_loopback or address.is_link_local or address.is_unspecified)
    ):
        raise RegistryError(
            f"registry {registry.host} leads to {shown(url)}: an address of this machine or link",
            subject=registry.host,
        )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
